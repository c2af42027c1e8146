"""The desk where cases are handed in: stored first, then run one at a time; whoever follows a case is told how it goes.

The local socket and the web pages of the same process both come here. Killing the process loses nothing: cases without
a report are run at the next start.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from edge_agent.casework import CaseWork, is_without_model
from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import ShownField
from edge_agent.errors import DaemonError, EdgeError
from edge_agent.ipc import Kind, Message, error_from, error_message
from edge_agent.remaining import NO_PACE, Countdown, Predict, learn
from edge_agent.store.cases import CaseStore
from edge_agent.store.states import CaseState
from edge_agent.supervision.keeper import Pulse
from edge_agent.supervision.rooms import Rooms

RESUME_AFTER_S: Final = 30.0
PATIENCE_S: Final = 900.0  # how long one case may say nothing: loading an engine, its longest case, pauses
Log = structlog.typing.FilteringBoundLogger


class EngineWatch(Protocol):
    """Who keeps the engine at hand between cases."""

    def look(self) -> None:
        """Start the engine where it is gone, and find out whether it hangs."""
        ...


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Say how the desk works.

    Args:
        hold: why cases are stored and not run (safe mode); empty: they are run.
        resume_after_s: after so long without a case, those that wait for space, the store, the engine or a good bundle
            are tried again, and the engine is looked after.
        rest: asked before each case: why none is begun now (heat, battery); empty: it is. Cases are kept and followed up.
        patience_s: how long one case may say nothing before the desk counts as hanging.
        predict: how long a case of so many pictures takes, until one has been run; None: nobody knows.
    """

    hold: str = ""
    rest: Callable[[], str] = lambda: ""
    resume_after_s: float = RESUME_AFTER_S
    patience_s: float = PATIENCE_S
    predict: Predict | None = None


class CaseDesk:
    """Take cases, run them, tell their followers. The part ``cases`` of the daemon.

    ``submit``, ``follow`` and ``status`` may be called from any thread; ``run`` belongs to one.

    Args:
        store: where cases lie.
        work: brings one case to its report.
        engine: looked after while no case waits; None where there is none.
        log: never told patient data.
        tell_status: returns the daemon's status.
        on_report: called after every report: there may be something to send.
        on_phase: told the seconds of every phase of a case that ended.
        settings: see ``DeskSettings``.
    """

    name = "cases"

    def __init__(
        self,
        store: CaseStore,
        work: CaseWork,
        *,
        engine: EngineWatch | None,
        log: Log,
        tell_status: Callable[[], Mapping[str, Any]],
        on_report: Callable[[], None],
        on_phase: Callable[[str, float], None] = lambda _phase, _seconds: None,
        settings: DeskSettings | None = None,
    ) -> None:
        self._store = store
        self._work = work
        self._engine = engine
        self._log = log
        self._tell_status = tell_status
        self._on_report = on_report
        self._on_phase = on_phase
        self._settings = settings or DeskSettings()
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._backlog: deque[str] = deque()  # nobody waits for these; used by the part's thread only
        self._pause_s = 0.0
        self._pace = NO_PACE
        self._rooms = Rooms()

    def submit(self, case: Case, *, language: str, awaits_sign_off: bool = False) -> None:
        """Store a case durably, then queue it. Does not wait for its report: ``follow`` it.

        ``awaits_sign_off``: nothing of it leaves before a clinician has signed the report.

        Raises:
            CaseError: there is a case with this id.
            StoreError: it could not be stored; nothing was.
        """
        self._store.add(case, language=language, awaits_sign_off=awaits_sign_off)
        self._queue.put(case.case_id)

    @contextmanager
    def follow(self, case_id: str) -> Iterator[queue.Queue[Message]]:
        """Give a queue of what happens to a case: PROGRESS and FIELD, then one REPORT or ERROR.

        Whoever comes late gets what was said since the present run began, or the end where the case has one. May be
        entered before ``submit``, so that nothing is missed.
        """
        mine = self._rooms.enter(case_id)
        try:
            if (end := self._end_of(case_id)) is not None:
                mine.put(end)
            yield mine
        finally:
            self._rooms.leave(case_id, mine)

    def status(self) -> Mapping[str, Any]:
        """Return how the daemon fares, ready for JSON."""
        return self._tell_status()

    @property
    def hold(self) -> str:
        """Return why cases are only stored; empty when they are run."""
        return self._settings.hold

    @property
    def resting(self) -> str:
        """Look whether a case may be begun now, and return why not; empty when it may."""
        return self._settings.rest()

    @property
    def waiting(self) -> int:
        """Return how many cases are queued and not begun."""
        return self._queue.qsize() + len(self._backlog)

    def wake(self) -> None:
        """Let ``run`` look up: the daemon ends."""
        self._queue.put(None)

    def run(self, pulse: Pulse) -> None:
        """Run new cases first, for somebody waits; then the backlog, one case at a time."""
        try:
            if self._settings.hold:
                self._only_keep(pulse)
                return
            self._backlog.clear()
            self._pause_s = 0.0
            self._resume()
            self._look_after_engine(pulse)
            while not pulse.stop.is_set():
                self._take_one(pulse)
        finally:
            self._dismiss()

    def _take_one(self, pulse: Pulse) -> None:
        pulse.promise(self._pause_s + self._settings.patience_s)
        try:
            case_id = self._queue.get(timeout=self._pause_s)
        except queue.Empty:
            pulse.promise(self._settings.patience_s)
            self.outcome(lambda: self._catch_up(pulse))
            return
        if case_id is None:
            return
        if why := self.resting:
            self._backlog.append(case_id)
            self._tell_waits(case_id, why)
        else:
            self._run_case(case_id, pulse)

    def _tell_waits(self, case_id: str, why: str) -> None:
        self._rooms.tell(case_id, error_message(DaemonError(f"the case is stored and waits: {why}")))

    def _only_keep(self, pulse: Pulse) -> None:
        """Safe mode: cases stay stored; their followers are told why nothing happens."""
        while not pulse.stop.is_set():
            pulse.promise(2 * self._settings.resume_after_s + 60.0)
            try:
                case_id = self._queue.get(timeout=self._settings.resume_after_s)
            except queue.Empty:
                continue
            if case_id is not None:
                self._tell_waits(case_id, self._settings.hold)

    def _catch_up(self, pulse: Pulse) -> None:
        """Run one case of the backlog; look for forgotten cases, and after the engine, when it is empty.

        A case that must go on waiting stops the backlog for a while: what it waits for (bundle, engine, disk) holds
        the others up too. Then the next one has its turn, so that no single case holds up the rest.
        """
        self._pause_s = self._settings.resume_after_s  # also when the store fails below
        if self.resting:
            return  # nothing is begun, no engine loaded either: that is hard work too
        if not self._backlog:
            self._resume()
            is_going_on = bool(self._backlog)
            if not is_going_on:
                self._look_after_engine(pulse)
        else:
            case_id = self._backlog.popleft()
            self._run_case(case_id, pulse)
            is_going_on = case_id not in self._store.pending()
        self._pause_s = 0.0 if is_going_on else self._settings.resume_after_s

    def _look_after_engine(self, pulse: Pulse) -> None:
        if self._engine is not None:
            pulse.promise(self._settings.patience_s)
            self.outcome(self._engine.look)

    def _resume(self) -> None:
        """Find every case without a report: from before this start, or left by a full store or a refused bundle."""
        for case_id in self._store.pending():
            self._log.info("case.resumed", case_id=case_id)
            self._backlog.append(case_id)

    def _run_case(self, case_id: str, pulse: Pulse) -> None:
        self._rooms.begin(case_id)
        end = self.outcome(lambda: self._complete(case_id, pulse))
        if end is not None:
            self._rooms.tell(case_id, end)

    def _complete(self, case_id: str, pulse: Pulse) -> Message | None:
        if case_id not in self._store.pending():
            return None  # queued twice: as a new case and by ``_resume``

        phase, since_s = "start", time.monotonic()
        countdown = Countdown(self._pace, clock=time.monotonic, predict=self._settings.predict)

        def on_progress(stage: str, done: int, total: int) -> None:
            nonlocal phase, since_s
            pulse.promise(self._settings.patience_s)
            if stage != phase:
                now_s = time.monotonic()
                self._on_phase(phase, now_s - since_s)
                phase, since_s = stage, now_s
            body = {"kind": Kind.PROGRESS, "stage": stage, "done": done, "total": total}
            self._rooms.tell(case_id, Message(body={**body, "remaining_s": countdown.at(stage, done, total)}))

        def on_field(shown: ShownField) -> None:
            self._rooms.tell(case_id, Message(body={"kind": Kind.FIELD, **shown.to_body()}))

        pulse.promise(self._settings.patience_s)
        report = self._work.complete(case_id, on_progress=on_progress, on_field=on_field)
        self._pace = learn(self._pace, report)
        self._on_phase(phase, time.monotonic() - since_s)
        self._log.info("case.reported", case_id=case_id, is_without_model=is_without_model(report))
        self._on_report()
        return Message(body={"kind": Kind.REPORT, "report": report})

    def outcome(self, action: Callable[[], Message | None]) -> Message | None:
        """Do something for somebody and turn whatever happens into a message: nothing may end the supervisor."""
        try:
            return action()
        except EdgeError as exc:
            self._log.warning("refused", **exc.diagnostics())
            return error_message(exc)
        except Exception as exc:  # noqa: BLE001  (one request, or a mistake in it, must not end the supervisor)
            self._log.exception("failed")
            return error_message(DaemonError(f"the daemon failed ({type(exc).__name__}); look at its log"))

    def _end_of(self, case_id: str) -> Message | None:
        """Return how a case ended; None where it has not, or is not stored yet."""
        try:
            status = self._store.status(case_id)
            if status.state is CaseState.REPORTED:
                return Message(body={"kind": Kind.REPORT, "report": self._store.report(case_id)})
        except EdgeError:
            return None  # not stored yet
        if status.state is CaseState.FAILED:
            return error_message(error_from(Message(body=dict(status.error or {}))))
        return None

    def _dismiss(self) -> None:
        """Tell everybody who still follows a case that the desk closes; their cases are stored."""
        self._rooms.tell_all(error_message(DaemonError("the daemon stops; the case is stored and will be resumed")))
