"""Stand between the cases and the engine's child: count what is lost, and leave it alone for a while when that is often.

The child starts again by itself with the next case (``InferenceChild``); here is decided that it may.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import OnField
from edge_agent.errors import EdgeError, InferenceError, UpdateError
from edge_agent.inference_child import OnProgress, StartError, State
from edge_agent.supervision.keeper import Monotonic, describe
from edge_agent.supervision.restarts import PartHistory, PartState, RestartPolicy, lost, settled, started

Report = dict[str, Any]
Log = structlog.typing.FilteringBoundLogger


class Engine(Protocol):
    """The engine's child, or the ladder of them."""

    @property
    def state(self) -> State:
        """Return what it is doing."""
        ...

    def start(self) -> None:
        """Load the engine where it is not loaded."""
        ...

    def ping(self) -> None:
        """Find out whether it answers."""
        ...

    def run(self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Report:
        """Run one case."""
        ...


class EngineGuard:
    """Run cases on the engine while it may be started; the ``Runner`` that the daemon gives to ``CaseWork``.

    Used by one thread; ``history`` may be read by others.

    Args:
        engine: whom it guards.
        is_stopping: says whether the daemon ends; what is lost then is nobody's fault.
        log: told of every loss.
        policy: how patient it is.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        is_stopping: Callable[[], bool],
        log: Log,
        policy: RestartPolicy | None = None,
        clock: Monotonic = time.monotonic,
    ) -> None:
        self._engine = engine
        self._is_stopping = is_stopping
        self._log = log
        self._policy = policy or RestartPolicy()
        self._clock = clock
        self._history = PartHistory()

    @property
    def history(self) -> PartHistory:
        """Return what is remembered of the engine, as of now."""
        return settled(self._history, self._clock(), policy=self._policy)

    def status(self) -> dict[str, Any]:
        """Return the engine's state for people and machines, ready for JSON."""
        return describe(self.history, self._clock())

    def run(self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Report:
        """Run one case.

        Raises:
            StartError: the engine was lost too often and rests; the case waits.
            EdgeError: as the engine's own ``run``.
        """
        self._open()
        try:
            return self._engine.run(case, on_progress=on_progress, on_field=on_field)
        except EdgeError as exc:
            self._judge(exc)
            raise

    def look(self) -> None:
        """Start the engine where it is gone and may be started; else find out whether it answers.

        Raises:
            EdgeError: it does not start.
        """
        if self._history.rest_s(self._clock()) > 0:
            return
        self._open()
        if self._engine.state is not State.STOPPED:
            try:
                self._engine.ping()
            except EdgeError as exc:
                self._judge(exc)
                if self._history.is_degraded:
                    return
                self._open()
            else:
                return
        try:
            self._engine.start()
        except EdgeError as exc:
            self._judge(exc)
            raise
        self._log.info("engine.ready")

    def _open(self) -> None:
        rest_s = self._history.rest_s(self._clock())
        if rest_s > 0 and self._history.is_degraded:
            raise StartError(
                f"the engine was lost {self._policy.burst} times in a short time and is tried again in {rest_s:.0f} s;"
                " the case is stored and waits"
            )
        if self._history.state not in (PartState.RUNNING, PartState.ON_TRIAL):
            self._history = started(self._history, self._clock())

    def _judge(self, error: EdgeError) -> None:
        """Count a loss: the engine is gone, whether it crashed, hung, was killed or could not be loaded."""
        is_about_engine = isinstance(error, InferenceError | UpdateError)
        if self._is_stopping() or not is_about_engine or self._engine.state is not State.STOPPED:
            return
        now_s = self._clock()
        self._history = lost(self._history, now_s, fault=str(error), policy=self._policy)
        self._log.warning(
            "part.lost",
            part="inference",
            state=str(self._history.state),
            again_in_s=round(self._history.rest_s(now_s), 1),
            **error.diagnostics(),
        )
