"""The handle on the inference child: real processes that answer, complain, hang, crash and are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest

from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Intake
from edge_agent.errors import CaseError, InferenceError, SignatureRejected
from edge_agent.inference_child import TRANSITIONS, ChildSettings, Event, InferenceChild, State, step


def make_child(behaviour: str, *, job_timeout_s: float = 300.0, waits: list[float] | None = None) -> InferenceChild:
    """Build a handle on a simulated worker; waits are recorded, never slept."""
    record = waits if waits is not None else []
    settings = ChildSettings(
        arguments=[behaviour], start_timeout_s=300.0, job_timeout_s=job_timeout_s, module="tests.simulators.worker"
    )

    def wait(seconds: float) -> bool:
        record.append(seconds)
        return False

    return InferenceChild(settings, wait=wait)


@pytest.fixture
def case() -> Iterator[Case]:
    """A case of one small picture."""
    frame = np.zeros((8, 8, 3), dtype=np.uint8)
    yield Case(
        case_id="c1",
        views=(View(index=0, frame=frame),),
        intake=Intake(),
        consent=None,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_case_gets_its_report_and_progress(case: Case) -> None:
    """The report comes back, and every progress message before it."""
    child = make_child("answer")
    seen: list[tuple[str, int, int]] = []
    try:
        report = child.run(case, on_progress=lambda *row: seen.append(row))
        assert report["case_id"] == "c1"
        assert seen == [("recognition", 0, 1)]
        assert child.run(case)["pid"] == report["pid"] == child.pid  # one process for all cases
    finally:
        child.stop()
    assert child.pid is None
    assert not psutil.pid_exists(report["pid"])


def test_a_complaint_keeps_the_child(case: Case) -> None:
    """An error about one case arrives as its own class; the child goes on."""
    child = make_child("complain")
    try:
        with pytest.raises(CaseError, match="does not fit"):
            child.run(case)
        assert child.state is State.IDLE
    finally:
        child.stop()


def test_a_hanging_child_is_killed(case: Case) -> None:
    """A case over its time limit ends the child; nothing waits for ever."""
    child = make_child("hang", job_timeout_s=1.0)
    child.start()
    pid = child.pid
    with pytest.raises(InferenceError, match="too slow"):
        child.run(case)
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert child.state is State.STOPPED


def test_a_frozen_child_cannot_hold_its_supervisor() -> None:
    """A child that reads nothing fills the pipe; the time limit holds all the same."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)  # more PNG than a pipe holds
    views = (View(index=0, frame=noise),)
    large = Case(case_id="c2", views=views, intake=Intake(), consent=None, created=datetime(2026, 1, 1, tzinfo=UTC))
    child = make_child("answer", job_timeout_s=1.0)
    child.start()
    assert child.pid is not None
    frozen = psutil.Process(child.pid)
    os.kill(frozen.pid, signal.SIGSTOP)
    with pytest.raises(InferenceError, match="ended or hangs"):
        child.run(large)
    assert not frozen.is_running()
    assert child.state is State.STOPPED


def test_a_crashed_child_is_replaced_after_a_pause(case: Case, tmp_path: Path) -> None:
    """The case that met the crash can be given again; the restart waits for its back-off first."""
    waits: list[float] = []
    child = make_child(f"crash-once={tmp_path / 'crashed'}", waits=waits)
    try:
        with pytest.raises(InferenceError, match="ended while running the case"):
            child.run(case)
        assert waits == []
        assert child.run(case)["case_id"] == "c1"
        assert waits == [0.25]
    finally:
        child.stop()


def test_a_child_killed_between_cases_is_replaced(case: Case) -> None:
    """kill -9 while idle costs a restart, not a case."""
    child = make_child("answer")
    try:
        child.start()
        assert child.pid is not None
        victim = psutil.Process(child.pid)
        os.kill(victim.pid, signal.SIGKILL)
        psutil.wait_procs([victim], timeout=60)
        assert child.run(case)["pid"] != victim.pid
    finally:
        child.stop()


def test_a_refused_bundle_is_told_as_such(case: Case) -> None:
    """The child's refusal keeps its class, so that the case is not blamed."""
    child = make_child("refuse")
    with pytest.raises(SignatureRejected, match="nobody signed"):
        child.run(case)
    assert child.state is State.STOPPED


def test_the_state_table_has_a_failure_edge_everywhere() -> None:
    """In every state the child may be lost; what is not in the table is a programmer's mistake."""
    for state in State:
        assert TRANSITIONS[state, Event.LOST] is State.STOPPED
    with pytest.raises(RuntimeError, match="cannot happen"):
        step(State.BUSY, Event.JOB)
