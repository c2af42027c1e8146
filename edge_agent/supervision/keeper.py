"""Keep one part of the daemon alive: run it in a thread of its own, start it again when it is lost, notice when it hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from edge_agent.errors import EdgeError
from edge_agent.supervision.restarts import (
    PartHistory,
    PartState,
    RestartPolicy,
    lost,
    settled,
    started,
    stopped,
)

FIRST_PROMISE_S: Final = 60.0
Log = structlog.typing.FilteringBoundLogger
Monotonic = Callable[[], float]


class Pulse:
    """Carry a part's promise to be heard of again: a part that breaks it hangs.

    Args:
        stop: set when the daemon ends.
        clock: monotonic seconds.
    """

    def __init__(self, stop: threading.Event, *, clock: Monotonic = time.monotonic) -> None:
        self._stop = stop
        self._clock = clock
        self._due_s = clock() + FIRST_PROMISE_S

    @property
    def stop(self) -> threading.Event:
        """Return the event that ends the daemon; for parts that wait on it themselves."""
        return self._stop

    @property
    def is_late(self) -> bool:
        """Say whether the part broke its promise."""
        return self._clock() > self._due_s

    def promise(self, within_s: float) -> None:
        """Say that the part lives, and that it says so again within so many seconds."""
        self._due_s = self._clock() + within_s

    def wait(self, timeout_s: float) -> bool:
        """Wait, with the promise kept meanwhile; return True early when the daemon ends."""
        self.promise(timeout_s + FIRST_PROMISE_S)
        return self._stop.wait(timeout_s)


class Part(Protocol):
    """Something that the daemon runs until it ends, alone in its thread."""

    @property
    def name(self) -> str:
        """Return the name by which status, log and metrics call it: one ASCII word."""
        ...

    def run(self, pulse: Pulse) -> None:
        """Work until ``pulse.stop`` is set. Returning or raising before is a loss; keep promising meanwhile."""
        ...


class Keeper:
    """Run a part and restart it alone.

    A thread cannot be killed: a part that hangs is only noticed (``is_answering``), and the service manager's watchdog
    then starts the whole daemon again.

    Args:
        part: what to run.
        stop: set when the daemon ends; wakes the keeper from a pause.
        log: told of every loss.
        on_end: called when the keeper itself has ended, however.
        policy: how patient it is.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        part: Part,
        *,
        stop: threading.Event,
        log: Log,
        on_end: Callable[[], None],
        policy: RestartPolicy | None = None,
        clock: Monotonic = time.monotonic,
    ) -> None:
        self.part = part
        self._stop = stop
        self._log = log
        self._on_end = on_end
        self._policy = policy or RestartPolicy()
        self._clock = clock
        self._history = PartHistory()
        self._pulse = Pulse(stop, clock=clock)
        self.thread = threading.Thread(target=self._keep, name=part.name)

    @property
    def history(self) -> PartHistory:
        """Return what is remembered of the part, as of now."""
        return settled(self._history, self._clock(), policy=self._policy)

    @property
    def is_answering(self) -> bool:
        """Say whether the part keeps its promises; one that is known to be lost and waits for its next try counts."""
        is_up = self._history.state in (PartState.RUNNING, PartState.ON_TRIAL)
        return not (is_up and self._pulse.is_late)

    def status(self) -> dict[str, Any]:
        """Return the part's state for people and machines, ready for JSON."""
        return describe(self.history, self._clock()) | {"is_answering": self.is_answering}

    def _keep(self) -> None:
        try:
            while not self._stop.is_set():
                self._pulse.promise(FIRST_PROMISE_S)
                self._history = started(self._history, self._clock())
                fault = self._live()
                if self._stop.is_set():
                    break
                self._lose(fault)
                self._stop.wait(self._history.rest_s(self._clock()))
            self._history = stopped(self._history, self._clock())
        finally:
            self._on_end()

    def _live(self) -> str:
        try:
            self.part.run(self._pulse)
        except EdgeError as exc:
            return str(exc)
        except Exception as exc:  # noqa: BLE001  (a mistake in one part must not end the others)
            self._log.exception("part.failed", part=self.part.name)
            return f"it failed ({type(exc).__name__}); report the daemon's log to its makers"
        return "it ended by itself"

    def _lose(self, fault: str) -> None:
        now_s = self._clock()
        self._history = lost(self._history, now_s, fault=fault, policy=self._policy)
        again_s = round(self._history.rest_s(now_s), 1)
        self._log.warning(
            "part.lost", part=self.part.name, state=str(self._history.state), fault=fault, again_in_s=again_s
        )


def describe(history: PartHistory, now_s: float) -> dict[str, Any]:
    """Return a history for people and machines, ready for JSON."""
    return {
        "state": str(history.state),
        "is_degraded": history.is_degraded,
        "restarts": history.restarts,
        "fault": history.fault if history.state is not PartState.RUNNING else "",
        "since_s": round(max(0.0, now_s - history.since_s), 1),
        "again_in_s": round(history.rest_s(now_s), 1),
    }
