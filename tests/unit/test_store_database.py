"""The encrypted database file: key, schema, damage, space."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from edge_agent.errors import StoreCorrupt, StoreError, StoreFull
from edge_agent.store import database as database_module
from edge_agent.store.database import SCHEMA_VERSION, Database
from edge_agent.store.key import StoreKey, load_key, load_or_create_key


@pytest.fixture
def key() -> StoreKey:
    return StoreKey(secrets.token_hex(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


def _digest_of_folder(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def _add_setting(database: Database, text: str) -> None:
    with database.transaction() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (note TEXT)")
        connection.execute("INSERT INTO notes VALUES (?)", (text,))


def test_nothing_readable_is_on_the_disk(path: Path, key: StoreKey) -> None:
    """No file of the store holds stored text or SQLite's clear header, also while the log is open."""
    with Database(path, key) as database:
        _add_setting(database, "psoriasis of the elbow")
        for name, content in _digest_of_folder(path.parent).items():
            assert b"psoriasis" not in content, name
            assert b"SQLite format" not in content, name


def test_what_was_written_is_there_after_reopening(path: Path, key: StoreKey) -> None:
    """A committed transaction is read back by the next process with the same key."""
    with Database(path, key) as database:
        _add_setting(database, "kept")
    with Database(path, key) as database:
        assert database.rows("SELECT note FROM notes") == [("kept",)]


def test_a_failed_transaction_leaves_nothing(path: Path, key: StoreKey) -> None:
    """An error inside the block undoes everything that the block wrote, and the next transaction works."""
    with Database(path, key) as database:
        _add_setting(database, "first")
        with pytest.raises(ZeroDivisionError), database.transaction() as connection:
            connection.execute("INSERT INTO notes VALUES ('second')")
            raise ZeroDivisionError
        _add_setting(database, "third")
        assert database.rows("SELECT note FROM notes") == [("first",), ("third",)]


def test_transactions_do_not_nest(path: Path, key: StoreKey) -> None:
    """A transaction inside a transaction is a programmer's mistake and undoes both."""
    with (
        Database(path, key) as database,
        pytest.raises(RuntimeError, match="nest"),
        database.transaction(),
        database.transaction(),
    ):
        pass


def test_writes_are_flushed_at_every_commit(path: Path, key: StoreKey) -> None:
    """The open database really uses the write-ahead log with synchronous=FULL (2)."""
    with Database(path, key) as database:
        assert database.rows("PRAGMA journal_mode") == [("wal",)]
        assert database.rows("PRAGMA synchronous") == [(2,)]


def test_a_wrong_key_changes_nothing(path: Path, key: StoreKey) -> None:
    """Opening with another key says StoreCorrupt and leaves every byte of the folder as it was."""
    with Database(path, key) as database:
        _add_setting(database, "kept")
    before = _digest_of_folder(path.parent)
    with pytest.raises(StoreCorrupt, match="nothing was changed"):
        Database(path, StoreKey("0" * 64))
    assert _digest_of_folder(path.parent) == before


@pytest.mark.parametrize("content", [b"", b"x" * 4096, b"SQLite format 3\x00" + b"\x00" * 4080])
def test_a_damaged_file_is_never_replaced(path: Path, key: StoreKey, content: bytes) -> None:
    """An empty, foreign or unencrypted file in the store's place is StoreCorrupt and stays untouched."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        Database(path, key)
    assert _digest_of_folder(path.parent) == {path.name: content}


def test_a_log_without_its_store_is_kept(path: Path, key: StoreKey) -> None:
    """Where only the write-ahead log is left (it may hold cases), no new store is put beside it."""
    path.parent.mkdir()
    log = path.with_name("store.db-wal")
    log.write_bytes(b"committed rows")
    with pytest.raises(StoreCorrupt, match=r"store\.db-wal is there: restore"):
        Database(path, key)
    assert _digest_of_folder(path.parent) == {log.name: b"committed rows"}


def test_check_finds_one_flipped_byte(path: Path, key: StoreKey) -> None:
    """The full check reads pages that nobody asked for and notices a changed byte there."""
    with Database(path, key) as database:
        for number in range(200):
            _add_setting(database, f"{number:0100}")
        database.check()
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(bytes(content))
    with Database(path, key) as database, pytest.raises(StoreCorrupt):
        database.check()


def test_a_newer_schema_is_refused(path: Path, key: StoreKey) -> None:
    """A database that a newer program wrote is not opened, and the line says to update."""
    with Database(path, key) as database, database.transaction() as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match="update derm-edge"):
        Database(path, key)


def test_a_migration_that_fails_leaves_the_old_schema(
    path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration whose second statement fails changes neither tables nor version; the data is still readable."""
    Database(path, key).close()
    broken = ("CREATE TABLE half (a INTEGER)", "CREATE TABLE half (a INTEGER)")
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "MIGRATIONS", (*database_module.MIGRATIONS, broken))
        patch.setattr(database_module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
        with pytest.raises(StoreError):
            Database(path, key)
    with Database(path, key) as database:
        assert database.rows("SELECT name FROM sqlite_master WHERE name = 'half'") == []
        assert database.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_a_full_store_says_so_and_goes_on(path: Path, key: StoreKey) -> None:
    """Without space a write is StoreFull and undone; what was stored stays readable and small writes still work."""
    with Database(path, key, max_bytes=600_000) as database:
        _add_setting(database, "small")
        with pytest.raises(StoreFull) as caught:
            _add_setting(database, "x" * 1_200_000)
        assert caught.value.retryable
        _add_setting(database, "small again")
        assert len(database.rows("SELECT note FROM notes")) == 2


def test_another_writer_waits_and_is_told(path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds a transaction, ours is refused with 'in use', not corrupted or lost."""
    monkeypatch.setattr(database_module, "_BUSY_TIMEOUT_S", 0.05)
    with (
        Database(path, key) as first,
        Database(path, key) as second,
        first.transaction(),
        pytest.raises(StoreError, match="in use"),
        second.transaction(),
    ):
        pass


def test_a_closed_database_is_a_store_error(path: Path, key: StoreKey) -> None:
    """Using a closed store raises our error, not the driver's, and closing twice is harmless."""
    database = Database(path, key)
    database.close()
    database.close()
    with pytest.raises(StoreError):
        database.rows("SELECT 1")


def test_no_temporary_file_stays(path: Path, key: StoreKey) -> None:
    """Creating and closing leaves exactly the database, readable by its owner only."""
    Database(path, key).close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_driver_really_encrypts(path: Path, key: StoreKey) -> None:
    """The same file opened without a key is not a database."""
    Database(path, key).close()
    connection = dbapi2.connect(str(path))
    with pytest.raises(dbapi2.DatabaseError):
        connection.execute("SELECT * FROM cases")
    connection.close()


def test_key_file_is_private_and_stable(tmp_path: Path) -> None:
    """The first start writes 64 hex digits with mode 0600; the second start reads the same."""
    file, base = tmp_path / "keys" / "store.key", tmp_path / "store.db"
    first = load_or_create_key(file, database=base)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == first.hex + "\n"
    assert load_or_create_key(file, database=base) == first
    assert load_or_create_key(tmp_path / "other.key", database=base) != first


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    """With a database but no key file nothing is written: a new key would hide the old cases for ever."""
    base = tmp_path / "store.db"
    base.write_bytes(b"cases")
    with pytest.raises(StoreCorrupt, match="restore"):
        load_or_create_key(tmp_path / "store.key", database=base)
    assert not (tmp_path / "store.key").exists()


def test_a_lost_key_is_not_replaced_beside_a_log(tmp_path: Path) -> None:
    """A write-ahead log alone may hold cases too: no new key hides them."""
    (tmp_path / "store.db-wal").write_bytes(b"cases")
    with pytest.raises(StoreCorrupt, match="restore"):
        load_or_create_key(tmp_path / "store.key", database=tmp_path / "store.db")
    assert not (tmp_path / "store.key").exists()


class _FirstStartElsewhere(type(Path())):  # type: ignore[misc]  # the platform's own Path class
    """A database path at which, when it is looked for, another process has just made key and database."""

    def exists(self) -> bool:
        """Make both, key first, as every first start does."""
        key = self.with_name("store.key")
        key.write_text("ab" * 32)
        key.chmod(0o600)
        self.write_bytes(b"database")
        return True


def test_two_first_starts_share_one_key(tmp_path: Path) -> None:
    """A start that sees the other's database but not yet its key looks at the key again instead of giving up."""
    database = _FirstStartElsewhere(tmp_path / "store.db")
    assert load_or_create_key(tmp_path / "store.key", database=database).hex == "ab" * 32


@pytest.mark.parametrize("content", ["", "abc", "g" * 64, "A" * 64, "0" * 63])
def test_a_damaged_key_file_is_refused(tmp_path: Path, content: str) -> None:
    """Anything but 64 lower-case hexadecimal digits is not a key."""
    file = tmp_path / "store.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(StoreCorrupt):
        load_key(file)


def test_a_readable_key_file_is_refused(tmp_path: Path) -> None:
    """A key that other accounts may read is not used; the line gives the command."""
    file = tmp_path / "store.key"
    file.write_text("0" * 64)
    file.chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        load_key(file)


def test_the_key_never_shows_itself(key: StoreKey) -> None:
    """Neither repr nor str of a key holds its digits."""
    assert key.hex not in repr(key)
    assert key.hex not in str(key)
