"""SIGKILL at named points of put, shred, migration, salvage and restore: whole before, or whole after."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_agent.store.backups import Backups
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.restore import sweep_copies
from edge_agent.store.salvage import REPORT, salvage
from edge_agent.store.vault import ImageVault
from edge_agent.store.views import move_pictures
from edge_agent.store.withdrawal import Withdrawals
from tests.simulators.pages import bytes_in_clear
from tests.simulators.records import a_case, a_consent
from tests.simulators.store_killer import KEY, NOON, VIEWS, prepare, prepare_old

ROOT = Path(__file__).parents[2]
STORE = "edge_agent.store"


def _killed(work: str, state: Path, point: str) -> None:
    command = [sys.executable, "-m", "tests.simulators.store_killer", work, str(state), "--at", point]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, f"the point never came: {done.stderr}"


def _upkeep(database: Database) -> ImageVault:
    """Do what the next start does."""
    vault = ImageVault(database)
    vault.sweep()
    vault.settle()
    move_pictures(database, vault)
    backups = Backups(database.path, KEY)
    backups.prune()
    backups.settle(database)
    return vault


def _assert_vault_fits(database: Database, vault: ImageVault) -> None:
    """Every file belongs to a picture that is kept, every such picture opens, and nobody else has a key."""
    kept = {row[0] for row in database.rows("SELECT image_id FROM images WHERE state = 'kept'")}
    assert {path.stem for path in vault.files()} == kept
    assert {row[0] for row in database.rows("SELECT image_id FROM image_keys")} == kept
    for image_id in kept:
        vault.get(image_id)


def _assert_first_is_whole(database: Database) -> None:
    given = a_case("first", consent=a_consent(), views=VIEWS)
    for loaded, view in zip(CaseStore(database).load("first").views, given.views, strict=True):
        np.testing.assert_array_equal(loaded.frame, view.frame)


@pytest.mark.parametrize(
    "point",
    [
        f"{STORE}.vault:publish_once:before",
        f"{STORE}.vault:publish_once:after",
        f"{STORE}.vault:publish_once:after:3",
        f"{STORE}.durable:sync_path:before:1",
        f"{STORE}.durable:sync_path:after:2",
        "os:link:before:2",
        "os:link:after:2",
        f"{STORE}.cases:keep_views:after",
        f"{STORE}.cases:CaseStore.add:after",
    ],
)
def test_a_case_is_stored_whole_or_not_at_all(tmp_path: Path, point: str) -> None:
    """After a kill while storing, the case is there with every picture or not there, and no file is left over."""
    prepare(tmp_path / "state")
    _killed("put", tmp_path / "state", point)
    with Database(tmp_path / "state" / "store.db", KEY) as database:
        vault = _upkeep(database)
        database.check()
        _assert_first_is_whole(database)
        pending = CaseStore(database).pending()
        assert pending in (["first"], ["first", "second"])
        assert ("second" in pending) == point.endswith("CaseStore.add:after")
        assert all(len(CaseStore(database).load(case_id).views) == VIEWS for case_id in pending)
        _assert_vault_fits(database, vault)


@pytest.mark.parametrize(
    ("point", "is_withdrawn"),
    [
        (f"{STORE}.vault:ImageVault.shred:before", False),
        (f"{STORE}.vault:ImageVault.shred:after", False),
        (f"{STORE}.vault:ImageVault.settle:before", True),
        (f"{STORE}.database:Database.empty_log:after", True),
        (f"{STORE}.vault:ImageVault._unlink:after:1", True),
        (f"{STORE}.vault:ImageVault._unlink:after:3", True),
        (f"{STORE}.vault:ImageVault.settle:after", True),
        (f"{STORE}.backups:Backups._erase:before", True),
        (f"{STORE}.backups:Backups.settle:after", True),
    ],
)
def test_a_withdrawal_happens_whole_or_not_at_all(tmp_path: Path, point: str, is_withdrawn: bool) -> None:
    """After a kill while withdrawing, either nothing is withdrawn, or no picture opens and no key is anywhere."""
    state = tmp_path / "state"
    prepare(state)
    with Database(state / "store.db", KEY) as database:
        secrets = [bytes(row[0]) for row in database.rows("SELECT key FROM image_keys")]
    _killed("shred", state, point)
    with Database(state / "store.db", KEY) as database:
        vault = _upkeep(database)
        database.check()
        withdrawals = Withdrawals(database, vault=vault)
        assert bool(withdrawals.of("first")) == withdrawals.is_locked("first") == is_withdrawn
        _assert_vault_fits(database, vault)
        if not is_withdrawn:
            _assert_first_is_whole(database)
            return
        assert CaseStore(database).load("first").views == ()
        assert database.rows("SELECT how_many FROM deletions") == [(VIEWS,)]
        for file in (
            state / "store.db",
            state / "store.db-wal",
            *(one.path for one in Backups(state / "store.db", KEY).list()),
        ):
            clear = bytes_in_clear(file, KEY)
            assert not any(secret in clear for secret in secrets), file


@pytest.mark.parametrize(
    "point",
    [
        f"{STORE}.database:write_copy:before",
        f"{STORE}.database:copy_into:after",
        f"{STORE}.database:write_copy:after",
        f"{STORE}.database:_apply:before:1",
        f"{STORE}.database:_apply:after:1",
        f"{STORE}.database:_apply:after:3",
        f"{STORE}.vault:publish_once:after:1",
        f"{STORE}.vault:publish_once:before:2",
        f"{STORE}.vault:ImageVault.put:after:3",
        f"{STORE}.database:Database.shrink:before",
        f"{STORE}.database:Database.shrink:after",
    ],
)
def test_a_migration_loses_no_picture(tmp_path: Path, point: str) -> None:
    """After a kill while migrating or moving, the next start ends with every picture equal, once, and a way back."""
    state = tmp_path / "state"
    prepare_old(state)
    _killed("migrate", state, point)
    sweep_copies(state / "store.db")
    assert not list(state.glob("backups/.*"))  # half a copy holds pictures too
    with Database(state / "store.db", KEY, clock=lambda: NOON) as database:
        _assert_first_is_whole(database)  # before the move goes on, and after it
        vault = _upkeep(database)
        _assert_first_is_whole(database)
        database.check()
        _assert_vault_fits(database, vault)
        assert len(list(vault.files())) == VIEWS
    assert Backups(state / "store.db", KEY).list()[0].version == 2


@pytest.mark.parametrize(
    "point",
    [
        f"{STORE}.salvage:_copy:after",
        f"{STORE}.salvage:_fill:after",
        f"{STORE}.salvage:_copy_picture:after:2",
        f"{STORE}.salvage:_mend_ledger:after",
        f"{STORE}.salvage:replace_file:before",
    ],
)
def test_a_salvage_that_is_cut_off_can_be_begun_again(tmp_path: Path, point: str) -> None:
    """The original is as it was, the unfinished folder has no report, and another folder gets everything."""
    state = tmp_path / "state"
    prepare(state)
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    _killed("salvage", state, point)
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new" / REPORT).exists()
    assert salvage(state / "store.db", KEY, into=tmp_path / "again", now=NOON).is_whole


@pytest.mark.parametrize(
    ("point", "is_restored"),
    [
        (f"{STORE}.restore:copy_into:after", False),
        (f"{STORE}.restore:_carry_pictures:after", False),
        (f"{STORE}.restore:_swap:before", False),
        (f"{STORE}.restore:sync_path:after:2", False),
        (f"{STORE}.restore:sync_path:before:3", True),
        (f"{STORE}.restore:_swap:after", True),
    ],
)
def test_a_restore_leaves_the_old_store_or_the_new_one(tmp_path: Path, point: str, is_restored: bool) -> None:
    """After a kill while restoring, the store opens whole; nothing of the half-made one stays after the next start."""
    state = tmp_path / "state"
    prepare(state)
    _killed("restore", state, point)
    sweep_copies(state / "store.db")
    with Database(state / "store.db", KEY) as database:
        vault = _upkeep(database)
        database.check()
        _assert_first_is_whole(database)
        assert CaseStore(database).pending() == (["first"] if is_restored else ["first", "second"])
        _assert_vault_fits(database, vault)
    assert not [path.name for path in state.iterdir() if path.name.startswith(".")]
