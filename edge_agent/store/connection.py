"""Connections to the encrypted files: the only importer of sqlcipher3, and the one place that names its errors.

Source: sqlite.org/pragma.html (synchronous, user_version), zetetic.net/sqlcipher/sqlcipher-api (raw keys).
``synchronous=NORMAL`` loses committed rows at a power loss in WAL mode; FULL does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlcipher3 import dbapi2

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store.key import StoreKey
from edge_agent.store.sqlite_errors import error_for

if TYPE_CHECKING:
    import sqlite3  # never at run time: the same file must not be opened by two SQLite builds

    Connection = sqlite3.Connection  # the same interface; sqlcipher3 ships no types
else:
    Connection = object

BUSY_TIMEOUT_S = 15.0
_PLAIN_HEADER = b"SQLite format 3\0"  # sqlite.org/fileformat.html; an encrypted file begins with random bytes


def connect(path: Path, key: StoreKey, *, timeout_s: float = BUSY_TIMEOUT_S) -> Connection:
    """Open a file with its key, made if there is none. Raises the driver's errors: ``translated`` turns them into ours.

    Args:
        path: the file.
        key: the raw key.
        timeout_s: patience in seconds with another process's transaction.
    """
    connection: Connection = dbapi2.connect(str(path), timeout=timeout_s, isolation_level=None, check_same_thread=False)
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


@contextmanager
def open_file(path: Path, key: StoreKey) -> Iterator[Connection]:
    """Open any file of this store (a backup, a damaged copy) as it is: no migration, no journal mode, no tables.

    Raises:
        StoreCorrupt: it is not encrypted, or cannot be read with this key.
        StoreError: it cannot be opened, or the block met an error of the database.
    """
    with translated(path):
        refuse_plain(path)
        connection = connect(path, key)
        try:
            yield connection
        finally:
            connection.close()


def refuse_plain(path: Path) -> None:
    """Stop at a file that is not encrypted: whatever put it there, it is not this store.

    Raises:
        StoreCorrupt: it has SQLite's own header.
        StoreError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_PLAIN_HEADER))
    except OSError as exc:
        raise StoreError(f"cannot read {path}: {exc.strerror}; check the file's owner and mode") from exc
    if start == _PLAIN_HEADER:
        raise StoreCorrupt(
            f"{path} is a plain SQLite database, not encrypted: nothing was read; move it away, "
            "or restore the encrypted store from its backup"
        )


def is_poisoned(connection: Connection) -> bool:
    """Say whether the connection has met a page that does not decrypt.

    SQLCipher then refuses every further page, and every write as to a read-only file. Where the page was the end of a
    long value, the read that met it said nothing and gave zeros (measured with sqlcipher3 0.6.4, SQLCipher 4.19).
    """
    try:
        connection.execute("PRAGMA shrink_memory")  # else the first page comes from the cache
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except dbapi2.Error:
        return True
    return False


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn sqlcipher3's errors into ours, once, by their primary result code."""
    try:
        yield
    except dbapi2.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        raise error_for(path, code, exc) from exc
    except MemoryError as exc:
        # sqlcipher3 raises it for SQLITE_NOMEM, which a wrong page size from a damaged header also gives.
        raise StoreError(f"the store {path} could not be read: not enough memory") from exc
