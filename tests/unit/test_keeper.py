"""Each part is restarted alone, and a hung one is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import structlog

from edge_agent.errors import CameraError
from edge_agent.supervision.keeper import Keeper, Pulse
from edge_agent.supervision.parts import ServicePart
from edge_agent.supervision.restarts import RestartPolicy

QUICK = RestartPolicy(first_s=0.001, most_s=0.001, slow_s=0.001)
PATIENCE_S = 30.0


class Part:
    """A part whose every life is one call of ``live``."""

    name = "camera"

    def __init__(self, live: Callable[[int, Pulse], None]) -> None:
        self._live = live
        self.lives = 0

    def run(self, pulse: Pulse) -> None:
        """Live once."""
        self.lives += 1
        self._live(self.lives, pulse)


def _kept(part: Any, stop: threading.Event, *, clock: Callable[[], float] | None = None) -> tuple[Keeper, list[Any]]:
    lines: list[Any] = []

    def record(_logger: Any, _method: str, event: Any) -> Any:
        lines.append(dict(event))
        raise structlog.DropEvent

    log = structlog.wrap_logger(None, processors=[record])
    more = {} if clock is None else {"clock": clock}
    return Keeper(part, stop=stop, log=log, on_end=lambda: None, policy=QUICK, **more), lines


def test_a_part_that_raises_or_returns_is_started_again() -> None:
    """An error of ours, a mistake and a plain end are all losses; the reason of each is logged."""
    stop = threading.Event()

    def live(life: int, _pulse: Pulse) -> None:
        if life == 1:
            raise CameraError("unplugged; plug it in")
        if life == 2:
            raise ValueError("Zhang San, allergic to penicillin")
        if life == 4:
            stop.set()

    keeper, lines = _kept(Part(live), stop)
    keeper.thread.start()
    keeper.thread.join(PATIENCE_S)
    faults = [line["fault"] for line in lines if line["event"] == "part.lost"]
    assert faults[0] == "unplugged; plug it in"
    assert "ValueError" in faults[1]
    assert "Zhang" not in str(lines)
    assert faults[2] == "it ended by itself"


def test_a_part_that_breaks_its_promise_does_not_answer() -> None:
    """The watchdog is fed only while it keeps it."""
    stop, is_in, now = threading.Event(), threading.Event(), [0.0]

    def live(_life: int, pulse: Pulse) -> None:
        pulse.promise(10.0)
        is_in.set()
        stop.wait(PATIENCE_S)

    keeper, _ = _kept(Part(live), stop, clock=lambda: now[0])
    keeper.thread.start()
    assert is_in.wait(PATIENCE_S)
    now[0] = 9.9
    assert keeper.is_answering
    now[0] = 10.1
    assert not keeper.is_answering
    stop.set()
    keeper.thread.join(PATIENCE_S)


def test_a_service_with_a_fault_is_stopped_and_started() -> None:
    """What it says is the reason; the old one is stopped before the next start."""
    stop, did = threading.Event(), []

    class Service:
        def start(self) -> None:
            did.append("start")

        def stop(self) -> None:
            did.append("stop")
            if len(did) == 4:
                stop.set()

        def fault(self) -> str | None:
            return "the web server ended"

    keeper, lines = _kept(ServicePart("web", Service()), stop)
    keeper.thread.start()
    keeper.thread.join(PATIENCE_S)
    assert did == ["start", "stop", "start", "stop"]
    assert lines[0]["fault"] == "the web server ended"
