"""The desk: whoever follows a case hears everything, early or late; a held desk keeps cases and says why."""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from edge_agent.casework import CaseWork, OnProgress, Report
from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import OnField
from edge_agent.errors import CaseError
from edge_agent.ipc import Kind
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.supervision.case_desk import CaseDesk, DeskSettings
from edge_agent.supervision.keeper import Pulse
from tests.simulators.cases import case

PATIENCE_S = 30.0


class Runner:
    """Tell one step of progress, wait until it may end, answer."""

    def __init__(self) -> None:
        self.is_at_work, self.may_end = threading.Event(), threading.Event()
        self.runs: list[str] = []

    def run(
        self,
        case: Case,
        *,
        on_progress: OnProgress | None = None,
        on_field: OnField | None = None,  # noqa: ARG002
    ) -> Report:
        """Run one case."""
        self.runs.append(case.case_id)
        assert on_progress is not None
        on_progress("recognition", 0, 1)
        self.is_at_work.set()
        assert self.may_end.wait(PATIENCE_S)
        return {"case_id": case.case_id, "is_test_case": True}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as database:
        yield CaseStore(database)


@contextmanager
def _open(
    store: CaseStore,
    runner: Runner,
    *,
    hold: str = "",
    rest: Callable[[], str] = lambda: "",
    on_phase: Callable[[str, float], None] = lambda *_: None,
) -> Iterator[CaseDesk]:
    stop = threading.Event()

    def drop(_logger: Any, _method: str, _event: Any) -> Any:
        raise structlog.DropEvent

    work = CaseWork(
        store,
        runner=runner,
        without_model=lambda given: {"case_id": given.case_id, "is_test_case": True},
        profile_class="generic",
        is_stopping=stop.is_set,
        on_failure=lambda _name, _error: None,
    )
    desk = CaseDesk(
        store,
        work,
        engine=None,
        log=structlog.wrap_logger(None, processors=[drop]),
        tell_status=lambda: {"queued": 0},
        on_report=lambda: None,
        on_phase=on_phase,
        settings=DeskSettings(hold=hold, rest=rest, resume_after_s=0.05),
    )
    thread = threading.Thread(target=desk.run, args=(Pulse(stop),))
    thread.start()
    try:
        yield desk
    finally:
        stop.set()
        runner.may_end.set()
        desk.wake()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def _kinds(messages: queue.Queue[Any], count: int) -> list[str]:
    return [messages.get(timeout=PATIENCE_S).kind for _ in range(count)]


def test_an_early_follower_misses_nothing(store: CaseStore) -> None:
    """Entered before the case is handed in: progress, then the report."""
    runner = Runner()
    runner.may_end.set()
    with _open(store, runner) as desk, desk.follow("one") as messages:
        desk.submit(case(case_id="one"), language="en")
        assert _kinds(messages, 2) == [Kind.PROGRESS, Kind.REPORT]


def test_a_late_follower_hears_what_was_said(store: CaseStore) -> None:
    """A page that was loaded again in the middle of a case gets its progress and then its report."""
    runner = Runner()
    with _open(store, runner) as desk:
        with desk.follow("one"):
            desk.submit(case(case_id="one"), language="en")
            assert runner.is_at_work.wait(PATIENCE_S)
        with desk.follow("one") as messages:
            assert _kinds(messages, 1) == [Kind.PROGRESS]
            runner.may_end.set()
            assert _kinds(messages, 1) == [Kind.REPORT]


def test_a_follower_after_the_end_gets_the_report(store: CaseStore) -> None:
    """From the store: also after a restart of the daemon."""
    store.add(case(case_id="one"), language="en")
    store.mark_running("one")
    store.finish("one", {"case_id": "one", "is_test_case": True}, None)
    with _open(store, Runner()) as desk, desk.follow("one") as messages:
        assert messages.get(timeout=PATIENCE_S).body["report"]["case_id"] == "one"


def test_a_held_desk_keeps_cases_and_says_why(store: CaseStore) -> None:
    """Safe mode: stored, not run, and the follower reads the line that must be mended."""
    runner = Runner()
    with (
        _open(store, runner, hold="config.toml, line 3: unknown key 'x'") as desk,
        desk.follow("one") as messages,
    ):
        desk.submit(case(case_id="one"), language="en")
        said = messages.get(timeout=PATIENCE_S)
        assert said.kind == Kind.ERROR
        assert "line 3" in said.body["message"]
    assert store.pending() == ["one"]
    assert runner.runs == []


def test_a_resting_desk_keeps_cases_says_why_and_goes_on_by_itself(store: CaseStore) -> None:
    """Heat or a low battery: nothing is begun, neither new nor old; when it is over both run without anybody's doing."""
    runner, why = Runner(), ["the device is at 95 degrees"]
    runner.may_end.set()
    asked = threading.Semaphore(0)

    def rest() -> str:
        asked.release()
        return why[0]

    store.add(case(case_id="old"), language="en")
    with _open(store, runner, rest=rest) as desk, desk.follow("new") as messages, desk.follow("old") as older:
        desk.submit(case(case_id="new"), language="en")
        said = messages.get(timeout=PATIENCE_S)
        assert said.kind == Kind.ERROR
        assert "stored and waits: the device is at 95 degrees" in said.body["message"]
        assert all(asked.acquire(timeout=PATIENCE_S) for _ in range(5))  # looks again and again, and begins nothing
        assert runner.runs == []
        assert sorted(store.pending()) == ["new", "old"]
        why[0] = ""
        assert _kinds(messages, 2) == [Kind.PROGRESS, Kind.REPORT]
        assert _kinds(older, 2) == [Kind.PROGRESS, Kind.REPORT]
    assert store.pending() == []


def test_the_same_case_twice_is_refused(store: CaseStore) -> None:
    """A page that sends its form twice makes one case."""
    with _open(store, Runner(), hold="x") as desk:
        desk.submit(case(case_id="one"), language="en")
        with pytest.raises(CaseError, match="stored already"):
            desk.submit(case(case_id="one"), language="en")


def test_phases_are_timed(store: CaseStore) -> None:
    """Every phase of a case that ended is told once, with its seconds."""
    runner, phases = Runner(), []
    runner.may_end.set()
    with (
        _open(store, runner, on_phase=lambda name, seconds: phases.append((name, seconds >= 0))) as desk,
        desk.follow("one") as messages,
    ):
        desk.submit(case(case_id="one"), language="en")
        _kinds(messages, 2)
    assert phases == [("start", True), ("recognition", True)]
