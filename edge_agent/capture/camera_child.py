"""The capture process: the only user of OpenCV's video input. Writes the chosen frames to stdout as npy records.

Started and, if a driver blocks, killed by ``edge_agent.capture.camera``. Keeps nothing.
"""

from __future__ import annotations

import io
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:  # the child starts once per picture: it loads nothing that it does not need
    from edge_agent.contracts.case import Frame

CANNOT_OPEN = 3
NO_FRAME = 4
_SHARPNESS_WIDTH_PX = 320
_MAX_FILE_FRAMES = 1800  # one minute at 30 frames per second; a longer file is read no further
_MAX_SCORES = 240  # as many frames of a file are compared; of a longer one every second, fourth ... frame


def main(arguments: Sequence[str]) -> int:
    """Read ``kind source count window`` and write the frames; return the exit code."""
    kind, source, count, window = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    with os.fdopen(os.dup(1), "wb") as channel:
        os.dup2(2, 1)  # no library can print into the frames
        capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
        if not capture.isOpened():
            return CANNOT_OPEN
        if kind == "live":
            return _write(_from_live(capture, count, window), channel)
        # A second reader: seeking back is not exact in every container.
        return _write(_from_file(capture, cv2.VideoCapture(source), count), channel)


def sharpness(frame: Frame) -> float:
    """Return the variance of the Laplacian of a frame (uint8[H, W, 3], BGR) reduced to 320 px width.

    Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000.
    """
    height = max(1, round(frame.shape[0] * _SHARPNESS_WIDTH_PX / frame.shape[1]))
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SHARPNESS_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_64F).var())


def _write(chosen: Iterator[Frame], channel: IO[bytes]) -> int:
    wrote = 0
    for frame in chosen:
        record = io.BytesIO()
        np.save(record, frame, allow_pickle=False)
        channel.write(record.getbuffer())
        wrote += 1
    return 0 if wrote else NO_FRAME


def _read(capture: cv2.VideoCapture, limit: int) -> Iterator[Frame]:
    for _ in range(limit):
        has_frame, frame = capture.read()
        if not has_frame or frame is None:
            return
        yield np.asarray(frame, np.uint8)


def _from_live(capture: cv2.VideoCapture, count: int, window: int) -> Iterator[Frame]:
    for _ in _read(capture, window):
        pass  # exposure and white balance settle
    for _ in range(count):
        frames = list(_read(capture, window))
        if not frames:
            return
        yield max(frames, key=sharpness)


def _from_file(capture: cv2.VideoCapture, again: cv2.VideoCapture, count: int) -> Iterator[Frame]:
    """Choose the sharpest compared frame of each of ``count`` equal parts."""
    scores = _scores(capture)
    if len(scores) < count:
        return
    places = list(scores)
    edges = [round(part * len(places) / count) for part in range(count + 1)]
    wanted = {max(places[a:b], key=scores.__getitem__) for a, b in itertools.pairwise(edges)}
    for place in range(max(wanted) + 1):
        if not again.grab():  # decodes; what is not wanted is not turned into a picture
            return
        if place in wanted:
            has_frame, frame = again.retrieve()
            if has_frame and frame is not None:
                yield np.asarray(frame, np.uint8)


def _scores(capture: cv2.VideoCapture) -> dict[int, float]:
    """Return the sharpness of evenly spaced frames by their place; the length is counted, headers lie.

    Every frame is compared until there are too many; then every second score goes and the spacing doubles, so a
    long video costs little more than its decoding.
    """
    scores: dict[int, float] = {}
    spacing = 1
    for place in range(_MAX_FILE_FRAMES):
        if not capture.grab():
            break
        if place % spacing:
            continue
        has_frame, frame = capture.retrieve()
        if not has_frame or frame is None:
            break
        scores[place] = sharpness(np.asarray(frame, np.uint8))
        if len(scores) > _MAX_SCORES:
            spacing *= 2
            scores = {at: score for at, score in scores.items() if at % spacing == 0}
    return scores


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
