"""The encrypted database file: the only importer of sqlcipher3, the one writer, the one place that names its errors.

Source: sqlite.org/pragma.html (synchronous, user_version), zetetic.net/sqlcipher/sqlcipher-api (raw keys).
``synchronous=NORMAL`` loses committed rows at a power loss in WAL mode; FULL does not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlcipher3 import dbapi2

from edge_agent.errors import StoreCorrupt, StoreError, StoreFull
from edge_agent.store.durable import log_of, new_file
from edge_agent.store.key import StoreKey
from edge_agent.store.schema import MIGRATIONS

if TYPE_CHECKING:
    import sqlite3  # never at run time: the same file must not be opened by two SQLite builds

    Connection = sqlite3.Connection  # the same interface; sqlcipher3 ships no types
else:
    Connection = object

SCHEMA_VERSION = len(MIGRATIONS)
_BUSY_TIMEOUT_S = 15.0
# Primary result codes, sqlite.org/rescode.html
_BUSY, _LOCKED, _READONLY, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 6, 8, 11, 13, 14, 26


class Database:
    """Own the connection to the encrypted store.

    Does not know what is stored: ``CaseStore`` and ``Outbox`` do. Safe to share between threads: one lock
    lets one transaction run at a time. Other processes wait up to 15 s for their turn.

    Args:
        path: the database file; created, with all its tables, when there is none.
        key: the raw key; a wrong one leaves the file untouched.
        max_bytes: largest size of the database; None is limited by the disk only.

    Raises:
        StoreCorrupt: the file cannot be read with this key, or it is gone and its write-ahead log is not.
        StoreFull: no space to create it.
        StoreError: a newer program wrote this file, or it cannot be opened.
    """

    def __init__(self, path: Path, key: StoreKey, *, max_bytes: int | None = None) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        with _translated(path):
            if not _exists(path):
                _create(path, key)
            if path.stat().st_size == 0:
                # A new database gets its name only when complete, so an empty file is a damaged one.
                raise StoreCorrupt(f"the store {path} is empty: restore it from its backup")
            self._connection = _connect(path, key)
            try:
                _migrate(self._connection, path)
                if max_bytes is not None:
                    page_bytes = int(self._connection.execute("PRAGMA page_size").fetchone()[0])
                    self._connection.execute(f"PRAGMA max_page_count = {max(1, max_bytes // page_bytes)}")
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
        with self._lock, _translated(self._path):
            if self._connection.in_transaction:
                raise RuntimeError("transactions do not nest")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one reading statement; changes nothing.

        Raises:
            StoreCorrupt: a page does not decrypt or is malformed.
            StoreError: the database is busy or closed.
        """
        with self._lock, _translated(self._path):
            return self._connection.execute(statement, values).fetchall()

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
        with self._lock, _translated(self._path):
            self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as exc:
        raise StoreError(f"cannot look for the store {path}: {exc.strerror}; check the folder's owner") from exc


def _connect(path: Path, key: StoreKey) -> Connection:
    connection: Connection = dbapi2.connect(
        str(path), timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA key = \"x'{key.hex}'\"")
        connection.execute("PRAGMA cipher_log = off")  # it would write to stderr
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # first read: the key is right or it fails
        connection.execute("PRAGMA temp_store = MEMORY")  # nothing in clear on the disk
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, an image's key above all
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path, key: StoreKey) -> None:
    log = log_of(path)
    if log.exists() and not path.exists():  # looked at again: another process may have made both just now
        raise StoreCorrupt(
            f"the store {path} is gone but its log {log.name} is there: restore the store from its backup, "
            "or move the log away to begin with an empty store"
        )
    with new_file(path) as temporary:
        connection = _connect(temporary, key)
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


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn sqlcipher3's errors into ours, once, by their primary result code."""
    try:
        yield
    except dbapi2.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        raise _error_for(path, code, exc) from exc
    except MemoryError as exc:
        # sqlcipher3 raises it for SQLITE_NOMEM, which a wrong page size from a damaged header also gives.
        raise StoreError(f"the store {path} could not be read: not enough memory") from exc


def _error_for(path: Path, code: int, exc: Exception) -> StoreError:
    if code == _FULL:
        return StoreFull(f"no space left for the store {path}: free disk space", sqlite=code)
    if code in (_CORRUPT, _NOTADB):
        return StoreCorrupt(
            f"the store {path} cannot be read with this key: restore the database or its key file, nothing was changed",
            sqlite=code,
        )
    if code in (_BUSY, _LOCKED):
        return StoreError(f"the store {path} is in use by another program: try again", sqlite=code)
    if code in (_READONLY, _CANTOPEN):
        return StoreError(f"the store {path} cannot be written: check the folder's owner and mode", sqlite=code)
    return StoreError(f"the store {path} refused an operation: {exc}", sqlite=code)
