"""The guard: an engine that is lost too often rests; cases wait meanwhile without counting attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import structlog

from edge_agent.casework import OnProgress
from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import OnField
from edge_agent.errors import CaseError, EdgeError, InferenceError
from edge_agent.inference_child import StartError, State
from edge_agent.supervision.engine_guard import EngineGuard
from edge_agent.supervision.restarts import PartState, RestartPolicy
from tests.simulators.cases import case


class Engine:
    """An engine that is lost in every case while ``error`` is set."""

    def __init__(self) -> None:
        self.state = State.STOPPED
        self.error: EdgeError | None = None
        self.is_lost = True
        self.starts = self.pings = 0

    def start(self) -> None:
        """Load."""
        self.starts += 1
        self._fail()
        self.state = State.IDLE

    def ping(self) -> None:
        """Answer."""
        self.pings += 1
        self._fail()

    def run(
        self,
        case: Case,
        *,
        on_progress: OnProgress | None = None,  # noqa: ARG002
        on_field: OnField | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Run a case."""
        self._fail()
        self.state = State.IDLE
        return {"case_id": case.case_id}

    def _fail(self) -> None:
        if self.error is not None:
            self.state = State.STOPPED if self.is_lost else State.IDLE
            raise self.error


def _guard(engine: Engine, clock: Callable[[], float], *, is_stopping: bool = False) -> EngineGuard:
    def drop(_logger: Any, _method: str, _event: Any) -> Any:
        raise structlog.DropEvent

    log = structlog.wrap_logger(None, processors=[drop])
    return EngineGuard(engine, is_stopping=lambda: is_stopping, log=log, policy=RestartPolicy(), clock=clock)


def _lose(guard: EngineGuard, engine: Engine, times: int) -> None:
    engine.error = InferenceError("the inference child ended")
    for _ in range(times):
        with pytest.raises(InferenceError, match="ended"):
            guard.run(case())


def test_after_five_losses_the_engine_rests_and_is_tried_again() -> None:
    """The sixth case is not given to it; a minute later one is, and a success is on trial."""
    now = [0.0]
    engine = Engine()
    guard = _guard(engine, lambda: now[0])
    _lose(guard, engine, 5)
    with pytest.raises(StartError, match="stored and waits"):
        guard.run(case())
    now[0] = 60.0
    engine.error = None
    assert guard.run(case())["case_id"]
    assert guard.history.state is PartState.ON_TRIAL


def test_an_error_about_the_case_is_no_loss() -> None:
    """The child goes on: nothing is counted."""
    engine = Engine()
    guard = _guard(engine, lambda: 0.0)
    engine.error, engine.is_lost = CaseError("this case does not fit"), False
    for _ in range(9):
        with pytest.raises(CaseError):
            guard.run(case())
    assert guard.history.restarts == 0


def test_what_is_lost_while_the_daemon_stops_is_nobodys_fault() -> None:
    """Stopping ends the child; that is no crash."""
    engine = Engine()
    guard = _guard(engine, lambda: 0.0, is_stopping=True)
    _lose(guard, engine, 9)
    assert guard.history.restarts == 0


def test_an_idle_engine_is_asked_and_a_lost_one_started() -> None:
    """Between cases: a ping where it is up, a start where it is gone."""
    engine = Engine()
    guard = _guard(engine, lambda: 0.0)
    guard.look()
    guard.look()
    assert (engine.starts, engine.pings) == (1, 1)


def test_a_resting_engine_is_left_alone() -> None:
    """Nothing starts it while it rests, not even the look between two cases."""
    engine = Engine()
    guard = _guard(engine, lambda: 0.0)
    _lose(guard, engine, 5)
    guard.look()
    assert engine.starts == 0
