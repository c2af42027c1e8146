"""Create the ledger, the results and what is counted beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of protocol v1."""
    op.create_table(
        "devices",
        sa.Column("device", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(16), primary_key=True),
        sa.Column("expected", sa.BigInteger, nullable=False),
        sa.Column("settled", sa.BigInteger, nullable=False),
        sa.Column("high_water_seen", sa.BigInteger, nullable=False),
        sa.Column("last_payload_sha256", sa.String(64), nullable=False),
        sa.Column("chain_breaks", sa.BigInteger, nullable=False),
        sa.Column("first_seen_s", sa.BigInteger, nullable=False),
        sa.Column("last_seen_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("device", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("received_at_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "results",
        sa.Column("record_id", sa.String(32), primary_key=True),
        sa.Column("period", sa.Integer, nullable=False),
        sa.Column("age_band", sa.String(16), nullable=False),
        sa.Column("sex", sa.String(16), nullable=False),
        sa.Column("tone_group", sa.String(16), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("family", sa.String(32), nullable=False),
        sa.Column("phenotype", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("severity_band", sa.String(16), nullable=False),
        sa.Column("syndrome", sa.String(32), nullable=False),
        sa.Column("triage_final", sa.String(16), nullable=False),
        sa.Column("red_flag_ids", sa.JSON, nullable=False),
        sa.Column("abstain_reason", sa.JSON, nullable=False),
        sa.Column("bundle_release", sa.String(64), nullable=False),
        sa.Column("device_profile_class", sa.String(32), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("condition", sa.String(48)),
        sa.Column("verifiability_percent", sa.Integer),
        sa.Column("visit_index_band", sa.String(8)),
        sa.Column("decisions", sa.JSON, nullable=False),
        sa.Column("quality_refusals", sa.JSON, nullable=False),
        sa.Column("region_code", sa.String(16)),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tombstones",
        sa.Column("record_id", sa.String(32), primary_key=True),
        sa.Column("received_at_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "conflicts",
        sa.Column("device", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("received_sha256", sa.String(64), primary_key=True),
        sa.Column("stored_sha256", sa.String(64), nullable=False),
        sa.Column("received_at_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rejected",
        sa.Column("device", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("received_at_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "refusals",
        sa.Column("reason", sa.String(32), primary_key=True),
        sa.Column("payloads", sa.BigInteger, nullable=False),
        sa.Column("last_at_s", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Refuse: the ledger is the only proof of what was stored."""
    raise NotImplementedError("restore a backup instead")
