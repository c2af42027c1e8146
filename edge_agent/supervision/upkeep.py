"""The part ``upkeep``: what must be done now and then so that the device keeps its promises.

Each minute it measures the room and clears what may be cleared; each hour it finishes cut-off hand-overs and deletes what
policy says is due. Every deed can be done twice. Does not decide what
is due: store, policy and consultation do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.errors import EdgeError
from edge_agent.store.space import Allowance, Stage
from edge_agent.supervision.keeper import Pulse

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
PATIENCE_S: Final = 600.0  # a day's deletions empty the log and go through every backup
_FAULTS: Final = {Stage.LOW: "disk_low", Stage.TIGHT: "disk_tight", Stage.FULL: "disk_full"}
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
        look_at_room: clears what may be cleared and returns what is allowed then.
        log: never told patient data.
        clock: seconds, monotonic.
    """

    name = "upkeep"

    def __init__(
        self,
        chores: Sequence[Chore],
        *,
        look_at_room: Callable[[], Allowance],
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chores = (Chore("room", MINUTE_S, self._look), *chores)
        self._look_at_room = look_at_room
        self._log = log
        self._clock = clock
        self._due = dict.fromkeys((chore.name for chore in self._chores), clock())
        self.allowance: Allowance | None = None

    def faults(self) -> tuple[str, ...]:
        """Return the id of the room's fault, for the banner on every page; () while there is room."""
        now = self.allowance
        return () if now is None or now.stage not in _FAULTS else (_FAULTS[now.stage],)

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

    def _look(self) -> None:
        self.allowance = self._look_at_room()
