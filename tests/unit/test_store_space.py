"""The disk-full ladder: what each stage allows, and that no stage deletes what somebody needs."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_agent.contracts.terms import Vocabulary
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.store.space import Stage, StorageRoom, Thresholds, allowance, measure
from edge_agent.store.vault import ImageVault
from tests.simulators.records import a_case, a_consent, a_result

LADDER = Thresholds(low_bytes=1000, tight_bytes=500, full_bytes=100, budget_bytes=10_000)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state" / "store.db", StoreKey(secrets.token_hex(32))) as opened:
        yield opened


@pytest.mark.parametrize(
    ("free", "used", "stage"),
    [
        (1000, 0, Stage.OK),
        (999, 0, Stage.LOW),
        (500, 0, Stage.LOW),
        (499, 0, Stage.TIGHT),
        (100, 0, Stage.TIGHT),
        (99, 0, Stage.FULL),
        (0, 0, Stage.FULL),
        (10**12, 8_000, Stage.OK),
        (10**12, 8_001, Stage.LOW),
        (10**12, 9_501, Stage.TIGHT),
        (10**12, 9_901, Stage.FULL),
        (10**12, 20_000, Stage.FULL),
    ],
)
def test_the_smaller_room_decides(free: int, used: int, stage: Stage) -> None:
    """Free disk and the store's own budget each lead down the ladder; the boundary itself is the better stage."""
    assert allowance(free_bytes=free, used_bytes=used, thresholds=LADDER).stage is stage


def test_every_stage_below_ok_says_something_and_takes_text_cases() -> None:
    """A worker always reads what is wrong, and that cases without pictures go on."""
    at = {stage: allowance(free_bytes=free, used_bytes=0, thresholds=LADDER) for stage, free in _FREE.items()}
    assert at[Stage.OK].notice is None
    words = Vocabulary.load().lists["storage_notice"].terms
    for stage in (Stage.LOW, Stage.TIGHT, Stage.FULL):
        assert "maintainer" in words[str(at[stage].notice)].en
        assert "维护人员" in words[str(at[stage].notice)].zh
    assert [at[stage].may_take_pictures for stage in Stage] == [True, True, False, False]
    assert "without pictures" in words["storage_full"].en


_FREE = {Stage.OK: 5000, Stage.LOW: 900, Stage.TIGHT: 400, Stage.FULL: 50}


def _disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))


def _room(database: Database, tmp_path: Path) -> StorageRoom:
    wide = Thresholds(low_bytes=1000, tight_bytes=500, full_bytes=100, budget_bytes=10**12)
    return StorageRoom(
        database, vault=ImageVault(database), thresholds=wide, cache=(tmp_path / "cache",), reserve_bytes=5000
    )


def test_a_full_disk_deletes_nothing_that_counts(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the last stage cases, pictures, reports and unacknowledged records are all there; only previews are gone."""
    store = CaseStore(database)
    store.add(a_case("signed", consent=a_consent()), language="en")
    store.add(a_case("unsigned"), language="en")
    store.finish("signed", {"a": 1}, a_result(store.record_id("signed")))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thumbnail").write_bytes(b"x")
    _disk(monkeypatch, 50)
    assert _room(database, tmp_path).step().stage is Stage.FULL
    assert not (tmp_path / "cache").exists()
    assert len(store.load("signed").views) == len(store.load("unsigned").views) == 2
    assert store.report("signed") == {"a": 1}
    assert Outbox(database).status().queued == 1


def test_the_reserve_is_given_to_text_cases(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is room the reserve lies on the disk; at the last stage it is given up; later it is filled again."""
    room, reserve = _room(database, tmp_path), database.path.with_name("reserve")
    for free, size in ((5000, 5000), (400, 5000), (50, None), (400, None), (5000, 5000)):
        _disk(monkeypatch, free)
        room.step()
        assert (reserve.stat().st_size if reserve.exists() else None) == size


def test_clearing_can_lead_up_again(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When what was cleared is enough, pictures may be taken again at once."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=400 if cache.exists() else 5000))
    assert _room(database, tmp_path).step().may_take_pictures


def test_the_stage_is_what_the_last_look_found(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, metrics and status read it between two looks; before the first one nobody knows."""
    room = _room(database, tmp_path)
    before = room.stage
    _disk(monkeypatch, 400)
    room.step()
    assert (before, room.stage) == (None, Stage.TIGHT)


def test_a_disk_that_fills_between_two_looks_is_known_at_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No picture is taken on a full disk; room that was made is believed at the next look only."""
    room = _room(database, tmp_path)
    _disk(monkeypatch, 10_000)
    room.step()
    seen = [room.stage]
    _disk(monkeypatch, 50)
    seen.append(room.stage)
    room.step()
    _disk(monkeypatch, 10_000)
    seen.append(room.stage)
    assert seen == [Stage.OK, Stage.FULL, Stage.FULL]


def test_a_disk_that_cannot_be_measured_is_full(database: Database, tmp_path: Path) -> None:
    """The safe side: nobody is told that there is room."""
    assert measure(tmp_path / "gone", thresholds=LADDER).stage is Stage.FULL
    assert measure(database.path.parent, thresholds=LADDER).stage is not Stage.OK  # the store is above its tiny budget
