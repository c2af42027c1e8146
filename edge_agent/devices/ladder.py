"""Run a case on the best device that may run it, and step down when one fails: the case is repeated, nothing is lost.

    second device (earned) -> CPU -> CPU, careful -> rules only (``CaseWork``, when every attempt has failed)

The second device has no safer arithmetic as a rung of its own: after a fault the driver may hang on every later call, and
what was not soaked has earned nothing. *Careful* is f32, no quantized activations and every optimisation for time off.

Source: openvino pull request 16724 and issue 25141: after CL_OUT_OF_RESOURCES any OpenCL call may hang the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import OnField
from edge_agent.devices.verdict import Key, Verdicts, why_not
from edge_agent.errors import ContractError, EdgeError, InferenceError, StoreError, UpdateError
from edge_agent.inference_child import InferenceChild, OnProgress, StartError, State

TRIES: Final = 2  # attempts on one CPU rung: the last of CaseWork's three is a careful one
Report = dict[str, Any]
Ask = Callable[[InferenceChild], Report]  # give one child the case


class OnStep(Protocol):
    """Told of every step down, once: the device that is left, the next one, and why."""

    def __call__(self, before: str, after: str, why: str) -> None:
        """Log it or show it."""
        ...


@dataclass(frozen=True, slots=True)
class Earned:
    """A second device's child, the verdict that it runs under, and the key of this computer as known before loading."""

    name: str
    child: InferenceChild
    verdicts: Verdicts
    key: Key


class Ladder:
    """The rungs of one process, at most one child of theirs alive. Used by one thread; ``pid``, ``state``, ``rung`` by others.

    Args:
        rungs: the CPU's children, the usual one first; each names itself.
        earned: the second device, where there is one; its verdict is read again before every case.
        is_stopping: says whether the process is ending; what then fails is nobody's fault.
        on_step: told of every step down.
    """

    def __init__(
        self,
        rungs: Sequence[InferenceChild],
        *,
        earned: Earned | None,
        is_stopping: Callable[[], bool],
        on_step: OnStep,
    ) -> None:
        self._rungs = tuple(rungs)
        self._earned = earned
        self._is_stopping = is_stopping
        self._on_step = on_step
        self._current = self._rungs[0]
        self._stumbles = ("", 0)  # the case that failed last on the CPU, and how often

    @property
    def rung(self) -> str:
        """Return the name of the rung that was used last."""
        return self._current.rung

    @property
    def state(self) -> State:
        """Return what its child is doing now."""
        return self._current.state

    @property
    def pid(self) -> int | None:
        """Return its child's process id; None while it is stopped."""
        return self._current.pid

    def start(self) -> None:
        """Load the engine on the highest rung that may run; a second device that does not load loses its place.

        Raises:
            StartError: the CPU's child could not be started.
            UpdateError: the bundle was refused there too.
        """
        earned = self._open_earned()
        if earned is None:
            self._use(self._rungs[0]).start()
        else:
            _end_work(earned)

    def ping(self) -> None:
        """Find out whether the child that was used last answers.

        Raises:
            InferenceError: it does not; it was stopped.
        """
        self._current.ping()

    def run(self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Report:
        """Run one case and return its report; a fault of the second device costs it its place, and the case nothing.

        A case that is repeated on another rung tells its progress and its signs again.

        Raises:
            EdgeError: as ``InferenceChild.run``, from a CPU rung.
        """

        def ask(child: InferenceChild) -> Report:
            return child.run(case, on_progress=on_progress, on_field=on_field)

        earned = self._open_earned()
        if earned is None:
            return self._run_on_cpu(case, ask)
        try:
            report = ask(earned.child)
        except EdgeError as exc:
            return self._repeat(exc, earned, case, ask)
        _end_work(earned)
        return report

    def stop(self) -> None:
        """End every child. Safe to call twice, and from another thread."""
        for child in self._children():
            child.stop()

    def _open_earned(self) -> Earned | None:
        """Load the second device where it may run; None where it may not, or did not come up."""
        earned = self._earned
        if earned is None or not self._may_work(earned):
            return None
        try:
            self._use(earned.child).start()
        except InferenceError as exc:
            if self._is_stopping():
                _end_work(earned)
                raise
            self._revoke(earned, str(exc))
            return None
        except UpdateError as exc:
            _end_work(earned)
            self._use(self._rungs[0]).start()  # refuses it too where the bundle is to blame
            self._revoke(earned, str(exc))
            return None
        now = earned.key.model_copy(update={"device": earned.child.device})
        held = earned.verdicts.read()
        if held is not None and (changed := held.key.changed_to(now, is_loaded=True)):
            self._leave(earned, f"its verdict does not hold any more: {changed}")
            return None
        return earned

    def _may_work(self, earned: Earned) -> bool:
        """Look at the verdict as it lies there now, and count the work that begins."""
        reason = why_not(earned.verdicts.read(), earned.name, earned.key)
        if not reason:
            try:
                earned.verdicts.begin_work()
            except StoreError as exc:  # a fault could not be written down either
                reason = str(exc)
        if reason:
            self._leave(earned, reason)
        return not reason

    def _repeat(self, error: EdgeError, earned: Earned, case: Case, ask: Ask) -> Report:
        """Say who is to blame for a failed case: the device at once where its child was lost, else who fails alone."""
        if self._is_stopping() or not isinstance(error, InferenceError):
            _end_work(earned)
            raise error
        if earned.child.state is State.STOPPED:  # crashed, was killed or hung
            self._revoke(earned, str(error))
            return self._run_on_cpu(case, ask)
        try:
            report = self._run_on_cpu(case, ask)
        except EdgeError:
            _end_work(earned)  # the CPU cannot do it either: the case is to blame
            raise
        self._revoke(earned, f"it failed where the CPU does not: {error}")
        return report

    def _run_on_cpu(self, case: Case, ask: Ask) -> Report:
        case_id, count = self._stumbles
        place = count // TRIES if case_id == case.case_id else 0
        child = self._use(self._rungs[min(place, len(self._rungs) - 1)])
        try:
            return ask(child)
        except (StartError, ContractError):  # says nothing about the rung, or the same on every one
            raise
        except InferenceError as exc:
            if not self._is_stopping():
                self._stumble(case.case_id, place, str(exc))
            raise

    def _stumble(self, case_id: str, place: int, why: str) -> None:
        count = self._stumbles[1] + 1 if self._stumbles[0] == case_id else 1
        self._stumbles = (case_id, count)
        after = count // TRIES
        if place < after < len(self._rungs):
            self._on_step(self._rungs[place].rung, self._rungs[after].rung, why)

    def _use(self, wanted: InferenceChild) -> InferenceChild:
        """Stop the other rungs' children: a device holds one engine at a time."""
        for child in self._children():
            if child is not wanted:
                child.stop()
        self._current = wanted
        return wanted

    def _children(self) -> list[InferenceChild]:
        return [*self._rungs, *([] if self._earned is None else [self._earned.child])]

    def _revoke(self, earned: Earned, reason: str) -> None:
        with suppress(StoreError):  # out for this process all the same; what was begun stays counted on the disk
            earned.verdicts.revoke(reason)
        self._leave(earned, f"revoked: {reason}")

    def _leave(self, earned: Earned, why: str) -> None:
        """Go on without the second device until this process starts again."""
        earned.child.stop()
        self._earned = None
        self._on_step(earned.name, self._rungs[0].rung, why)


def _end_work(earned: Earned) -> None:
    with suppress(StoreError):  # it stays counted as unfinished, which is the safe side
        earned.verdicts.end_work()
