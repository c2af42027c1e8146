"""Run the migrations on the connection that ``fleet.database`` hands over; alembic's own settings are not read."""

from __future__ import annotations

from alembic import context

from fleet.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
