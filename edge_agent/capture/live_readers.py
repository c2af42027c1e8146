"""Read pictures from a camera, an address, a pipe, a video in a loop or a folder, at the pace that is asked for.

Loaded only by the camera child. A live source is read as fast as it gives, so that no old picture waits in a buffer,
and only what the pace asks for is decoded. Does not judge a picture. V4L2 is untested on hardware.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import cv2
import numpy as np

from edge_agent.capture.live_source import CameraSettings, SourceKind, device_path
from edge_agent.capture.picture_size import MAX_EDGE_PX, SUFFIXES
from edge_agent.errors import EdgeError

if TYPE_CHECKING:  # the forms of a case are not loaded into the camera child
    from edge_agent.contracts.case import Frame

SHOWN_S: Final = 4.0  # of one picture of a folder
_NOISE_SPACING_PX: Final = 16
_RAW: Final = -1  # of CAP_PROP_FORMAT: packets as they come, not decoded
_FFMPEG_OPTIONS: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # OpenCV takes FFmpeg's options from nowhere else
# A pipe is opened while its writer writes: FFmpeg's usual look at 5 MB would take longer than a camera may take to open.
_BRIEF_LOOK: Final = "probesize;200000|analyzeduration;500000"
_MAX_BROKEN: Final = 30  # pictures in a row that cannot be decoded; a torn one now and then is dropped


class Pace:
    """Say when the next picture is due; changed by another thread.

    Args:
        fps: pictures a second.
        clock: monotonic seconds.
    """

    def __init__(self, fps: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fps = fps
        self._clock = clock
        self._taken_s = float("-inf")
        self._changed = threading.Event()

    def change(self, fps: float) -> None:
        """Take another number of pictures a second, from now on."""
        self._fps = fps
        self._changed.set()

    def is_due(self) -> bool:
        """Say whether a picture is due; if so, the next one is due one interval later."""
        now_s = self._clock()
        if now_s < self._taken_s + 0.9 / self._fps:  # a source of the same rate is not quite regular
            return False
        self._taken_s = now_s
        return True

    def wait(self) -> None:
        """Wait until the next picture is due; for sources that give one at any time."""
        while (left_s := self._taken_s + 1 / self._fps - self._clock()) > 0:
            if self._changed.wait(left_s):
                self._changed.clear()
        self._taken_s = self._clock()


class Reader(Protocol):
    """Give the pictures of one source: uint8[H, W, 3], BGR, each when it is due, until the source ends."""

    def frames(self, pace: Pace) -> Iterator[Frame]:
        """Yield the pictures."""


def open_reader(settings: CameraSettings, kind: SourceKind) -> Reader | None:
    """Open a source; None when it cannot be opened. May block for ever: the supervisor kills the process then."""
    if kind is SourceKind.FOLDER:
        return FolderReader(Path(settings.source))
    if kind is SourceKind.DEVICE:
        capture = _open_device(settings)
    else:
        if kind is SourceKind.PIPE:
            os.environ[_FFMPEG_OPTIONS] = _BRIEF_LOOK
        threads = [cv2.CAP_PROP_N_THREADS, 1]  # one decoder thread is fast enough, and each costs memory
        capture = cv2.VideoCapture(settings.source, cv2.CAP_FFMPEG, threads)
    if not capture.isOpened():
        return None
    return LoopReader(capture, settings) if kind is SourceKind.VIDEO else LiveReader(capture)


def _open_device(settings: CameraSettings) -> cv2.VideoCapture:
    """Open a V4L2 device and ask for the size; MJPEG, because USB 2 carries little else at this size."""
    capture = cv2.VideoCapture(str(device_path(settings.source)), cv2.CAP_V4L2)
    for wish, value in (
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, settings.width_px),
        (cv2.CAP_PROP_FRAME_HEIGHT, settings.height_px),
        (cv2.CAP_PROP_FPS, settings.fps),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ):
        capture.set(wish, value)  # what it gives in the end is measured on the pictures
    return capture


class LiveReader:
    """Read a source that gives pictures at its own pace.

    An MJPEG stream is taken undecoded, so that a picture nobody asked for costs no decoding.
    """

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture = capture
        is_mjpeg = int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
        self._is_raw = is_mjpeg and capture.getBackendName() == "FFMPEG" and capture.set(cv2.CAP_PROP_FORMAT, _RAW)

    def frames(self, pace: Pace) -> Iterator[Frame]:
        """Yield the newest picture whenever one is due; end when the source gives none or only broken ones."""
        broken = 0
        while broken < _MAX_BROKEN and self._capture.grab():
            if not pace.is_due():
                continue
            is_there, data = self._capture.retrieve()
            if is_there and self._is_raw:
                data = cv2.imdecode(data, cv2.IMREAD_COLOR)
            broken = 0 if is_there and data is not None else broken + 1
            if not broken:
                yield np.asarray(data, np.uint8)


class LoopReader:
    """Show a video file in a loop. At the full pace it runs in real time, at the idle pace in slow motion."""

    def __init__(self, capture: cv2.VideoCapture, settings: CameraSettings) -> None:
        self._capture = capture
        self._stride = max(1, round(capture.get(cv2.CAP_PROP_FPS) / settings.fps))

    def frames(self, pace: Pace) -> Iterator[Frame]:
        """Yield pictures until the file can be read no more, not even from its beginning."""
        while self._advance() or (self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0) and self._capture.grab()):
            is_there, frame = self._capture.retrieve()
            if not is_there or frame is None:
                return
            pace.wait()
            yield np.asarray(frame, np.uint8)

    def _advance(self) -> bool:
        return all(self._capture.grab() for _ in range(self._stride))


class FolderReader:
    """Show the pictures of a folder in turn, each for ``SHOWN_S``, and look into the folder again for every next one.

    A sensor's noise changes some last bits of every picture, and a picture without any change is how a stuck driver is
    told. So this virtual camera flips the last bit of every sixteenth pixel of one row, another row in every picture:
    less than any sensor's noise, seen by nobody, measured by no quality rule, and never twice the same.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def frames(self, pace: Pace) -> Iterator[Frame]:
        """Yield pictures until the folder holds none that can be read."""
        count = itertools.count()
        last = ""
        while (found := self._next(last)) is not None:
            last, picture = found
            shown_until_s = time.monotonic() + SHOWN_S
            pace.wait()
            while True:
                yield _alive(picture, next(count))
                if time.monotonic() >= shown_until_s:
                    break
                pace.wait()

    def _next(self, last: str) -> tuple[str, Frame] | None:
        """Return the readable picture after the one named ``last``, in the order of names, beginning again at the end."""
        from edge_agent.capture.stills import read_picture  # for this virtual camera alone: it loads much

        try:
            names = sorted(p.name for p in self._folder.iterdir() if p.suffix.lower() in SUFFIXES)
        except OSError:
            return None
        for name in [n for n in names if n > last] + [n for n in names if n <= last]:
            try:
                return name, read_picture(self._folder / name)
            except EdgeError:
                continue  # half copied, or no picture: the others are shown
        return None


def _alive(picture: Frame, number: int) -> Frame:
    frame = picture.copy()
    frame[number % frame.shape[0], ::_NOISE_SPACING_PX] ^= 1
    return frame


def fit(frame: Frame) -> Frame:
    """Reduce a picture that is larger than the shared memory takes; the models read far less."""
    longest = max(frame.shape[:2])
    if longest <= MAX_EDGE_PX:
        return frame
    size = [max(1, int(edge * MAX_EDGE_PX / longest)) for edge in (frame.shape[1], frame.shape[0])]
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
