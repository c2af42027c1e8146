"""Judge a live camera from what its child says and when: states, faults, and when to kill it and start it again.

Pure: told the time with every call, starts nothing and kills nothing. ``capture.live`` does what it answers.

Every number here is an assumption that no camera of the field has confirmed yet; together they keep each fault's
detection within five seconds (docs/camera.md lists them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from edge_agent.capture.live_source import CameraSettings
from edge_agent.capture.live_states import REOPENED_FAULTS, Event, Fault, State, step
from edge_agent.capture.live_wire import CANNOT_OPEN, NO_PICTURE, Beat

LOADING_S: Final = 30.0  # Python and OpenCV on the slowest, busiest computer of the classes
SILENCE_S: Final = 3.6  # at the idle pace two pictures are missing, and a busy computer has two seconds more
# At the idle pace three looks. A sensor's noise changes the last bits of every picture; a stuck driver repeats all of them.
FROZEN_S: Final = 2.2
BAD_LIGHT_S: Final = 2.0  # a hand over the lens, or exposure that still settles, is no fault
DARK_SHARE: Final = 0.98
BRIGHT_SHARE: Final = 0.90
MAX_RESTARTS: Final = 5
RESTART_WINDOW_S: Final = 60.0
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 8.0
DEGRADED_INTERVAL_S: Final = 30.0
ABSENT_INTERVAL_S: Final = 0.5  # looking whether a path exists costs nothing


class Action(StrEnum):
    """Name what the supervisor has to do now."""

    NONE = "none"
    SPAWN = "spawn"
    KILL = "kill"


@dataclass(slots=True)
class _Signs:
    """Hold since when a sign lasts without a break; None while it does not."""

    black_s: float | None = None
    bright_s: float | None = None
    same_s: float | None = None
    last_measured_s: float | None = None


@dataclass(slots=True)
class _Child:
    """Hold what is known of the present child; ``deadline_s``: when its silence becomes a fault."""

    deadline_s: float
    signs: _Signs = field(default_factory=_Signs)
    must_end: bool = False
    is_moving: bool = False


class CameraWatch:
    """Follow one camera from start to stop.

    Args:
        settings: what the camera must be.
    """

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._child: _Child | None = None
        self._restarts_s: list[float] = []
        self._next_spawn_s = 0.0
        self.state = State.OFF
        self.fault: Fault | None = None
        self.changed_s = 0.0
        self.restarts = 0

    def start(self, now_s: float) -> None:
        """Begin: the next ``tick`` asks for a child."""
        self._restarts_s, self._next_spawn_s = [], now_s
        self._move(Event.START, None, now_s)

    def stop(self, now_s: float) -> None:
        """End; allowed in every state."""
        self._child = None
        self._move(Event.STOP, None, now_s)

    def spawned(self, now_s: float) -> None:
        """Note that a child was started."""
        self._child = _Child(deadline_s=now_s + LOADING_S)

    def opening(self, now_s: float) -> None:
        """Note that the child has loaded and opens the camera now."""
        if self._child is not None:
            self._child.deadline_s = now_s + self._settings.open_timeout_s

    def opened(self, now_s: float, name: str) -> None:
        """Note which camera was opened."""
        if self._child is None:
            return
        self._child.deadline_s = now_s + SILENCE_S
        wanted = self._settings.expected_name
        if wanted is not None and wanted.casefold() not in name.casefold():
            self._fail(Fault.WRONG_DEVICE, now_s)

    def beat(self, now_s: float, beat: Beat) -> None:
        """Judge one picture. ``now_s`` is when the message came."""
        child = self._child
        if child is None or child.must_end:
            return
        child.deadline_s = now_s + SILENCE_S
        fault = self._size_fault(beat) or self._measured_fault(child, beat, now_s)
        if fault is not None:
            self._fail(fault, now_s)
        elif child.is_moving and child.signs.black_s is None and child.signs.bright_s is None:
            self._move(Event.SEEN, None, now_s)

    def lost(self, now_s: float, *, code: int | None, is_present: bool) -> None:
        """Note that the child has ended, and choose when the next one starts.

        Args:
            now_s: the time.
            code: its exit status; None when it could not be started.
            is_present: the source still exists.
        """
        child, self._child = self._child, None
        if self.state is State.OFF:
            return
        if child is None or not child.must_end:
            is_unplugged = code in {CANNOT_OPEN, NO_PICTURE} or not is_present
            self._set_fault(Fault.UNPLUGGED if is_unplugged else Fault.BLOCKED, now_s)
        self.restarts += 1
        self._restarts_s = [at for at in self._restarts_s if now_s - at < RESTART_WINDOW_S] + [now_s]
        if len(self._restarts_s) >= MAX_RESTARTS and self.state is State.FAULTED:
            self._move(Event.GIVE_UP, self.fault, now_s)
        backoff_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** (len(self._restarts_s) - 1))
        if not is_present:
            backoff_s = ABSENT_INTERVAL_S
        elif self.state is State.DEGRADED:
            backoff_s = DEGRADED_INTERVAL_S
        self._next_spawn_s = now_s + backoff_s

    def tick(self, now_s: float, *, is_present: bool) -> Action:
        """Say what to do now; called several times a second.

        Args:
            now_s: the time.
            is_present: the source exists; asked for only while there is no child.
        """
        if self.state is State.OFF:
            return Action.NONE
        if self._child is None:
            return self._tick_without_child(now_s, is_present=is_present)
        if not self._child.must_end and now_s >= self._child.deadline_s:
            self._fail(Fault.BLOCKED, now_s)
            self._child.must_end = True
        return Action.KILL if self._child.must_end else Action.NONE

    def _tick_without_child(self, now_s: float, *, is_present: bool) -> Action:
        if now_s < self._next_spawn_s:
            return Action.NONE
        if is_present:
            return Action.SPAWN
        self._set_fault(Fault.UNPLUGGED, now_s)
        self._next_spawn_s = now_s + ABSENT_INTERVAL_S
        return Action.NONE

    def _size_fault(self, beat: Beat) -> Fault | None:
        wanted = (self._settings.width_px, self._settings.height_px)
        if self._settings.is_size_required and (beat.width, beat.height) != wanted:
            return Fault.WRONG_DEVICE
        return Fault.TOO_SMALL if min(beat.width, beat.height) < self._settings.min_edge_px else None

    def _measured_fault(self, child: _Child, beat: Beat, now_s: float) -> Fault | None:
        """Return the fault whose sign has lasted long enough; black repeats itself too, and is told first."""
        if beat.dark_share is None or beat.bright_share is None:
            return None
        signs, before_s = child.signs, child.signs.last_measured_s
        signs.last_measured_s = now_s
        signs.black_s = _since(signs.black_s, is_on=beat.dark_share >= DARK_SHARE, from_s=now_s)
        signs.bright_s = _since(signs.bright_s, is_on=beat.bright_share >= BRIGHT_SHARE, from_s=now_s)
        first_same_s = now_s if before_s is None else before_s
        signs.same_s = _since(signs.same_s, is_on=beat.is_same is True, from_s=first_same_s)
        child.is_moving = beat.is_same is False
        for since_s, lasting_s, fault in (
            (signs.black_s, BAD_LIGHT_S, Fault.BLACK),
            (signs.bright_s, BAD_LIGHT_S, Fault.OVEREXPOSED),
            (signs.same_s, FROZEN_S, Fault.FROZEN),
        ):
            if since_s is not None and now_s - since_s >= lasting_s:
                return fault
        return None

    def _fail(self, fault: Fault, now_s: float) -> None:
        self._set_fault(fault, now_s)
        if fault in REOPENED_FAULTS and self._child is not None:
            self._child.must_end = True

    def _set_fault(self, fault: Fault, now_s: float) -> None:
        self._move(Event.FAULT, fault, now_s)

    def _move(self, event: Event, fault: Fault | None, now_s: float) -> None:
        state = step(self.state, event)
        if (state, fault) != (self.state, self.fault):
            self.changed_s = now_s
        self.state, self.fault = state, fault


def _since(since_s: float | None, *, is_on: bool, from_s: float) -> float | None:
    """Return since when a sign lasts: as before, from now, or not at all."""
    if not is_on:
        return None
    return from_s if since_s is None else since_s
