"""Give the person who holds the camera one hint at a time, in words and an arrow, from the live frames.

One hint, the one that helps most: light before sharpness before framing. Pure: remembers nothing, so the kiosk decides
how long a hint stays. A hint refuses nothing; ``gate.judge`` does when the picture is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from edge_agent.capture.quality.gate import FAR_SHOTS, is_central, remarks
from edge_agent.capture.quality.limits import Limits, released_limits
from edge_agent.capture.quality.measures import Measures, measure
from edge_agent.capture.quality.working import reduced
from edge_agent.contracts.case import Frame

Arrow = Literal[
    "closer", "farther", "left", "right", "up", "down", "hold_still", "more_light", "less_light", "tilt", "wipe"
]
HINTS: dict[str, Arrow | None] = {
    "ready": None,
    "no_picture": None,
    "more_light": "more_light",
    "less_light": "less_light",
    "clear_the_lens": "wipe",
    "show_the_skin": None,
    "hold_still": "hold_still",
    "wait_for_focus": "farther",
    "tilt_away_from_light": "tilt",
    "change_the_lamp": None,
    "move_closer": "closer",
    "move_away": "farther",
    "move_left": "left",
    "move_right": "right",
    "move_up": "up",
    "move_down": "down",
}
_OF_REASON = {
    "too_dark": "more_light",
    "too_bright": "less_light",
    "obstructed": "clear_the_lens",
    "not_skin": "show_the_skin",
    "blur_motion": "hold_still",
    "blur_focus": "wait_for_focus",
    "glare": "tilt_away_from_light",
    "too_near": "move_away",
    "too_far": "move_closer",
    "colour_cast": "change_the_lamp",
}
_ORDER = tuple(_OF_REASON)
_MOVED_EDGE_PX = 80
_MOVED_LEVELS = 14.0  # mean difference of two frames that a moving hand gives; noise stays below 4
_OFF_MIDDLE = 0.45  # of the way to the edge: nearer is framed well enough
_LEAST_SHARE = 0.004  # of the picture: less is no target to move to


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint: ``id`` of the list ``coach_hint``, which holds its words, and the arrow drawn beside it, if any."""

    id: str
    arrow: Arrow | None


def coach(frames: Sequence[Frame], *, shot: str | None = None, limits: Limits | None = None) -> Hint:
    """Say what to do next with the camera.

    Args:
        frames: uint8[H, W, 3], BGR, oldest first; the last one is measured, the one before it shows movement.
        shot: an id of the list ``shot``; None when nobody said.
        limits: None for those of this release.

    Returns:
        ``ready`` when there is nothing to mend. Arrows say where to move the camera, as it sees the picture.
    """
    if not frames:
        return _hint("no_picture")
    own = released_limits() if limits is None else limits
    measures = measure(frames[-1])
    is_moving = len(frames) > 1 and _moved(frames[-2], frames[-1])
    return _hint(next(_wanted(measures, shot=shot, limits=own, is_moving=is_moving), "ready"))


def _wanted(measures: Measures, *, shot: str | None, limits: Limits, is_moving: bool) -> Iterator[str]:
    """Yield hints, the most helpful first."""
    found = dict(remarks(measures, shot=shot, limits=limits))
    heavy = [reason for reason in _ORDER if found.get(reason) == 2]
    if is_moving and not {"too_dark", "too_bright", "obstructed"} & set(heavy):
        yield "hold_still"
    yield from (_OF_REASON[reason] for reason in heavy)
    yield from (_OF_REASON[reason] for reason in ("too_dark", "too_bright", "too_near") if reason in found)
    if shot not in FAR_SHOTS:
        yield from _aim(measures, is_cut="lesion_cut_off" in found)
    yield from (_OF_REASON[reason] for reason in _ORDER if reason in found)


def _aim(measures: Measures, *, is_cut: bool) -> Iterator[str]:
    """Move the camera towards what stands out; where it is cut off on both sides, away from it."""
    found = measures.framing
    if found.share < _LEAST_SHARE or (is_central(measures) and not is_cut):
        return
    if abs(found.x) < _OFF_MIDDLE and abs(found.y) < _OFF_MIDDLE:
        if is_cut:
            yield "move_away"
        return
    if abs(found.x) >= abs(found.y):
        yield "move_right" if found.x > 0 else "move_left"
    else:
        yield "move_down" if found.y > 0 else "move_up"


def _moved(before: Frame, now: Frame) -> bool:
    """Say whether the scene moved between two frames, brightness taken out: a lamp that flickers is no movement."""
    if before.shape != now.shape:
        return False
    planes = [
        np.asarray(cv2.cvtColor(reduced(_thinned(frame), _MOVED_EDGE_PX), cv2.COLOR_BGR2GRAY), np.float32)
        for frame in (before, now)
    ]
    first, second = (plane - float(plane.mean()) for plane in planes)
    return float(np.abs(first - second).mean()) > _MOVED_LEVELS


def _thinned(frame: Frame) -> Frame:
    """Leave pixels out before reducing: where something is, not how it looks, is asked."""
    step = max(1, min(frame.shape[:2]) // (2 * _MOVED_EDGE_PX))
    return np.ascontiguousarray(frame[::step, ::step])


def _hint(hint_id: str) -> Hint:
    return Hint(hint_id, HINTS[hint_id])
