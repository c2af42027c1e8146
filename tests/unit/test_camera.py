"""Frames from real videos through OpenCV, in a child that cannot hang its caller."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_agent.capture.camera import capture_frames
from edge_agent.capture.camera_child import _scores, sharpness
from edge_agent.contracts.case import Frame
from edge_agent.errors import CameraError

PATIENCE_S = 120.0  # a loaded machine starts a process slowly; a pass does not wait for it


def board(colour: tuple[int, int, int], size: int) -> Frame:
    """A checkerboard of one colour on black, 160x120."""
    tiles = (np.indices((120 // size, 160 // size)).sum(0) % 2).astype(np.uint8)
    mask = tiles.repeat(size, 0).repeat(size, 1)[:, :, None]
    return np.ascontiguousarray(mask * np.array(colour, np.uint8))


def flat(level: int) -> Frame:
    return np.full((120, 160, 3), level, np.uint8)


def video(path: Path, frames: list[Frame]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, frames[0].shape[1::-1])
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def test_the_sharpest_frame_of_each_part_is_taken(tmp_path: Path) -> None:
    """Blue is sharp in the first half, red in the second; both come back, in the order of time."""
    frames = [flat(90)] * 20
    frames[4], frames[13] = board((255, 0, 0), 8), board((0, 0, 255), 8)
    taken = capture_frames(str(video(tmp_path / "a.avi", frames)), count=2, file_timeout_s=PATIENCE_S)
    assert [int(frame.reshape(-1, 3).mean(0).argmax()) for frame in taken] == [0, 2]
    assert all(frame.shape == (120, 160, 3) and frame.dtype == np.uint8 for frame in taken)


def test_a_video_shorter_than_the_wish_is_an_error(tmp_path: Path) -> None:
    """Three frames cannot give four views."""
    path = video(tmp_path / "a.avi", [flat(9)] * 3)
    with pytest.raises(CameraError, match=r"gives no frame|fewer than"):
        capture_frames(str(path), count=4, file_timeout_s=PATIENCE_S)


def test_sharpness_falls_with_blur() -> None:
    """Focus is the most frequent defect; the measure must order it."""
    clear = board((255, 255, 255), 8)
    blurred = np.asarray(cv2.GaussianBlur(clear, (0, 0), 3), np.uint8)
    assert sharpness(clear) > 4 * sharpness(blurred) > 0
    assert sharpness(flat(120)) == 0


def test_a_blocked_source_cannot_hang_the_caller(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to blocks for ever; the deadline ends it and nothing is left running."""
    pipe = tmp_path / "camera"
    os.mkfifo(pipe)
    began = time.monotonic()
    with pytest.raises(CameraError, match="did not answer within 2 s"):
        capture_frames(str(pipe), timeout_s=2)
    assert time.monotonic() - began < 60
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children]
    assert not [c for c in commands if b"camera_child" in c]


def test_a_source_that_is_no_video_is_named(tmp_path: Path) -> None:
    """A text file called .avi, and a file that does not exist."""
    fake = tmp_path / "fake.avi"
    fake.write_text("not a video", encoding="utf-8")
    with pytest.raises(CameraError, match="cannot be opened"):
        capture_frames(str(fake), file_timeout_s=PATIENCE_S)
    with pytest.raises(CameraError, match="does not exist"):
        capture_frames(str(tmp_path / "none.avi"))


@pytest.mark.parametrize("count", [0, 13])
def test_a_wrong_count_is_a_programmers_mistake(count: int) -> None:
    """Not an EdgeError: no person can mend it."""
    with pytest.raises(RuntimeError):
        capture_frames("0", count=count)


class _Stream(BaseHTTPRequestHandler):
    """An MJPEG address: a blurred start, then a sharp picture for ever."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        pictures = [flat(30)] * 4 + [board((0, 255, 0), 8)] * 400
        with contextlib.suppress(OSError):  # the client leaves when it has enough
            for picture in pictures:
                data = io.BytesIO()
                Image.fromarray(picture[:, :, ::-1]).save(data, "JPEG", quality=95)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data.getvalue())}\r\n\r\n"
                self.wfile.write(head.encode("ascii") + data.getvalue() + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def stream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stream)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/stream.mjpg"
    server.shutdown()
    thread.join()


def test_a_live_source_drops_its_first_frames(stream: str) -> None:
    """The exposure settles in the first window; the picture comes from the next."""
    frame = capture_frames(stream, timeout_s=PATIENCE_S, window=6)[0]
    assert frame.reshape(-1, 3).mean(0).argmax() == 1
    assert frame[:, :, 1].std() > 60


class _Counted:
    """An opened video of some length that counts how many of its frames are turned into pictures."""

    def __init__(self, length: int) -> None:
        self._left, self.retrieved = length, 0

    def grab(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def retrieve(self) -> tuple[bool, Frame]:
        self.retrieved += 1
        return True, flat(90)


@pytest.mark.parametrize(("length", "spacing"), [(1, 1), (240, 1), (600, 4), (1800, 8), (100_000, 8)])
def test_a_long_video_is_compared_at_wider_spacing(length: int, spacing: int) -> None:
    """The work stays bounded, and the compared frames are evenly spread over what is read."""
    counted = _Counted(length)
    places = list(_scores(cast(cv2.VideoCapture, counted)))
    assert places == list(range(0, min(length, 1800), spacing))
    assert counted.retrieved <= 700


def test_the_chosen_frame_of_a_longer_video_is_the_compared_one(tmp_path: Path) -> None:
    """The place of a score is the place in the file, also after every second score is gone."""
    frames = [flat(90)] * 300
    frames[200] = board((0, 0, 255), 8)
    taken = capture_frames(str(video(tmp_path / "a.avi", frames)), file_timeout_s=PATIENCE_S)
    assert taken[0].reshape(-1, 3).mean(0).argmax() == 2 and taken[0][:, :, 2].std() > 60


def test_a_video_that_takes_too_long_is_no_fault_of_a_camera(tmp_path: Path) -> None:
    """A file has its own limit and its own advice."""
    path = video(tmp_path / "a.avi", [flat(9)] * 5)
    with pytest.raises(CameraError, match=r"was not read within 0.001 s: cut the video shorter.*file_timeout_s"):
        capture_frames(str(path), timeout_s=PATIENCE_S, file_timeout_s=0.001)


def test_a_picture_too_small_to_read_is_refused(tmp_path: Path) -> None:
    """As for picture files: below 56 px there is nothing to read."""
    path = video(tmp_path / "a.avi", [np.full((32, 48, 3), 90, np.uint8)] * 3)
    with pytest.raises(CameraError, match="48x32 px"):
        capture_frames(str(path), file_timeout_s=PATIENCE_S)
