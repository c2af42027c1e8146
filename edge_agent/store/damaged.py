"""How rows are read out of a damaged database, table by table and row by row, and what is known to be missing.

A page of SQLCipher that has changed does not decrypt: reading it is an error, the pages around it are fine. A table's
rows are found from both ends, and between them one by one, by the row numbers that its indexes still know. Nothing is
written here.

Source: sqlite.org/fileformat.html (b-trees), sqlite.org/lang_indexedby.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.errors import StoreError
from edge_agent.store.connection import Connection, is_poisoned, open_file
from edge_agent.store.key import StoreKey

_MAX_PROBES = 100_000  # row numbers tried between the two readable ends where no index names them


@dataclass(frozen=True, slots=True)
class Census:
    """What a damaged table held.

    ``rowids`` are all that are known to exist, readable or not; ``is_complete`` says that there were no others.
    ``named`` gives, for rows that an index knows, the indexed values.
    """

    rowids: tuple[int, ...]
    is_complete: bool
    named: dict[int, dict[str, Any]] = field(default_factory=dict)


class DamagedStore:
    """Read what can be read of a database's copy. Never give it the original: opening one may write to it.

    Args:
        path: the copy.
        key: the store's key.
    """

    def __init__(self, path: Path, key: StoreKey) -> None:
        self._path = path
        self._key = key

    def schema(self) -> tuple[int, dict[str, str], list[str]] | None:
        """Return version, statements of the tables by name, and those of the indexes; None when they are unreadable."""
        from_master = "FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        try:
            with self._open() as connection:
                version = int(connection.execute("PRAGMA user_version").fetchone()[0])
                tables = connection.execute(f"SELECT name, sql {from_master} AND type = 'table'").fetchall()
                rest = connection.execute(f"SELECT sql {from_master} AND type <> 'table'").fetchall()
        except StoreError:
            return None
        return version, dict(tables), [row[0] for row in rest]

    def census(self, table: str) -> Census:
        """Find every row of a table that is known to exist."""
        ahead, is_whole = self._scan(f'SELECT rowid FROM "{table}" NOT INDEXED ORDER BY rowid')  # noqa: S608  (our own names)
        if is_whole:
            return Census(tuple(row[0] for row in ahead), is_complete=True, named=self._named(table)[0])
        behind, _ = self._scan(f'SELECT rowid FROM "{table}" NOT INDEXED ORDER BY rowid DESC')  # noqa: S608
        found = {row[0] for row in ahead} | {row[0] for row in behind}
        named, is_complete = self._named(table)
        if is_complete:
            return Census(tuple(sorted(found | set(named))), is_complete=True, named=named)
        low = max((row[0] for row in ahead), default=0) + 1
        high = min((row[0] for row in behind), default=self.last_number(table) + 1)
        if high - low <= _MAX_PROBES:
            found |= {rowid for rowid in range(low, high) if self.row(table, rowid) is not None}
        return Census(tuple(sorted(found | set(named))), is_complete=False, named=named)

    def row(self, table: str, rowid: int) -> tuple[Any, ...] | None:
        """Return one row, or None when it cannot be read or is not there."""
        rows, _ = self._scan(f'SELECT * FROM "{table}" NOT INDEXED WHERE rowid = ?', rowid)  # noqa: S608
        return rows[0] if rows else None

    def rows(self, table: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Give every readable row with its row number, in order."""
        for rowid in self.census(table).rowids:
            row = self.row(table, rowid)
            if row is not None:
                yield rowid, row

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns, in order; the schema tells them, so they outlive the rows."""
        rows, _ = self._scan("SELECT name FROM pragma_table_info(?) ORDER BY cid", table)
        return [row[0] for row in rows]

    def last_number(self, table: str) -> int:
        """Return the last number that an AUTOINCREMENT table has given; 0 where it is unknown or there is none."""
        rows, _ = self._scan("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
        return int(rows[0][0]) if rows else 0

    def _named(self, table: str) -> tuple[dict[int, dict[str, Any]], bool]:
        """Return what the indexes know of the rows, and whether one of them was read to its end."""
        named: dict[int, dict[str, Any]] = {}
        is_complete = False
        indexes, _ = self._scan("SELECT name FROM pragma_index_list(?) WHERE partial = 0", table)
        for (index,) in indexes:
            rows, _ = self._scan("SELECT name FROM pragma_index_info(?) WHERE name IS NOT NULL", index)
            columns = [row[0] for row in rows]
            listed = ", ".join(f'"{column}"' for column in columns)
            entries, is_whole = self._scan(f'SELECT rowid, {listed} FROM "{table}" INDEXED BY "{index}"')  # noqa: S608
            for rowid, *values in entries:
                named.setdefault(rowid, {}).update(zip(columns, values, strict=True))
            is_complete = is_complete or is_whole
        return named, is_complete

    def _scan(self, statement: str, *values: object) -> tuple[list[tuple[Any, ...]], bool]:
        """Return the rows up to the first damaged page, and whether there was none."""
        rows: list[tuple[Any, ...]] = []
        try:
            with self._open() as connection:
                for row in connection.execute(statement, values):
                    if is_poisoned(connection):  # the page that gave this row's end gave zeros
                        return rows, False
                    rows.append(row)
        except StoreError:
            return rows, False  # what came before the error is kept
        return rows, True

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        with open_file(self._path, self._key) as connection:
            yield connection
