"""Withdrawal: per purpose, at once, in one transaction, twice is once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.errors import CaseError, ImageGone, StoreError
from edge_agent.store import vault as vault_module
from edge_agent.store.backups import Backups
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database, open_file
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.store.pictures import encode_png
from edge_agent.store.vault import ImageVault
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose, check_unlocked
from tests.simulators.pages import bytes_in_clear
from tests.simulators.records import a_case, a_consent, a_result

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
PICTURES, RESULT = WithdrawnPurpose.CARE_PICTURES, WithdrawnPurpose.DEIDENTIFIED_RESULT


@pytest.fixture
def key() -> StoreKey:
    return StoreKey(secrets.token_hex(32))


@pytest.fixture
def database(tmp_path: Path, key: StoreKey) -> Iterator[Database]:
    with Database(tmp_path / "store.db", key) as opened:
        store = CaseStore(opened)
        for name in ("case-1", "other"):
            store.add(a_case(name, consent=a_consent(), views=2), language="en")
            store.finish(name, {"case_id": name}, a_result(store.record_id(name)))
        yield opened


@pytest.fixture
def vault(database: Database) -> ImageVault:
    return ImageVault(database)


@pytest.fixture
def withdrawals(database: Database, vault: ImageVault) -> Withdrawals:
    return Withdrawals(database, vault=vault)


def _ids(database: Database, case_id: str) -> list[str]:
    return [str(view.image_id) for view in CaseStore(database).views(case_id)]


def test_withdrawn_pictures_are_gone_and_the_record_is_locked(
    database: Database, vault: ImageVault, withdrawals: Withdrawals
) -> None:
    """No picture of the case opens, its files are gone, report and form are kept, edits are refused."""
    ids = _ids(database, "case-1")
    assert withdrawals.record("case-1", PICTURES, account="nurse-1", now=NOON)
    for image_id in ids:
        with pytest.raises(ImageGone):
            vault.get(image_id)
        assert not vault.path_of(image_id).exists()
    store = CaseStore(database)
    assert store.load("case-1").views == ()
    assert store.load("case-1").intake.age_years == 44
    assert store.report("case-1") == {"case_id": "case-1"}
    assert withdrawals.is_locked("case-1")
    with database.transaction() as connection, pytest.raises(CaseError, match="locked"):
        check_unlocked(connection, "case-1")


def test_other_people_keep_theirs(database: Database, withdrawals: Withdrawals) -> None:
    """Another case's pictures open and its record is not locked."""
    withdrawals.record("case-1", PICTURES, account="nurse-1", now=NOON)
    assert len(CaseStore(database).load("other").views) == 2
    assert not withdrawals.is_locked("other")


def test_each_purpose_stands_for_itself(database: Database, withdrawals: Withdrawals) -> None:
    """Withdrawing pictures sends no tombstone; withdrawing the result shreds nothing and locks nothing."""
    withdrawals.record("case-1", PICTURES, account="nurse-1", now=NOON)
    withdrawals.record("other", RESULT, account="nurse-1", now=NOON)
    kinds = {row.body["record_id"]: row.kind for row in Outbox(database).batch(10**9)}
    store = CaseStore(database)
    assert kinds == {store.record_id("case-1"): "result", store.record_id("other"): "tombstone"}
    assert len(store.load("other").views) == 2
    assert not withdrawals.is_locked("other")


def test_twice_is_once(database: Database, withdrawals: Withdrawals) -> None:
    """The second withdrawal answers False, keeps the first one's record, and deletes and sends nothing more."""
    for purpose in (PICTURES, RESULT):
        assert withdrawals.record("case-1", purpose, account="nurse-1", now=NOON)
        assert not withdrawals.record("case-1", purpose, account="nurse-2", now=NOON.replace(hour=20))
    assert [(one.purpose, one.at, one.account) for one in withdrawals.of("case-1")] == [
        (PICTURES, NOON, "nurse-1"),
        (RESULT, NOON, "nurse-1"),
    ]
    assert database.rows("SELECT how_many, why FROM deletions") == [(2, "withdrawal")]
    assert [row.kind for row in Outbox(database).batch(10**9)].count("tombstone") == 1


def test_a_purpose_that_demands_nothing_here_is_recorded(withdrawals: Withdrawals) -> None:
    """Training and referral are on record, for whoever acts for them."""
    withdrawals.record("case-1", WithdrawnPurpose.TRAINING, account="nurse-1", now=NOON)
    assert [one.purpose for one in withdrawals.of("case-1")] == [WithdrawnPurpose.TRAINING]
    assert not withdrawals.is_locked("case-1")


def test_an_unknown_case_is_told(withdrawals: Withdrawals, database: Database) -> None:
    """Nothing is recorded for a case that is not there."""
    with pytest.raises(CaseError, match="nowhere"):
        withdrawals.record("nowhere", PICTURES, account="nurse-1", now=NOON)
    assert database.rows("SELECT count(*) FROM withdrawals") == [(0,)]


def test_all_or_nothing(
    database: Database, withdrawals: Withdrawals, monkeypatch: pytest.MonkeyPatch, vault: ImageVault
) -> None:
    """When shredding fails half-way, nothing is withdrawn: no record, no lock, every picture opens."""
    shred, ids = ImageVault.shred, _ids(database, "case-1")

    def fail(*given: object, **wish: object) -> int:
        shred(*given, **wish)  # type: ignore[arg-type]
        raise StoreError("the disk failed")

    with monkeypatch.context() as patch:
        patch.setattr(vault_module.ImageVault, "shred", fail)
        with pytest.raises(StoreError):
            withdrawals.record("case-1", PICTURES, account="nurse-1", now=NOON)
    assert withdrawals.of("case-1") == ()
    assert not withdrawals.is_locked("case-1")
    assert all(vault.get(image_id) for image_id in ids)


def test_a_case_that_still_waits_goes_on_without_pictures(database: Database, withdrawals: Withdrawals) -> None:
    """A withdrawal before the report exists lets the case run as a text case."""
    store = CaseStore(database)
    store.add(a_case("waits", consent=a_consent(), views=2), language="en")
    withdrawals.record("waits", PICTURES, account="nurse-1", now=NOON)
    assert store.pending() == ["waits"]
    assert store.load("waits").views == ()
    assert store.mark_running("waits")


def test_a_picture_that_was_not_moved_yet_goes_too(database: Database, withdrawals: Withdrawals, key: StoreKey) -> None:
    """A picture from before the vault, still in the database, is gone from file, log and backup."""
    png = encode_png(a_case(views=1, size_px=60).views[0].frame)
    with database.transaction() as connection:
        connection.execute("INSERT INTO pictures (position, view_index, png) VALUES (1, 7, ?)", (png,))
    backup = Backups(database.path, key).write(now=NOON)
    piece, files = png[200:232], (database.path, database.path.with_name("store.db-wal"), backup)
    assert any(piece in bytes_in_clear(file, key) for file in files[:2])
    assert piece in bytes_in_clear(backup, key)
    withdrawals.record("case-1", PICTURES, account="nurse-1", now=NOON)
    Backups(database.path, key).settle(database)
    assert not any(piece in bytes_in_clear(file, key) for file in files)
    assert CaseStore(database).load("case-1").views == ()


def test_no_backup_and_no_file_opens_a_withdrawn_picture(
    database: Database, vault: ImageVault, withdrawals: Withdrawals, key: StoreKey
) -> None:
    """Somebody who kept a copy of the vault file and has every backup and the store's key finds no key in any."""
    (image_id, _) = _ids(database, "case-1")
    secret = bytes(database.rows("SELECT key FROM image_keys WHERE image_id = ?", (image_id,))[0][0])
    sealed = vault.path_of(image_id).read_bytes()
    backups = Backups(database.path, key)
    before = backups.write(now=NOON)
    withdrawals.record("case-1", PICTURES, account="nurse-1", now=NOON)
    after = backups.write(now=NOON)
    vault.path_of(image_id).write_bytes(sealed)
    for file in (database.path, database.path.with_name("store.db-wal"), before, after):
        assert secret not in bytes_in_clear(file, key)
    with open_file(before, key) as connection:
        assert connection.execute("SELECT count(*) FROM image_keys").fetchone() == (0,)
