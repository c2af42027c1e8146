"""Estimate how long the rest of a sweep takes, from what its stages have taken so far."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calibration.sweep.stages import Kind, Stage

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Remaining:
    """Seconds that are left; ``is_least``: some stage of the rest is of a kind that nobody has timed yet."""

    seconds: float
    is_least: bool

    def words(self) -> str:
        """Return it for a person."""
        if self.seconds < 1:
            return "time left not known yet" if self.is_least else "almost done"
        minutes = self.seconds / 60
        amount = (
            f"{self.seconds:.0f} s"
            if minutes < 2
            else f"{minutes:.0f} min"
            if minutes < 120
            else f"{minutes / 60:.1f} h"
        )
        return f"{'at least' if self.is_least else 'about'} {amount} left"


class Forecast:
    """The stages that are still to run, and what one of each kind takes.

    Args:
        stages: those that are not finished, in order.
        known: seconds by kind from earlier runs.
        clock: monotonic seconds.
    """

    def __init__(self, stages: Sequence[Stage], *, known: dict[Kind, list[float]], clock: Clock) -> None:
        self._left = list(stages)
        self._known = {kind: list(seconds) for kind, seconds in known.items()}
        self._clock = clock
        self._since = 0.0
        self._pace: tuple[float, str, int] | None = None
        self._current: float | None = None

    def begin(self) -> None:
        """Start the clock of the next stage."""
        self._since, self._pace, self._current = self._clock(), None, None

    def at(self, step: str, done: int, total: int) -> None:
        """Take the pace of a step that counts."""
        now = self._clock()
        if self._pace is None or self._pace[1] != step:
            self._pace, self._current = (now, step, done), None
        started, _, first = self._pace
        if done > first:
            self._current = now + (now - started) / (done - first) * (total - done)

    def end(self, stage: Stage, *, is_timed: bool) -> None:
        """Strike a stage from the list; a failed one tells nothing about the time of others."""
        if is_timed:
            self._known.setdefault(stage.kind, []).append(self._clock() - self._since)
        self._left = [one for one in self._left if one != stage]

    def remaining(self, current: Stage | None) -> Remaining:
        """Return what is left, the running stage included."""
        total, is_least = 0.0, False
        for stage in self._left:
            seconds = self._known.get(stage.kind)
            expected = statistics.median(seconds) if seconds else None
            left = self._left_of_current(expected) if stage == current else expected
            is_least |= left is None
            total += left or 0.0
        return Remaining(total, is_least)

    def _left_of_current(self, expected: float | None) -> float | None:
        now = self._clock()
        by_pace = None if self._current is None else max(0.0, self._current - now)
        by_kind = None if expected is None else max(0.0, expected - (now - self._since))
        known = [one for one in (by_pace, by_kind) if one is not None]
        return max(known) if known else None
