"""The handle on the inference child: real processes that answer, complain, hang, crash and are killed."""

from __future__ import annotations

import gc
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import psutil
import pytest

from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.shown_field import ShownField
from edge_agent.errors import CaseError, InferenceError, SignatureRejected
from edge_agent.inference import worker
from edge_agent.inference_child import TRANSITIONS, ChildSettings, Event, InferenceChild, StartError, State, step
from edge_agent.ipc import Kind, Message
from tests.simulators.kiosk import wait_until


def make_child(
    behaviour: str,
    *,
    start_timeout_s: float = 300.0,
    job_timeout_s: float = 300.0,
    waits: list[float] | None = None,
) -> InferenceChild:
    """Build a handle on a simulated worker; waits are recorded, never slept."""
    record = waits if waits is not None else []
    settings = ChildSettings(
        arguments=[behaviour],
        start_timeout_s=start_timeout_s,
        job_timeout_s=job_timeout_s,
        module="tests.simulators.worker",
    )

    def wait(seconds: float) -> bool:
        record.append(seconds)
        return False

    return InferenceChild(settings, wait=wait)


class Pipe:
    """Hold one case message; when it was taken, remember which messages are still in memory, and end."""

    def __init__(self) -> None:
        self._lines = [b'{"body": {"kind": "pipe-test"}, "blobs": []}\n']
        self.left: list[Message] | None = None

    def readline(self, _limit: int) -> bytes:
        """Give the message, then the end."""
        if self._lines:
            return self._lines.pop()
        self.left = _messages("pipe-test")
        return b""


class Taker(queue.Queue[Message]):
    """A queue whose other end is done with every message at once."""

    taken = 0

    def put(self, item: Message, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Count the message and keep nothing."""
        self.taken += 1


def _messages(kind: str) -> list[Message]:
    return [found for found in gc.get_objects() if isinstance(found, Message) and found.kind == kind]


def _case() -> Case:
    return Case(
        case_id="c1",
        views=(View(index=0, frame=np.zeros((8, 8, 3), dtype=np.uint8)),),
        intake=Intake(),
        consent=None,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
def case() -> Iterator[Case]:
    """A case of one small picture."""
    yield _case()


HANGING = """
from tests.unit.test_inference_child import hang_for_ever
hang_for_ever({behaviour!r})
"""


def hang_for_ever(behaviour: str) -> None:
    """Give a case to a child that hangs, in a process that somebody else kills; says the child's number first."""
    child, seen = make_child(behaviour), threading.Event()
    run = partial(child.run, _case(), on_field=lambda _field: seen.set())
    threading.Thread(target=run, daemon=True).start()
    wait_until(
        lambda: seen.is_set() or (child.state is State.STARTING and behaviour == "hang-loading"), what="it hangs"
    )
    print(child.pid, flush=True)  # noqa: T201
    signal.pause()


@pytest.mark.parametrize("behaviour", ["hang", "hang-loading"])
def test_a_killed_run_leaves_no_hanging_stand_in_behind(behaviour: str) -> None:
    """Whoever started it is killed at once, as an interrupted test run is: the stand-in ends by itself."""
    with subprocess.Popen([sys.executable, "-c", HANGING.format(behaviour=behaviour)], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        left = psutil.Process(int(run.stdout.readline()))
        assert "tests.simulators.worker" in left.cmdline()
        run.kill()
    wait_until(
        lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE, what="a stand-in was left behind"
    )


def test_a_case_gets_its_report_and_progress(case: Case) -> None:
    """The report comes back, and before it every progress message and every sign, to whoever asked for them."""
    child = make_child("answer")
    seen: list[tuple[str, int, int]] = []
    try:
        report = child.run(case, on_progress=lambda *row: seen.append(row))
        assert report["case_id"] == "c1"
        assert seen == [("recognition", 0, 1)]
        shown: list[ShownField] = []
        child.run(case, on_field=shown.append)
        assert [(one.field, one.value) for one in shown] == [("colour", ["bright_red"])]
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


@pytest.mark.parametrize(
    ("behaviour", "start_timeout_s", "text"),
    [
        (f"crash-loading={__file__}", 300.0, "ended while loading"),
        ("hang-loading", 1.0, "too slow loading"),
        ("fail-loading", 300.0, "no memory"),
    ],
)
def test_a_start_that_fails_is_told_apart(case: Case, behaviour: str, start_timeout_s: float, text: str) -> None:
    """A child that never was ready has not seen the case, which must not be blamed."""
    child = make_child(behaviour, start_timeout_s=start_timeout_s)
    with pytest.raises(StartError, match=text):
        child.run(case)
    assert child.state is State.STOPPED


@pytest.mark.parametrize("behaviour", ["refuse", "fail-loading"])
def test_a_start_that_fails_costs_the_next_case_no_pause(case: Case, behaviour: str) -> None:
    """A person waits for what the rules say; only a child that was lost at work is started again after a pause."""
    waits: list[float] = []
    child = make_child(behaviour, waits=waits)
    for _ in range(3):
        with pytest.raises((SignatureRejected, StartError)):
            child.run(case)
    assert waits == []


def test_a_case_leaves_the_childs_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the child waits for the next case its reader holds nothing of the one before: pictures, form, consent."""
    pipe, jobs = Pipe(), Taker()
    monkeypatch.setattr(os, "_exit", sys.exit)  # the end of the pipe ends the process
    with pytest.raises(SystemExit):
        worker._watch(cast(BinaryIO, pipe), jobs)
    assert jobs.taken == 1
    assert pipe.left == []


def test_a_report_leaves_the_supervisors_memory(case: Case) -> None:
    """While the supervisor waits for the next case its reader holds nothing of the report before."""
    child = make_child("answer")
    try:
        assert child.run(case)["case_id"] == "c1"
        wait_until(lambda: _messages(Kind.REPORT) == [], what="the report is still held", timeout_s=10.0)
    finally:
        child.stop()


def test_the_state_table_has_a_failure_edge_everywhere() -> None:
    """In every state the child may be lost; what is not in the table is a programmer's mistake."""
    for state in State:
        assert TRANSITIONS[state, Event.LOST] is State.STOPPED
    with pytest.raises(RuntimeError, match="cannot happen"):
        step(State.BUSY, Event.JOB)
