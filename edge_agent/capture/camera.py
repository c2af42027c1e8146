"""Take frames from a camera, a video file or an MJPEG address, with a deadline that a blocked driver cannot break.

OpenCV may wait for ever inside a driver, so it runs in a child process that is killed when its time is over
(architecture "Processes on the device"). Frames come back through memory, never through a file on disk. Does not keep
the camera open between calls and does not judge picture quality beyond picking the sharpest frame.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from edge_agent.capture.picture_size import MIN_EDGE_PX
from edge_agent.contracts.case import Frame
from edge_agent.errors import CameraError

MAX_COUNT = 12
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_FILE_TIMEOUT_S = 120.0
DEFAULT_WINDOW = 12
_KILL_WAIT_S = 2.0
_ADDRESSES = ("http://", "https://", "rtsp://")
# Exit codes of the child (edge_agent.capture.camera_child) and what they mean to a person.
REASONS = {
    3: "cannot be opened: check the cable, the name and that no other program uses it",
    4: "gives no frame: check the cable, or choose another file",
}


def capture_frames(
    source: str,
    *,
    count: int = 1,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    file_timeout_s: float = DEFAULT_FILE_TIMEOUT_S,
    window: int = DEFAULT_WINDOW,
) -> list[Frame]:
    """Take ``count`` frames from one source.

    A video file is cut into ``count`` equal parts and the sharpest frame of each is taken. A live source is read
    ``window`` frames at a time and the sharpest of each window is taken; its first window is dropped, because a
    camera's exposure settles in it.

    Args:
        source: a video file, a device (``/dev/video0`` or ``0``), or an ``http(s)://`` or ``rtsp://`` address.
        count: how many frames, 1 to 12.
        timeout_s: seconds for everything, the child's start included, with a live source.
        file_timeout_s: the same for a video file: a minute of video is decoded no faster than the computer can.
        window: frames that one frame of a live source is chosen from.

    Returns:
        uint8[H, W, 3] frames, BGR, in the order of time.

    Raises:
        CameraError: the source does not exist, cannot be opened, gives no frame or too small ones, or does not
            answer in time.
    """
    if not 1 <= count <= MAX_COUNT or window < 1:
        raise RuntimeError(f"count must be 1 to {MAX_COUNT} and window at least 1")
    kind = _kind(source)
    with _memory_file() as channel:
        arguments = [kind, source, str(count), str(window)]
        patience_s = file_timeout_s if kind == "file" else timeout_s
        _run_child(arguments, channel=channel, source=source, timeout_s=patience_s)
        return _frames(channel, count=count, source=source)


def _kind(source: str) -> str:
    """Say ``file`` or ``live``; refuse what does not exist before a child is started."""
    if source.isdigit() or source.startswith(_ADDRESSES):
        return "live"
    path = Path(source)
    try:
        if path.exists():
            return "file" if path.is_file() else "live"
    except OSError as exc:
        raise CameraError(f"cannot look for {source}: {exc.strerror}; name another video file or device") from exc
    raise CameraError(f"{source} does not exist: name a video file, a device such as /dev/video0, or an address")


@contextlib.contextmanager
def _memory_file() -> Iterator[IO[bytes]]:
    """Open an anonymous file in memory: pictures of people touch no disk before the encrypted store has them."""
    with os.fdopen(os.memfd_create("derm-edge-frames"), "w+b") as channel:
        yield channel


def _run_child(arguments: list[str], *, channel: IO[bytes], source: str, timeout_s: float) -> None:
    quiet = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENCV_VIDEOIO_DEBUG": "0"}
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_agent.capture.camera_child", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=channel,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **quiet},
    )
    try:
        code = child.wait(timeout_s)
    except subprocess.TimeoutExpired as exc:
        raise CameraError(_too_slow(arguments[0], source=source, timeout_s=timeout_s)) from exc
    finally:
        _end(child)
    if code != 0:
        reason = REASONS.get(code, "made the capture process fail: try another source")
        raise CameraError(f"{source} {reason}", exit_code=code)


def _too_slow(kind: str, *, source: str, timeout_s: float) -> str:
    if kind == "file":
        return f"{source} was not read within {timeout_s:g} s: cut the video shorter, or raise [capture] file_timeout_s"
    return f"{source} did not answer within {timeout_s:g} s: unplug and plug the camera"


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child if it still runs; one stuck in the kernel is left behind rather than waited for."""
    if child.poll() is None:
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_KILL_WAIT_S)


def _frames(channel: IO[bytes], *, count: int, source: str) -> list[Frame]:
    channel.seek(0)
    data = io.BytesIO(channel.read())
    try:
        frames = [np.load(data, allow_pickle=False) for _ in range(count)]
    except (ValueError, EOFError, OSError) as exc:
        raise CameraError(f"{source} gave fewer than {count} frames: ask for fewer, or record longer") from exc
    if any(frame.dtype != np.uint8 or frame.ndim != 3 for frame in frames):
        raise CameraError(f"{source} gave frames that are not 8-bit colour: choose another mode of the camera")
    for frame in frames:
        height, width = frame.shape[:2]
        if min(height, width) < MIN_EDGE_PX:  # as for picture files
            raise CameraError(f"{source} gives only {width}x{height} px: choose a mode of at least {MIN_EDGE_PX} px")
    return frames
