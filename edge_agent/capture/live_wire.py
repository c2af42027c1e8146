"""What the camera child and the supervisor tell each other, and where a picture lies in the memory that they share.

Messages are those of ``edge_agent.ipc``. The memory is an anonymous file (memfd): two places for pictures behind one
page of marks. The child writes a place, then its mark; who reads looks at the mark before and after copying, so that a
picture is never half of one and half of the next. x86 keeps the order of stores, and these kiosks are x86.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.live_source import CameraSettings
from edge_agent.capture.picture_size import MAX_EDGE_PX
from edge_agent.ipc import Message

if TYPE_CHECKING:  # the forms of a case are not loaded into the camera child
    from edge_agent.contracts.case import Frame

PLACES: Final = 2
MARKS_BYTES: Final = mmap.PAGESIZE
PLACE_BYTES: Final = MAX_EDGE_PX * MAX_EDGE_PX * 3  # only reserved: a page is taken when it is first written
MEMORY_BYTES: Final = MARKS_BYTES + PLACES * PLACE_BYTES
# Exit codes of the child.
CANNOT_OPEN: Final = 3
NO_PICTURE: Final = 4


class Kind(StrEnum):
    """Name what a message says; it stands in the body as ``kind``."""

    OPEN = "open"  # supervisor -> child: the settings, once
    PACE = "pace"  # supervisor -> child: how many pictures a second, and how large a preview
    OPENING = "opening"  # child -> supervisor: loaded, opens the camera now
    OPENED = "opened"  # child -> supervisor
    PICTURE = "picture"  # child -> supervisor: one picture lies in memory; the heartbeat


@dataclass(frozen=True, slots=True)
class Opened:
    """Tell what was opened: the camera's own name, and what keeps the child's memory private."""

    name: str
    is_dumpable: bool
    swap: str

    @classmethod
    def of(cls, message: Message) -> Self:
        """Read it from a message."""
        body = message.body
        return cls(name=str(body["name"]), is_dumpable=bool(body["is_dumpable"]), swap=str(body["swap"]))

    def message(self) -> Message:
        """Write it as a message."""
        return Message(body={"kind": Kind.OPENED, **asdict(self)})


@dataclass(frozen=True, slots=True)
class Beat:
    """Tell one picture: where it lies and what was measured of it.

    ``age_s``: seconds from its capture to this message. ``is_same``: byte for byte the measured picture before it; None
    for a first one. ``dark_share`` and ``bright_share``: of its pixels, 0 to 1. All three are None where the picture
    was not measured. ``is_locked``: the shared memory cannot be swapped.
    """

    sequence: int
    width: int
    height: int
    age_s: float
    is_same: bool | None = None
    dark_share: float | None = None
    bright_share: float | None = None
    is_locked: bool = False

    @classmethod
    def of(cls, message: Message) -> Self:
        """Read it from a message; the preview, if there is one, is the message's blob."""
        body = message.body
        return cls(**{name: body[name] for name in cls.__slots__})

    def message(self, preview: bytes | None = None) -> Message:
        """Write it as a message, with a JPEG for the screen."""
        blobs = () if preview is None else (preview,)
        return Message(body={"kind": Kind.PICTURE, **asdict(self)}, blobs=blobs)


def open_message(settings: CameraSettings, *, memory_fd: int, kind: str) -> Message:
    """Write the first message to a child. The source may hold a password, so it is no argument of the process."""
    return Message(body={"kind": Kind.OPEN, "memory_fd": memory_fd, "source_kind": kind, **asdict(settings)})


def pace_message(fps: float, preview_px: int) -> Message:
    """Write how many pictures a second are wanted, and previews of which longer edge; 0: none."""
    return Message(body={"kind": Kind.PACE, "fps": fps, "preview_px": preview_px})


def settings_of(body: dict[str, Any]) -> CameraSettings:
    """Read the settings from the first message."""
    return CameraSettings(**{name: body[name] for name in CameraSettings.__slots__})


class PictureMemory:
    """Hold the memory that the child writes and the supervisor reads; each process maps it for itself.

    Args:
        descriptor: of the anonymous file; stays the caller's.
        is_writer: False maps it for reading only.
    """

    def __init__(self, descriptor: int, *, is_writer: bool) -> None:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if is_writer else 0)
        self.map = mmap.mmap(descriptor, MEMORY_BYTES, mmap.MAP_SHARED, protection)
        self._marks: NDArray[np.uint64] = np.frombuffer(self.map, np.uint64, PLACES)

    @staticmethod
    def create() -> int:
        """Make the anonymous file and return its descriptor. It has no name and ends with its last user."""
        descriptor = os.memfd_create("derm-edge-camera", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, MEMORY_BYTES)
        return descriptor

    def write(self, frame: Frame, sequence: int) -> None:
        """Put a picture (uint8[H, W, 3], BGR, at most ``MAX_EDGE_PX`` on its longer edge) into its place."""
        place = sequence % PLACES
        self._marks[place] = 0
        np.copyto(self._view(place, frame.shape[1], frame.shape[0]), frame)
        self._marks[place] = sequence

    def read(self, beat: Beat) -> Frame | None:
        """Return a copy of the picture of a beat; None when a later one has taken its place."""
        place = beat.sequence % PLACES
        if int(self._marks[place]) != beat.sequence:
            return None
        frame = self._view(place, beat.width, beat.height).copy()
        return frame if int(self._marks[place]) == beat.sequence else None

    def _view(self, place: int, width: int, height: int) -> Frame:
        start = MARKS_BYTES + place * PLACE_BYTES
        return np.frombuffer(self.map, np.uint8, height * width * 3, start).reshape(height, width, 3)
