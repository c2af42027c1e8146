"""While nobody looks few pictures are read, and still every fault of the camera is told within five seconds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import pytest

from edge_agent.capture.live_readers import Pace
from edge_agent.capture.live_source import IDLE_FPS, CameraSettings
from edge_agent.capture.live_states import Fault, State
from edge_agent.capture.live_watch import SILENCE_S, CameraWatch
from edge_agent.capture.live_wire import Beat

TOLD_WITHIN_S = 5.0


def _looks(fps: float) -> Iterator[float]:
    """Give the seconds at which an idle reader takes a picture of a camera that gives so many a second."""
    now = [0.0]
    pace = Pace(IDLE_FPS, clock=lambda: now[0])
    number = 0
    while True:
        now[0] = number / fps
        number += 1
        if pace.is_due():
            yield now[0]


@pytest.mark.parametrize("fps", [2, 5, 10, 15, 25, 30, 60])
@pytest.mark.parametrize(
    ("fault", "sign"),
    [
        (Fault.FROZEN, {"is_same": True, "dark_share": 0.0, "bright_share": 0.0}),
        (Fault.BLACK, {"is_same": False, "dark_share": 1.0, "bright_share": 0.0}),
        (Fault.OVEREXPOSED, {"is_same": False, "dark_share": 0.0, "bright_share": 1.0}),
    ],
)
def test_the_slow_pace_tells_every_sign_in_time(fps: float, fault: Fault, sign: dict[str, Any]) -> None:
    """Worst case: it begins right after a look, and the first frozen picture still differs from the one before."""
    watch = CameraWatch(CameraSettings("/dev/video0"))
    watch.start(0.0)
    watch.spawned(0.0)
    watch.opened(0.0, "USB camera")
    looks = list(islice(_looks(fps), 12))
    sound: dict[str, Any] = {"is_same": False, "dark_share": 0.0, "bright_share": 0.0}
    for number, at_s in enumerate(looks[:4], start=1):
        watch.beat(at_s, Beat(number, 1280, 720, 0.0, **sound))
    assert watch.state is State.LIVE
    began_s = looks[3]
    for number, at_s in enumerate(looks[4:], start=5):
        seen = sign if fault is not Fault.FROZEN or number > 5 else sound
        watch.beat(at_s, Beat(number, 1280, 720, 0.0, **seen))
        if watch.fault is fault:
            assert at_s - began_s < TOLD_WITHIN_S
            return
    pytest.fail("never told")


@pytest.mark.parametrize("fps", [2, 5, 10, 15, 25, 30, 60])
def test_the_slow_pace_is_slow_and_no_silence(fps: float) -> None:
    """At most 0.9 pictures a second are decoded, and one that comes two seconds late is not taken for a hanging driver."""
    looks = list(islice(_looks(fps), 12))
    gaps = [after - before for before, after in pairwise(looks)]
    assert min(gaps) >= 1.1
    assert max(gaps) + 2.0 < SILENCE_S
