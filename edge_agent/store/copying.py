"""How one store's content is written into a new file: table by table, without the image keys.

Pure SQL on connections that ``database`` opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.store.key import StoreKey

if TYPE_CHECKING:
    from edge_agent.store.database import Connection

KEY_TABLE = "image_keys"  # in no copy: a backup must not open a picture that was shredded after it
_OWN = "name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"


def copy_into(connection: Connection, source: Path, key: StoreKey) -> None:
    """Fill the empty database of ``connection`` with one moment of ``source``, the image keys left out.

    Does not change the source. Both have the same key.
    """
    connection.execute(f"ATTACH DATABASE ? AS source KEY \"x'{key.hex}'\"", (str(source),))
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN")  # one read transaction on the source: one moment
    for name, sql in tables(connection, schema="source").items():
        connection.execute(sql)
        if name != KEY_TABLE:
            connection.execute(f'INSERT INTO main."{name}" SELECT * FROM source."{name}"')  # noqa: S608  (our own names)
    if _has_sequences(connection):
        connection.execute("DELETE FROM main.sqlite_sequence")
        connection.execute("INSERT INTO main.sqlite_sequence SELECT * FROM source.sqlite_sequence")
    make_indexes(connection, definitions(connection, schema="source"))
    version = int(connection.execute("PRAGMA source.user_version").fetchone()[0])
    connection.execute(f"PRAGMA main.user_version = {version}")
    connection.execute("COMMIT")
    connection.execute("DETACH DATABASE source")
    connection.execute("PRAGMA foreign_keys = ON")


def tables(connection: Connection, *, schema: str = "main") -> dict[str, str]:
    """Return the names of a database's tables and the statements that make them, in the order in which they were made."""
    rows = connection.execute(f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table' AND {_OWN}")  # noqa: S608
    return dict(rows.fetchall())


def definitions(connection: Connection, *, schema: str = "main") -> list[str]:
    """Return the statements that make the indexes, triggers and views of a database."""
    rows = connection.execute(
        f"SELECT sql FROM {schema}.sqlite_master WHERE type <> 'table' AND sql IS NOT NULL AND {_OWN}"  # noqa: S608
    )
    return [row[0] for row in rows.fetchall()]


def make_indexes(connection: Connection, statements: Sequence[str]) -> None:
    """Run the statements of ``definitions``, after the rows are in: that is faster and fails on rows that clash."""
    for statement in statements:
        connection.execute(statement)


def _has_sequences(connection: Connection) -> bool:
    found = connection.execute("SELECT 1 FROM source.sqlite_master WHERE name = 'sqlite_sequence'").fetchone()
    return found is not None
