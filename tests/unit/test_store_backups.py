"""Backups: written before a migration, complete but for the image keys, and cleaned of what was deleted since."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store import database as database_module
from edge_agent.store.audit import Action, AuditTrail
from edge_agent.store.backups import Backups
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import SCHEMA_VERSION, Database, open_file
from edge_agent.store.key import StoreKey
from edge_agent.store.pictures import encode_png
from edge_agent.store.schema import MIGRATIONS
from edge_agent.store.sent_files import SentFiles
from edge_agent.store.vault import ImageVault
from edge_agent.store.views import move_pictures
from tests.simulators.pages import bytes_in_clear
from tests.simulators.records import a_case

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def key() -> StoreKey:
    return StoreKey(secrets.token_hex(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def _old_store(path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch, *, version: int = 2) -> bytes:
    """Make a store as the program with schema 2 left it, with one case and one picture inside; return the picture."""
    png = encode_png(a_case(views=1).views[0].frame)
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "MIGRATIONS", MIGRATIONS[:version])
        patch.setattr(database_module, "SCHEMA_VERSION", version)
        with Database(path, key) as database, database.transaction() as connection:
            connection.execute(
                "INSERT INTO cases (case_id, record_id, created, language, intake, state)"
                " VALUES ('old-1', 'r1', ?, 'en', '{}', 'stored')",
                (NOON.isoformat(),),
            )
            connection.execute("INSERT INTO pictures (position, view_index, png) VALUES (1, 0, ?)", (png,))
    return png


def test_files_that_left_before_they_were_kept_are_found_in_the_trail(
    path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older store knows exports from its trail alone; their receivers are to be asked all the same."""
    _old_store(path, key, monkeypatch, version=7)
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "MIGRATIONS", MIGRATIONS[:7])
        patch.setattr(database_module, "SCHEMA_VERSION", 7)
        with Database(path, key) as database:
            trail = AuditTrail(database, clock=lambda: NOON, is_synchronised=lambda: False)
            trail.note("dr.lin", Action.REPORT_EXPORTED, case_ref="old-1", detail="fhir")
            trail.note("dr.lin", Action.REPORT_PRINTED, case_ref="old-1", detail="pdf_person")
    with Database(path, key, clock=lambda: NOON) as database:
        (one,) = SentFiles(database).of("old-1")
        assert (one.receiver, one.forms, one.account, one.last_sent) == (None, ("fhir",), "dr.lin", NOON)


def test_a_migration_leaves_a_backup_of_the_old_schema(
    path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening an older store writes ``store.db.v2-DATE.bak``: old schema, all rows, readable with the same key only."""
    png = _old_store(path, key, monkeypatch)
    Database(path, key, clock=lambda: NOON).close()
    (backup,) = Backups(path, key).list()
    assert (backup.path.name, backup.version) == ("store.db.v2-20260305.bak", 2)
    assert backup.path.stat().st_mode & 0o777 == 0o600
    with open_file(backup.path, key) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT case_id FROM cases").fetchall() == [("old-1",)]
        assert connection.execute("SELECT png FROM pictures").fetchall() == [(png,)]
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert {"cases_by_state", "outbox_by_record"} <= names
    assert b"SQLite format" not in backup.path.read_bytes()
    with pytest.raises(StoreCorrupt), open_file(backup.path, StoreKey("0" * 64)):
        pass


def test_a_new_store_and_an_up_to_date_one_write_no_backup(path: Path, key: StoreKey) -> None:
    """Only a migration is a reason for a backup by itself."""
    Database(path, key).close()
    Database(path, key).close()
    assert Backups(path, key).list() == []


def test_a_failing_migration_leaves_the_old_file_usable(
    path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration whose second statement fails leaves the old schema with all rows, and the backup beside it."""
    _old_store(path, key, monkeypatch)
    broken = ("CREATE TABLE half (a INTEGER)", "CREATE TABLE half (a INTEGER)")
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "MIGRATIONS", (*MIGRATIONS[:2], broken))
        patch.setattr(database_module, "SCHEMA_VERSION", 3)
        with pytest.raises(StoreError):
            Database(path, key)
    with open_file(path, key) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT case_id FROM cases").fetchall() == [("old-1",)]
    assert len(Backups(path, key).list()) == 1
    with Database(path, key) as database:  # the mended program goes on from there
        assert database.rows("SELECT case_id FROM cases") == [("old-1",)]


def test_without_room_for_the_backup_nothing_is_migrated(
    path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the backup cannot be written, the store stays at its old schema."""
    _old_store(path, key, monkeypatch)
    path.with_name("backups").write_text("a file in the folder's place")
    with pytest.raises(StoreError):
        Database(path, key)
    with open_file(path, key) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_two_are_kept_of_each_kind(path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many backups of today's schema leave two of them and do not push out the way back to the older program."""
    _old_store(path, key, monkeypatch)
    Database(path, key, clock=lambda: NOON).close()
    backups = Backups(path, key)
    for day in (0, 0, 1):
        backups.write(now=NOON + timedelta(days=day))
    assert [one.path.name for one in backups.list()] == [
        "store.db.v2-20260305.bak",
        f"store.db.v{SCHEMA_VERSION}-20260305-2.bak",
        f"store.db.v{SCHEMA_VERSION}-20260306.bak",
    ]


def test_a_backup_opens_no_picture(path: Path, key: StoreKey) -> None:
    """A backup holds the case and the picture's row, and no byte of its key: shredding later reaches every copy."""
    with Database(path, key) as database:
        CaseStore(database).add(a_case(views=1), language="en")
        secret = bytes(database.rows("SELECT key FROM image_keys")[0][0])
        backup = Backups(path, key).write(now=NOON)
        assert any(secret in bytes_in_clear(one, key) for one in (path, path.with_name("store.db-wal")))
    assert secret not in bytes_in_clear(backup, key)
    with open_file(backup, key) as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM image_keys").fetchone() == (0,)
        assert json.loads(connection.execute("SELECT intake FROM cases").fetchone()[0])["age_years"] == 44


def test_a_shredded_picture_leaves_the_backup_from_before_the_vault(
    path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That backup holds the picture itself; after a shred it does not, in no page, and the case is still in it."""
    png = _old_store(path, key, monkeypatch)
    with Database(path, key) as database:
        vault, backups = ImageVault(database), Backups(path, key)
        move_pictures(database, vault)
        (backup,) = backups.list()
        assert png[100:132] in bytes_in_clear(backup.path, key)
        (image_id,) = database.rows("SELECT image_id FROM pictures")[0]
        with database.transaction() as connection:
            vault.shred(connection, [image_id], why="test")
        vault.settle()
        assert backups.settle(database) == 1
        assert backups.settle(database) == 0
    for file in (path, path.with_name("store.db-wal"), backup.path):
        assert png[100:132] not in bytes_in_clear(file, key)
    with open_file(backup.path, key) as connection:
        assert connection.execute("SELECT case_id FROM cases").fetchall() == [("old-1",)]


def test_a_backup_that_cannot_be_cleaned_is_removed(path: Path, key: StoreKey) -> None:
    """A damaged backup could hold what was deleted, so it does not stay."""
    with Database(path, key) as database:
        CaseStore(database).add(a_case(views=1), language="en")
        vault, backups = ImageVault(database), Backups(path, key)
        backup = backups.write(now=NOON)
        backup.write_bytes(b"\xff" * 8192)
        with database.transaction() as connection:
            vault.shred(connection, [database.rows("SELECT image_id FROM images")[0][0]], why="test")
        backups.settle(database)
    assert backups.list() == []


def test_a_plain_database_is_refused_by_name(path: Path, key: StoreKey) -> None:
    """A store that somebody replaced with an unencrypted one is not opened, and the line says what it is."""
    path.write_bytes(b"SQLite format 3\0" + bytes(4080))
    with pytest.raises(StoreCorrupt, match="plain SQLite database, not encrypted"):
        Database(path, key)
