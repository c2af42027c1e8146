"""The supervisor's handle on the inference child: start it, give it one case at a time, kill it, start it again.

The child is the only process that loads OpenVINO. It may hang, crash or be killed at any moment; the case it
was working on stays in the store and is given to the next child.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Final, cast

from edge_agent.case_wire import pack_case
from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import OnField, ShownField
from edge_agent.errors import DaemonError, InferenceError
from edge_agent.ipc import Kind, Message, error_from, read_all, write_message

OnProgress = Callable[[str, int, int], None]
GRACE_S: Final = 3.0
PING_TIMEOUT_S: Final = 30.0  # a child that is idle answers at once, also on a busy computer


class StartError(InferenceError):
    """The child never came so far that it could take a case: says nothing about any case, later it may start."""


class State(StrEnum):
    """Name what the child is doing."""

    STOPPED = "stopped"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"


class Event(StrEnum):
    """Name what happens to the child."""

    SPAWN = "spawn"
    READY = "ready"
    JOB = "job"
    DONE = "done"
    LOST = "lost"  # crashed, killed, timed out or stopped


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.STOPPED, Event.SPAWN): State.STARTING,
    (State.STOPPED, Event.LOST): State.STOPPED,
    (State.STARTING, Event.READY): State.IDLE,
    (State.STARTING, Event.LOST): State.STOPPED,
    (State.IDLE, Event.JOB): State.BUSY,
    (State.IDLE, Event.LOST): State.STOPPED,
    (State.BUSY, Event.DONE): State.IDLE,
    (State.BUSY, Event.LOST): State.STOPPED,
}


def step(state: State, event: Event) -> State:
    """Return the next state. Has no side effect.

    Raises:
        RuntimeError: the event cannot happen in this state: a programmer's mistake.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise RuntimeError(f"{event} cannot happen while the inference child is {state}") from None


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """Say how the child is started and how long it may take, in seconds.

    ``arguments`` follow ``python -m edge_agent.inference.worker``; ``rung`` names the device to people. Back-off doubles from ``backoff_first_s``
    to ``backoff_max_s`` with every loss in a row and is forgotten after a finished case. A start that failed adds
    nothing to it: nobody starts again before the next case, and a person may wait for that one.
    """

    arguments: Sequence[str]
    start_timeout_s: float = 300.0
    job_timeout_s: float = 120.0
    backoff_first_s: float = 0.25
    backoff_max_s: float = 30.0
    module: str = "edge_agent.inference.worker"
    rung: str = "CPU"


class InferenceChild:
    """Run cases in a child process, one at a time. Used by one thread; ``pid`` and ``state`` may be read by others.

    Args:
        settings: see ``ChildSettings``.
        wait: waits so many seconds before a restart and returns early, True, when the daemon stops
            (``threading.Event.wait``).
    """

    def __init__(self, settings: ChildSettings, *, wait: Callable[[float], bool]) -> None:
        self._settings = settings
        self._wait = wait
        self._process: subprocess.Popen[bytes] | None = None
        self._inbox: queue.Queue[Message | None] = queue.Queue()
        self._state = State.STOPPED
        self._losses = 0
        self._device = ""

    @property
    def rung(self) -> str:
        """Return the name of the device that it runs on, for people."""
        return self._settings.rung

    @property
    def device(self) -> str:
        """Return the device as its runtime told it when it was last loaded; empty before."""
        return self._device

    @property
    def state(self) -> State:
        """Return what the child is doing now."""
        return self._state

    @property
    def pid(self) -> int | None:
        """Return the child's process id; None while it is stopped."""
        process = self._process
        return process.pid if process is not None else None

    def run(
        self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None
    ) -> dict[str, Any]:
        """Run one case and return its report. Starts the child when it is not running.

        Raises:
            StartError: the child could not be started; it has not seen the case.
            InferenceError: the child was lost or too slow; it is stopped, the case can be given again.
            EdgeError: the child refused the case with this error; the child goes on.
        """
        job = pack_case(case, language="")
        return dict(self.ask(job, on_progress=on_progress, on_field=on_field).body["report"])

    def ask(self, job: Message, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Message:
        """Give the child one job and return what ends it; the errors of ``run``."""
        self.start()
        self._move(Event.JOB)
        deadline = time.monotonic() + self._settings.job_timeout_s
        self._send(job, deadline)
        while True:
            message = self._receive(deadline, doing="running the case")
            if message.kind == Kind.PROGRESS:
                if on_progress is not None:
                    on_progress(message.body["stage"], message.body["done"], message.body["total"])
                continue
            if message.kind == Kind.FIELD:
                if on_field is not None:
                    on_field(ShownField.from_body(message.body))
                continue
            self._move(Event.DONE)
            self._losses = 0
            if message.kind == Kind.ERROR:
                raise error_from(message)
            return message

    def ping(self) -> None:
        """Find out whether a child that waits for a case still answers; one that does not is stopped.

        Raises:
            InferenceError: it ended between two cases, or hangs.
        """
        if self._process is not None and self._process.poll() is not None:
            raise self._lose("the inference child ended between two cases")
        self._move(Event.JOB)
        deadline = time.monotonic() + PING_TIMEOUT_S
        self._send(Message(body={"kind": Kind.PING}), deadline)
        self._receive(deadline, doing="answering a ping")
        self._move(Event.DONE)

    def start(self) -> None:
        """Start the child and wait until its bundle is loaded; returns at once when it is running.

        Raises:
            StartError: it ended, was too slow or could not load the engine.
            InferenceError: the daemon is stopping.
            EdgeError: the bundle was refused with this error.
        """
        process = self._process
        if process is not None and process.poll() is None:
            return
        if process is not None:  # it died between two cases
            self._lose("the inference child ended between two cases")
        if self._losses and self._wait(self._backoff_s()):
            raise InferenceError("the daemon is stopping; the case stays stored")
        try:
            self._spawn()
            message = self._receive(time.monotonic() + self._settings.start_timeout_s, doing="loading the bundle")
            if message.kind == Kind.ERROR:
                self._lose("refused")
                raise error_from(message)
        except InferenceError as exc:
            raise StartError(str(exc), **exc.details) from exc
        self._device = str(message.body.get("device", ""))
        self._move(Event.READY)

    def stop(self) -> None:
        """End the child; a case that it was running stays stored. Safe to call twice, and from another thread."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._forget()

    def _spawn(self) -> None:
        command = [sys.executable, "-m", self._settings.module, *self._settings.arguments]
        self._move(Event.SPAWN)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the supervisor; it ends the child by closing the pipe
            )
        except OSError as exc:
            raise self._lose(f"the inference child cannot be started: {exc}") from exc
        self._inbox = queue.Queue()
        stdout = cast(BinaryIO, self._process.stdout)
        threading.Thread(target=read_all, args=(stdout, self._inbox), name="child-reader", daemon=True).start()

    def _send(self, message: Message, deadline: float) -> None:
        """Write in a thread of its own: a child that reads nothing would hold the pipe, and us, for ever."""
        stdin, failed = self._stdin(), threading.Event()

        def write() -> None:
            try:
                write_message(stdin, message)
            except DaemonError:
                failed.set()

        writer = threading.Thread(target=write, name="child-writer", daemon=True)
        writer.start()
        writer.join(max(0.0, deadline - time.monotonic()))
        if failed.is_set() or writer.is_alive():
            raise self._lose("the inference child ended or hangs; the case stays stored and is run again")

    def _receive(self, deadline: float, *, doing: str) -> Message:
        try:
            message = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            reason = f"the inference child was too slow {doing} and was stopped; the case stays stored"
            raise self._lose(reason) from None
        if message is None:
            raise self._lose(f"the inference child ended while {doing}; the case stays stored")
        return message

    def _lose(self, reason: str) -> InferenceError:
        process = self._process
        code = None
        if process is not None:
            process.kill()
            code = process.wait()
        if self._state is not State.STARTING:
            self._losses += 1
        self._forget()
        return InferenceError(reason, exit_status=code)

    def _forget(self) -> None:
        process = self._process
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        self._process = None
        self._move(Event.LOST)

    def _backoff_s(self) -> float:
        return min(self._settings.backoff_max_s, self._settings.backoff_first_s * 2.0 ** (self._losses - 1))

    def _stdin(self) -> BinaryIO:
        process = self._process
        if process is None or process.stdin is None:
            raise RuntimeError("the inference child is not running")
        return cast(BinaryIO, process.stdin)

    def _move(self, event: Event) -> None:
        self._state = step(self._state, event)
