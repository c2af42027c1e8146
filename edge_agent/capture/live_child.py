"""The camera child: keeps one source open, puts each picture into shared memory and tells what was measured of it.

Started by ``edge_agent.capture.live`` and killed by it when a driver blocks. Writes no file, keeps no picture but the
last, makes no core dump, and ends when the supervisor does. Judges nothing: ``live_watch`` does.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import cv2
import numpy as np

from edge_agent.capture.live_readers import Pace, fit, open_reader
from edge_agent.capture.live_source import SourceKind, own_name
from edge_agent.capture.live_wire import (
    CANNOT_OPEN,
    MARKS_BYTES,
    NO_PICTURE,
    PLACE_BYTES,
    PLACES,
    Beat,
    Kind,
    Opened,
    PictureMemory,
    settings_of,
)
from edge_agent.errors import DaemonError
from edge_agent.ipc import Message, read_message, write_message
from edge_agent.private_memory import Privacy, keep_private, lock_buffer

if TYPE_CHECKING:  # the forms of a case are not loaded into the camera child
    from edge_agent.contracts.case import Frame

MEASURE_INTERVAL_S: Final = 0.25  # four looks a second detect every fault in time
DARK_LEVEL: Final = 20  # of 255: a covered sensor at its highest gain stays below
BRIGHT_LEVEL: Final = 250
JPEG_QUALITY: Final = 80
_SAMPLE_PX: Final = 64


def main() -> int:
    """Read the settings from stdin, open the camera and tell every picture until the source or the supervisor ends.

    Returns:
        ``CANNOT_OPEN`` or ``NO_PICTURE``; 0 when the supervisor is gone.
    """
    privacy = keep_private(lock_all=True)
    inbox, outbox = _claim_pipes()
    try:
        first = read_message(inbox)
        if first is None:
            return 0
        return _Child(dict(first.body), inbox, outbox).run(privacy)
    except DaemonError:
        return 0  # nobody listens any more


class _Child:
    def __init__(self, body: dict[str, Any], inbox: BinaryIO, outbox: BinaryIO) -> None:
        self._settings = settings_of(body)
        self._kind = SourceKind(body["source_kind"])
        self._memory = PictureMemory(body["memory_fd"], is_writer=True)
        self._outbox = outbox
        self._pace = Pace(self._settings.fps)
        self._preview_px = 0
        self._measured: Frame | None = None
        self._measured_s = float("-inf")
        self._locked: tuple[int, bool] = (0, False)
        threading.Thread(target=self._listen, args=(inbox,), name="pipe-watch", daemon=True).start()

    def run(self, privacy: Privacy) -> int:
        """Open and read; see ``main``."""
        write_message(self._outbox, Message(body={"kind": Kind.OPENING}))
        reader = open_reader(self._settings, self._kind)
        if reader is None:
            return CANNOT_OPEN
        opened = Opened(own_name(self._settings.source), privacy.is_dumpable, str(privacy.swap))
        write_message(self._outbox, opened.message())
        for sequence, frame in enumerate(reader.frames(self._pace), start=1):
            self._tell(fit(frame), sequence, captured_s=time.monotonic())
        return NO_PICTURE

    def _listen(self, inbox: BinaryIO) -> None:
        """Take the pace that is asked for. A blocked driver cannot be asked to stop, so the end of the pipe ends all."""
        try:
            while (message := read_message(inbox)) is not None:
                self._preview_px = int(message.body["preview_px"])
                self._pace.change(float(message.body["fps"]))
        except DaemonError:
            pass
        os._exit(0)

    def _tell(self, frame: Frame, sequence: int, *, captured_s: float) -> None:
        self._memory.write(frame, sequence)
        is_same, dark_share, bright_share = self._measure(frame, captured_s)
        preview = _jpeg(frame, self._preview_px) if self._preview_px else None
        beat = Beat(
            sequence=sequence,
            width=frame.shape[1],
            height=frame.shape[0],
            age_s=time.monotonic() - captured_s,
            is_same=is_same,
            dark_share=dark_share,
            bright_share=bright_share,
            is_locked=self._lock(frame.nbytes),
        )
        write_message(self._outbox, beat.message(preview))

    def _measure(self, frame: Frame, now_s: float) -> tuple[bool | None, float | None, float | None]:
        """Compare with the picture measured before, and count dark and bright pixels; three None between two looks."""
        if now_s < self._measured_s + MEASURE_INTERVAL_S:
            return None, None, None
        before, self._measured, self._measured_s = self._measured, frame, now_s
        is_same = None if before is None else np.array_equal(before, frame)
        sample = cv2.resize(frame, (_SAMPLE_PX, _SAMPLE_PX), interpolation=cv2.INTER_NEAREST)
        grey = cv2.cvtColor(sample, cv2.COLOR_BGR2GRAY)
        return is_same, float((grey < DARK_LEVEL).mean()), float((grey >= BRIGHT_LEVEL).mean())

    def _lock(self, size: int) -> bool:
        """Keep both places of the shared memory out of swap; asked again only when the pictures grow."""
        if size > self._locked[0]:
            starts = [MARKS_BYTES + place * PLACE_BYTES for place in range(PLACES)]
            is_locked = all(lock_buffer(self._memory.map, offset=start, size=size) for start in starts)
            self._locked = (size, is_locked)
        return self._locked[1]


def _jpeg(frame: Frame, max_px: int) -> bytes | None:
    """Encode a preview whose longer edge has at most ``max_px``; OpenCV is here already, the supervisor has none."""
    height, width = frame.shape[:2]
    scale = max_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    is_done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes() if is_done else None


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for messages: no library can print into them."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return inbox, outbox


if __name__ == "__main__":
    cv2.setNumThreads(1)
    sys.exit(main())
