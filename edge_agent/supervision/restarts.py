"""When a part of the daemon that was lost starts again: a pause that doubles, and slowly once it was lost too often.

    RUNNING -lost-> WAITING -start-> RUNNING          each pause doubles, from ``first_s`` to ``most_s``
    RUNNING -lost too often-> DEGRADED -start-> ON_TRIAL -steady-> RUNNING
                                  ^----------lost---------'

Pure: the clock is an argument, and what is done about a state is done by ``keeper`` and ``engine_guard``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class PartState(StrEnum):
    """Name how a part of the daemon fares."""

    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting"  # lost; starts again after a short pause
    DEGRADED = "degraded"  # lost too often; tried again slowly, and people are told
    ON_TRIAL = "on_trial"  # runs again after DEGRADED; people are told until it is steady


class PartEvent(StrEnum):
    """Name what happens to a part."""

    START = "start"
    LOST = "lost"
    LOST_OFTEN = "lost_often"
    STEADY = "steady"
    STOP = "stop"


TRANSITIONS: Final[Mapping[tuple[PartState, PartEvent], PartState]] = {
    (PartState.STOPPED, PartEvent.START): PartState.RUNNING,
    (PartState.RUNNING, PartEvent.LOST): PartState.WAITING,
    (PartState.RUNNING, PartEvent.LOST_OFTEN): PartState.DEGRADED,
    (PartState.RUNNING, PartEvent.STEADY): PartState.RUNNING,
    (PartState.WAITING, PartEvent.START): PartState.RUNNING,
    (PartState.DEGRADED, PartEvent.START): PartState.ON_TRIAL,
    (PartState.ON_TRIAL, PartEvent.LOST): PartState.DEGRADED,
    (PartState.ON_TRIAL, PartEvent.LOST_OFTEN): PartState.DEGRADED,
    (PartState.ON_TRIAL, PartEvent.STEADY): PartState.RUNNING,
    (PartState.STOPPED, PartEvent.STOP): PartState.STOPPED,
    (PartState.RUNNING, PartEvent.STOP): PartState.STOPPED,
    (PartState.WAITING, PartEvent.STOP): PartState.STOPPED,
    (PartState.DEGRADED, PartEvent.STOP): PartState.STOPPED,
    (PartState.ON_TRIAL, PartEvent.STOP): PartState.STOPPED,
}


def step(state: PartState, event: PartEvent) -> PartState:
    """Return the next state. Has no side effect.

    Raises:
        RuntimeError: the event cannot happen in this state: a programmer's mistake.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise RuntimeError(f"{event} cannot happen to a part that is {state}") from None


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Say how patient the daemon is with a part, in seconds.

    The ``burst``-th loss within ``window_s`` degrades a part; it is then tried every ``slow_s``. A part that ran
    ``steady_s`` without a loss is forgiven.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    burst: int = 5
    window_s: float = 60.0
    slow_s: float = 60.0
    steady_s: float = 60.0


@dataclass(frozen=True, slots=True)
class PartHistory:
    """Hold what is remembered of one part: its state, since when, recent losses, and when it may start again.

    Times are monotonic seconds. ``restarts`` counts every loss since the daemon started; ``fault`` is the last one's
    line, without patient data.
    """

    state: PartState = PartState.STOPPED
    since_s: float = 0.0
    losses_s: tuple[float, ...] = ()
    due_s: float = 0.0
    restarts: int = 0
    fault: str = ""

    @property
    def is_degraded(self) -> bool:
        """Say whether people must be told that this part does not work as it should."""
        return self.state in (PartState.DEGRADED, PartState.ON_TRIAL)

    def rest_s(self, now_s: float) -> float:
        """Return how long the part must not be started yet; 0 when it may."""
        is_resting = self.state in (PartState.WAITING, PartState.DEGRADED)
        return max(0.0, self.due_s - now_s) if is_resting else 0.0


def started(history: PartHistory, now_s: float) -> PartHistory:
    """Return the history of a part that was just started."""
    return replace(history, state=step(history.state, PartEvent.START), since_s=now_s)


def lost(history: PartHistory, now_s: float, *, fault: str, policy: RestartPolicy) -> PartHistory:
    """Return the history of a part that was just lost, with the moment at which it may start again.

    Args:
        history: of a part that runs.
        now_s: monotonic seconds.
        fault: one line, without patient data.
        policy: how patient the daemon is.
    """
    before = settled(history, now_s, policy=policy)
    losses = (*(one for one in before.losses_s if now_s - one < policy.window_s), now_s)[-policy.burst :]
    event = PartEvent.LOST_OFTEN if len(losses) >= policy.burst else PartEvent.LOST
    state = step(before.state, event)
    pause_s = min(policy.most_s, policy.first_s * 2.0 ** (len(losses) - 1))
    return PartHistory(
        state=state,
        since_s=now_s,
        losses_s=losses,
        due_s=now_s + (policy.slow_s if state is PartState.DEGRADED else pause_s),
        restarts=before.restarts + 1,
        fault=fault,
    )


def settled(history: PartHistory, now_s: float, *, policy: RestartPolicy) -> PartHistory:
    """Return the history, forgiven where the part has run long enough without a loss."""
    is_up = history.state in (PartState.RUNNING, PartState.ON_TRIAL)
    if not is_up or now_s - history.since_s < policy.steady_s:
        return history
    return replace(history, state=step(history.state, PartEvent.STEADY), losses_s=())


def stopped(history: PartHistory, now_s: float) -> PartHistory:
    """Return the history of a part that was stopped on purpose."""
    return replace(history, state=step(history.state, PartEvent.STOP), since_s=now_s)
