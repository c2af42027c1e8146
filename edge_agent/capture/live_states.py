"""The states of the live camera, its faults, and what leads from one state to the next."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Name what the camera is to the worker; ids of the vocabulary list ``camera_state``."""

    OFF = "off"
    STARTING = "starting"
    LIVE = "live"
    FAULTED = "faulted"
    DEGRADED = "degraded"  # restarted too often; still tried, less often


class Fault(StrEnum):
    """Name what is wrong; ids of the vocabulary list ``camera_fault``, which has the sentence to the worker."""

    UNPLUGGED = "unplugged"
    FROZEN = "frozen"
    BLACK = "black"
    OVEREXPOSED = "overexposed"
    WRONG_DEVICE = "wrong_device"
    BLOCKED = "blocked"
    TOO_SMALL = "too_small"


class Event(StrEnum):
    """Name what happens to the camera."""

    START = "start"
    SEEN = "seen"  # a sound picture that differs from the one before it
    FAULT = "fault"
    GIVE_UP = "give_up"  # too many restarts in a short time
    STOP = "stop"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.OFF, Event.START): State.STARTING,
    (State.OFF, Event.STOP): State.OFF,
    (State.STARTING, Event.SEEN): State.LIVE,
    (State.STARTING, Event.FAULT): State.FAULTED,
    (State.STARTING, Event.STOP): State.OFF,
    (State.LIVE, Event.SEEN): State.LIVE,
    (State.LIVE, Event.FAULT): State.FAULTED,
    (State.LIVE, Event.STOP): State.OFF,
    (State.FAULTED, Event.SEEN): State.LIVE,
    (State.FAULTED, Event.FAULT): State.FAULTED,
    (State.FAULTED, Event.GIVE_UP): State.DEGRADED,
    (State.FAULTED, Event.STOP): State.OFF,
    (State.DEGRADED, Event.SEEN): State.LIVE,
    (State.DEGRADED, Event.FAULT): State.DEGRADED,
    (State.DEGRADED, Event.GIVE_UP): State.DEGRADED,
    (State.DEGRADED, Event.STOP): State.OFF,
}

# Pictures with these faults are true pictures of now: they are shown, so that the worker sees the lens cap or the lamp.
SHOWN_FAULTS: Final = frozenset({Fault.BLACK, Fault.OVEREXPOSED})
# What opening the camera again may mend; a dark room is not among it.
REOPENED_FAULTS: Final = frozenset({Fault.FROZEN, Fault.WRONG_DEVICE, Fault.TOO_SMALL})


def step(state: State, event: Event) -> State:
    """Return the next state. Has no side effect.

    Raises:
        RuntimeError: the event cannot happen in this state: a programmer's mistake.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise RuntimeError(f"{event} cannot happen while the camera is {state}") from None
