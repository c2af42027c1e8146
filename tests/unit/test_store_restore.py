"""Restore: a backup comes back with its pictures' keys, and forgets no withdrawal and no deletion."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.errors import ImageGone, StoreCorrupt
from edge_agent.store.backups import Backups
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database, open_file
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.store.restore import missing_cases, restore
from edge_agent.store.sent_files import Answer, AnsweredHow, ReceiverAnswer, SentFiles
from edge_agent.store.vault import ImageVault
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose
from tests.simulators.pages import PAGE_BYTES
from tests.simulators.records import a_case, a_consent, a_result
from tests.simulators.store_killer import KEY as KILLERS_KEY
from tests.simulators.store_killer import prepare_old

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def key() -> StoreKey:
    return StoreKey(secrets.token_hex(32))


@pytest.fixture
def path(tmp_path: Path, key: StoreKey) -> Path:
    """Make a store of three reported cases with a picture each, with a backup of that moment."""
    path = tmp_path / "store.db"
    with Database(path, key) as database:
        store = CaseStore(database)
        for name in ("a", "b", "c"):
            store.add(a_case(name, consent=a_consent(), views=1), language="en")
            store.finish(name, {"case_id": name}, a_result(store.record_id(name)))
        Backups(path, key).write(now=NOON)
    return path


def _backup(path: Path, key: StoreKey) -> Path:
    return Backups(path, key).list()[-1].path


def test_a_restored_store_has_its_pictures(path: Path, key: StoreKey) -> None:
    """Keys are in no backup, so they come from the store that is replaced: every picture opens again."""
    restored = restore(path, key, backup=_backup(path, key), now=NOON)
    assert (restored.cases, restored.pictures_with_key, restored.pictures_without_key) == (3, 3, 0)
    with Database(path, key) as database:
        database.check()
        assert len(CaseStore(database).load("b").views) == 1


def test_a_shredded_picture_stays_shredded(path: Path, key: StoreKey) -> None:
    """A picture that was shredded after the backup does not come back with it, and its deletion stays on record."""
    with Database(path, key) as database:
        vault, (view,) = ImageVault(database), CaseStore(database).views("b")
        with database.transaction() as connection:
            vault.shred(connection, [str(view.image_id)], why="test")
        vault.settle()
    restore(path, key, backup=_backup(path, key), now=NOON)
    with Database(path, key) as database:
        assert CaseStore(database).views("b")[0].is_gone
        assert CaseStore(database).load("b").views == ()
        with pytest.raises(ImageGone, match="deleted for good"):
            ImageVault(database).get(str(view.image_id))
        assert database.rows("SELECT how_many FROM deletions") == [(1,)]


def test_a_withdrawal_is_not_forgotten(path: Path, key: StoreKey) -> None:
    """A result withdrawn after the backup is withdrawn in the restored store: its tombstone is queued, not itself."""
    with Database(path, key) as database:
        store = CaseStore(database)
        store.withdraw("b")
        record_id = store.record_id("b")
    restore(path, key, backup=_backup(path, key), now=NOON)
    with Database(path, key) as database:
        kinds = {row.body["record_id"]: row.kind for row in Outbox(database).batch(10**9)}
        assert kinds[record_id] == "tombstone"
        assert sorted(kinds.values()) == ["result", "result", "tombstone"]


def test_who_has_a_file_is_not_forgotten(path: Path, key: StoreKey) -> None:
    """A file that left after the backup, and its receiver's answer, stand in the restored store."""
    with Database(path, key) as database:
        sent, vault = SentFiles(database), ImageVault(database)
        for receiver in ("hospital", "other"):
            with database.transaction() as connection:
                SentFiles.append(connection, "b", form="fhir", receiver=receiver, account="dr.lin", sent=NOON)
        Withdrawals(database, vault=vault).record("b", WithdrawnPurpose.REFERRAL_PACKAGE, account="dr.lin", now=NOON)
        answer = Answer(ReceiverAnswer.DELETED, AnsweredHow.LETTER, "Wang", NOON.date(), "dr.lin", NOON)
        sent.record("b", sent.open()[0].number, answer)
    restore(path, key, backup=_backup(path, key), now=NOON)
    with Database(path, key) as database:
        assert [one.receiver for one in SentFiles(database).open()] == ["other"]
        assert [one.answer for one in SentFiles(database).of("b")] == [answer, None]


def test_the_numbers_of_the_outbox_are_new(path: Path, key: StoreKey) -> None:
    """A restored store never sends another record under a number that was used."""
    with Database(path, key) as database:
        epoch = Outbox(database).ledger().epoch
    restore(path, key, backup=_backup(path, key), now=NOON)
    with Database(path, key) as database:
        assert Outbox(database).ledger().epoch != epoch


def test_cases_that_would_be_dropped_are_named(path: Path, key: StoreKey) -> None:
    """Before a restore, the cases that came after the backup can be told."""
    with Database(path, key) as database:
        CaseStore(database).add(a_case("later"), language="en")
    assert missing_cases(path, key, backup=_backup(path, key)) == ["later"]


def test_over_a_damaged_store_the_readable_keys_are_kept(path: Path, key: StoreKey) -> None:
    """Where the present store's cases are unreadable but its keys are not, the pictures open after the restore."""
    with open_file(path, key) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'cases'").fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(root - 1) * PAGE_BYTES + 100] ^= 1
    path.write_bytes(bytes(content))
    restored = restore(path, key, backup=_backup(path, key), now=NOON)
    assert (restored.cases, restored.pictures_with_key) == (3, 3)


def test_over_nothing_the_cases_come_back_without_pictures(path: Path, key: StoreKey) -> None:
    """With the store gone the keys are gone: cases and reports are back, the pictures are counted as lost."""
    path.unlink()
    restored = restore(path, key, backup=_backup(path, key), now=NOON)
    assert (restored.cases, restored.pictures_with_key, restored.pictures_without_key) == (3, 0, 3)
    with Database(path, key) as database:
        assert CaseStore(database).load("a").views == ()
        assert CaseStore(database).report("a") == {"case_id": "a"}


def test_an_old_log_is_not_played_into_the_restored_file(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """A write-ahead log that a power cut left belongs to the replaced store and goes with it."""
    with Database(path, key) as database:
        CaseStore(database).add(a_case("later", views=0), language="en")
        log = path.with_name("store.db-wal").read_bytes()
        base = path.read_bytes()
    path.write_bytes(base)
    path.with_name("store.db-wal").write_bytes(log)
    restore(path, key, backup=_backup(path, key), now=NOON)
    with Database(path, key) as database:
        database.check()
        assert database.rows("SELECT case_id FROM cases ORDER BY position") == [("a",), ("b",), ("c",)]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["backups", "store.db", "vault"]


def test_a_damaged_backup_changes_nothing(path: Path, key: StoreKey) -> None:
    """A backup with a bad page is refused, and the present store is as it was."""
    backup = _backup(path, key)
    content = bytearray(backup.read_bytes())
    content[5 * PAGE_BYTES] ^= 1
    backup.write_bytes(bytes(content))
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="older one"):
        restore(path, key, backup=backup, now=NOON)
    assert path.read_bytes() == before


def test_the_way_back_to_the_older_program_keeps_a_withdrawal(tmp_path: Path) -> None:
    """Restoring the backup from before a migration gives the old schema, and what was withdrawn since stays so."""
    path = tmp_path / "store.db"
    prepare_old(tmp_path)
    with Database(path, KILLERS_KEY, clock=lambda: NOON) as database:
        CaseStore(database).withdraw("first")
    restore(path, KILLERS_KEY, backup=_backup(path, KILLERS_KEY), now=NOON)
    with open_file(path, KILLERS_KEY) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT withdrawn FROM cases").fetchall() == [(1,)]
        assert connection.execute("SELECT count(*) FROM pictures WHERE length(png) > 0").fetchone() == (3,)


def test_a_half_made_restore_is_swept(path: Path, key: StoreKey) -> None:
    """What a power cut left, the stale journal above all, is gone before the next restore reads it."""
    for name in (".store.db.restored", ".store.db.restored-journal"):
        path.with_name(name).write_bytes(b"half")
    path.with_name(".store.db.copy-x").mkdir()
    restored = restore(path, key, backup=_backup(path, key), now=NOON)
    assert restored.cases == 3
    assert not [one.name for one in path.parent.iterdir() if one.name.startswith(".")]
