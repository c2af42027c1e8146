"""Where a picture of a consultation comes from: a burst of the camera, or a file. Judges and keeps nothing."""

from __future__ import annotations

import time
from typing import Final

from fastapi import UploadFile

from edge_agent.contracts.case import Frame
from edge_agent.errors import PictureError
from edge_agent.kiosk.consultation_parts import BURST
from edge_agent.kiosk.pages.consultation.desk import Turn

MAX_IMPORT_BYTES: Final = 24 * 1024 * 1024


def burst(turn: Turn) -> list[Frame]:
    """Return a few different pictures of the last moment, oldest first; empty without a camera."""
    camera, frames, seen = turn.parts.camera, [], set()
    for number in range(BURST):
        if number:
            time.sleep(turn.room.burst_pause_s)
        live = camera.latest() if camera is not None else None
        if live is not None and live.sequence not in seen:
            seen.add(live.sequence)
            frames.append(live.frame)
    return frames


def file_bytes(upload: UploadFile) -> bytes:
    """Read a file within its limit; one byte more is too much.

    Raises:
        PictureError: it is larger.
    """
    data = upload.file.read(MAX_IMPORT_BYTES + 1)
    if len(data) > MAX_IMPORT_BYTES:
        raise PictureError("the picture file is too large: save a smaller copy")
    return data
