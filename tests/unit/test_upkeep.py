"""What is done now and then: on time, in turn, and one failing chore never stops another."""

from __future__ import annotations

import threading

import structlog

from edge_agent.errors import StoreError
from edge_agent.supervision.keeper import Pulse
from edge_agent.supervision.upkeep import HOUR_S, MINUTE_S, Chore, Upkeep

DAY_S = 24 * HOUR_S


class Bench:
    """Upkeep over a clock that is moved by hand, and a list of what was done."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.done: list[str] = []
        self.log = structlog.testing.LogCapture()
        chores = (
            Chore("room", MINUTE_S, lambda: self.done.append("room")),
            Chore("hourly", HOUR_S, self._fail),
            Chore("daily", DAY_S, lambda: self.done.append("daily")),
        )
        self.upkeep = Upkeep(
            chores,
            log=structlog.wrap_logger(structlog.PrintLogger(), processors=[self.log]),
            clock=lambda: self.now_s,
        )

    def _fail(self) -> None:
        self.done.append("hourly")
        raise StoreError("the store is busy: try again")

    def after(self, seconds: float) -> list[str]:
        """Let time pass and return what was done then."""
        self.now_s += seconds
        self.done.clear()
        self.upkeep.step()
        return list(self.done)


def test_everything_is_done_at_the_start() -> None:
    """A device that is switched off every night still keeps its promises."""
    assert Bench().after(0) == ["room", "hourly", "daily"]


def test_each_chore_has_its_own_pace() -> None:
    """Every minute, hour and day, counted from when it was done last."""
    bench = Bench()
    bench.after(0)
    assert bench.after(MINUTE_S - 1) == []
    assert bench.after(1) == ["room"]
    assert bench.after(HOUR_S) == ["room", "hourly"]
    assert bench.after(DAY_S) == ["room", "hourly", "daily"]


def test_a_failing_chore_stops_no_other_and_is_told() -> None:
    """The failure stands in the log with the chore's id; the next one is done all the same."""
    bench = Bench()
    assert bench.after(0)[-1] == "daily"
    assert [(line["event"], line["chore"]) for line in bench.log.entries] == [("upkeep.failed", "hourly")]


def test_it_ends_with_the_daemon() -> None:
    """A set stop event ends the part without doing anything."""
    bench, stop = Bench(), threading.Event()
    stop.set()
    bench.upkeep.run(Pulse(stop))
    assert bench.done == []
