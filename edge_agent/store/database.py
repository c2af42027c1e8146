"""The encrypted database file: made, migrated, and written by one transaction at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store.clock import Clock
from edge_agent.store.connection import (
    BUSY_TIMEOUT_S,
    Connection,
    connect,
    is_poisoned,
    open_file,
    refuse_plain,
    translated,
)
from edge_agent.store.copying import copy_into
from edge_agent.store.durable import log_of, new_file
from edge_agent.store.key import StoreKey
from edge_agent.store.naming import BACKUP_FOLDER, backup_name
from edge_agent.store.schema import MIGRATIONS

__all__ = ["MIGRATIONS", "SCHEMA_VERSION", "Connection", "Database", "open_file", "write_copy"]

SCHEMA_VERSION = len(MIGRATIONS)
_BUSY_TIMEOUT_S = BUSY_TIMEOUT_S


class Database:
    """Own the connection to the encrypted store.

    Does not know what is stored: ``CaseStore`` and ``Outbox`` do. Safe to share between threads: one lock
    lets one transaction run at a time. Other processes wait up to 15 s for their turn.

    Args:
        path: the database file; created, with all its tables, when there is none.
        key: the raw key; a wrong one leaves the file untouched.
        max_bytes: largest size of the store, its pictures included; None is limited by the disk only.
        clock: names the backup that is written before a migration.

    Raises:
        StoreCorrupt: the file cannot be read with this key or is not encrypted, or it is gone and its write-ahead log
            is not.
        StoreFull: no space to create it, or for the backup before a migration.
        StoreError: a newer program wrote this file, or it cannot be opened.
    """

    def __init__(self, path: Path, key: StoreKey, *, max_bytes: int | None = None, clock: Clock | None = None) -> None:
        self._path = path
        self._key = key
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._is_closed = False
        with translated(path):
            if not _exists(path):
                _create(path, key)
            if path.stat().st_size == 0:
                # A new database gets its name only when complete, so an empty file is a damaged one.
                raise StoreCorrupt(f"the store {path} is empty: restore it from its backup")
            refuse_plain(path)
            self._connection = connect(path, key, timeout_s=_BUSY_TIMEOUT_S)
            try:
                if 0 < _user_version(self._connection) < SCHEMA_VERSION:
                    now = (clock or _utc_now)()
                    name = backup_name(path, _user_version(self._connection), now=now)
                    write_copy(path, key, target=path.with_name(BACKUP_FOLDER) / name)
                _migrate(self._connection, path)
                self._limit()
            except BaseException:
                self._connection.close()
                raise

    @property
    def path(self) -> Path:
        """Return the database file's path."""
        return self._path

    @property
    def max_bytes(self) -> int | None:
        """Return the largest size in bytes that was asked for, pictures included; None: the disk's."""
        return self._max_bytes

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one durable transaction: committed and on the disk at the end, or undone.

        Does not nest: that is a programmer's mistake.

        Raises:
            StoreFull: no space; nothing was changed.
            StoreCorrupt: a page does not decrypt or is malformed.
            StoreError: the database is busy, read-only or closed.
        """
        with self._lock, translated(self._path):
            if self._connection.in_transaction:
                raise RuntimeError("transactions do not nest")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                    self._connection.execute("ROLLBACK")
                self._recover()
                raise

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one reading statement; changes nothing.

        Raises:
            StoreCorrupt: a page does not decrypt or is malformed.
            StoreError: the database is busy or closed.
        """
        with self._lock, translated(self._path):
            try:
                found = self._connection.execute(statement, values).fetchall()
            except BaseException:
                self._recover()
                raise
            if self._connection.in_transaction or not any(_has_zero(value) for row in found for value in row):
                return found
            if is_poisoned(self._connection):  # then the zeros are a damaged page's; a text of ours has none
                self._recover()
                raise StoreCorrupt(f"a page of the store {self._path} is damaged: run derm-edge store check")
            return found

    def _limit(self) -> None:
        if self._max_bytes is not None:
            page_bytes = int(self._connection.execute("PRAGMA page_size").fetchone()[0])
            self._connection.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // page_bytes)}")

    def _recover(self) -> None:
        """Open the file again after a damaged page: one page must not stop the cases that come next."""
        if self._connection.in_transaction or self._is_closed or not is_poisoned(self._connection):
            return
        self._connection.close()
        self._connection = connect(self._path, self._key, timeout_s=_BUSY_TIMEOUT_S)
        self._limit()

    def empty_log(self) -> bool:
        """Fold the write-ahead log into the file and cut it to nothing; return False while a reader holds it.

        Deleted content is then overwritten in the file (secure_delete) and in no log.

        Raises:
            StoreFull: no space to fold it in.
            StoreError: the database is busy or closed.
        """
        return int(self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]) == 0

    def shrink(self) -> None:
        """Give the space of deleted content back to the disk; needs room for what is left.

        Raises:
            StoreFull: no such room; nothing was changed.
            StoreError: the database is busy or closed.
        """
        self.rows("VACUUM")
        self.empty_log()

    def check(self) -> None:
        """Read every page and verify its authentication code and structure; slow with many pictures.

        Raises:
            StoreCorrupt: a page is damaged.
        """
        damaged = self.rows("PRAGMA cipher_integrity_check")
        structure = self.rows("PRAGMA quick_check(1)")
        if damaged or structure != [("ok",)]:
            raise StoreCorrupt(f"the store {self._path} is damaged: restore it from its backup", pages=len(damaged))

    def close(self) -> None:
        """Close the file; the last connection folds the write-ahead log in. Closing twice is harmless."""
        with self._lock, translated(self._path):
            self._is_closed = True
            self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_copy(path: Path, key: StoreKey, *, target: Path) -> None:
    """Write a consistent copy of a store durably under a free name, encrypted with the same key, without image keys.

    Raises:
        StoreCorrupt: the store cannot be read.
        StoreFull: no space; nothing is left of the copy.
    """
    with translated(target), new_file(target) as temporary:
        connection = connect(temporary, key)
        try:
            copy_into(connection, path, key)
        finally:
            connection.close()


def _has_zero(value: object) -> bool:
    return isinstance(value, str) and "\0" in value


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as exc:
        raise StoreError(f"cannot look for the store {path}: {exc.strerror}; check the folder's owner") from exc


def _create(path: Path, key: StoreKey) -> None:
    log = log_of(path)
    if log.exists() and not path.exists():  # looked at again: another process may have made both just now
        raise StoreCorrupt(
            f"the store {path} is gone but its log {log.name} is there: restore the store from its backup, "
            "or move the log away to begin with an empty store"
        )
    with new_file(path) as temporary:
        connection = connect(temporary, key)
        try:
            _migrate(connection, path)
        finally:
            connection.close()


def _migrate(connection: Connection, path: Path) -> None:
    version = _user_version(connection)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store {path} was written by a newer program (schema {version}, this one knows {SCHEMA_VERSION}): "
            "update derm-edge",
            schema=version,
        )
    while version < SCHEMA_VERSION:
        version = _apply(connection)
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal" and version:
        connection.execute("PRAGMA journal_mode = WAL")


def _apply(connection: Connection) -> int:
    """Apply the next migration in one transaction; another process may have been faster."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _user_version(connection)
        if version < SCHEMA_VERSION:
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return version


def _user_version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
