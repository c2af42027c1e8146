"""The part ``upkeep``: what must be done now and then so that the device keeps its promises.

Each minute the room is measured and what may be cleared is cleared; each hour cut-off hand-overs are finished and what
policy says is due is deleted. Every deed can be done twice. Does not decide what is due: store, policy and consultation do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.errors import EdgeError
from edge_agent.supervision.keeper import Pulse

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
PATIENCE_S: Final = 600.0  # a day's deletions empty the log and go through every backup
Log = structlog.typing.FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do again and again: its id for the log, every how many seconds, and the deed."""

    name: str
    every_s: float
    do: Callable[[], object]


class Upkeep:
    """Do the chores in turn; a chore that fails is told and tried again when it is due next.

    Args:
        chores: in the order of doing at the start.
        log: never told patient data.
        clock: seconds, monotonic.
    """

    name = "upkeep"

    def __init__(
        self,
        chores: Sequence[Chore],
        *,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chores = tuple(chores)
        self._log = log
        self._clock = clock
        self._due = dict.fromkeys((chore.name for chore in self._chores), clock())

    def run(self, pulse: Pulse) -> None:
        """Do what is due until the daemon ends."""
        while not pulse.stop.is_set():
            pulse.promise(PATIENCE_S)
            self.step()
            pulse.promise(MINUTE_S + PATIENCE_S)
            pulse.wait(max(1.0, min(self._due.values()) - self._clock()))

    def step(self) -> None:
        """Do every chore that is due now."""
        for chore in self._chores:
            if self._due[chore.name] > self._clock():
                continue
            try:
                chore.do()
            except EdgeError as exc:
                self._log.warning("upkeep.failed", chore=chore.name, **exc.diagnostics())
            self._due[chore.name] = self._clock() + chore.every_s
