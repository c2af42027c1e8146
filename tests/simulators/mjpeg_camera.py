"""Cameras that a test can break: an MJPEG address on a private port, and a pipe that a program writes MJPEG into."""

from __future__ import annotations

import errno
import functools
import os
import select
import socket
import threading
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from edge_agent.contracts.case import Frame

FPS = 10.0


class Picture(StrEnum):
    """Name what the camera shows."""

    MOVING = "moving"
    FROZEN = "frozen"  # one picture again and again
    BLACK = "black"  # a covered lens: a little noise, no light
    OVEREXPOSED = "overexposed"
    SMALL = "small"  # a moving picture of 320x240 px
    STALLED = "stalled"  # the connection stays open and nothing comes


def scene(number: int, *, width: int = 640, height: int = 480) -> Frame:
    """Draw a textured picture with a sensor's noise; another ``number``, another picture."""
    noise = np.random.default_rng(number)
    rows, columns = np.indices((height, width))
    wave = 120 + 60 * np.sin((columns + 9 * number) / 17) * np.cos(rows / 23)
    tinted = wave[:, :, None] * np.array([0.7, 0.8, 1.0])
    return np.asarray(np.clip(tinted + noise.normal(0, 4, (height, width, 3)), 0, 255), np.uint8)


def jpeg(frame: Frame) -> bytes:
    """Encode a picture."""
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


@functools.cache
def _reels(width: int, height: int) -> dict[Picture, list[bytes]]:
    """Encode what each kind of picture shows in turn, once for all tests."""
    moving = [jpeg(scene(n, width=width, height=height)) for n in range(8)]
    dark = [np.random.default_rng(n).integers(0, 9, (height, width, 3), dtype=np.uint8) for n in range(4)]
    return {
        Picture.MOVING: moving,
        Picture.FROZEN: moving[:1],
        Picture.BLACK: [jpeg(frame) for frame in dark],
        Picture.OVEREXPOSED: [jpeg(np.full((height, width, 3), 255 - n, np.uint8)) for n in range(2)],
        Picture.SMALL: [jpeg(scene(n, width=320, height=240)) for n in range(8)],
        Picture.STALLED: [],
    }


class _Show:
    """The pictures, and which of them are shown; told by the test, asked by the serving threads."""

    def __init__(self, *, width: int, height: int, fps: float = FPS) -> None:
        self._fps = fps
        self._reels = _reels(width, height)
        self._changed = threading.Condition()
        self._picture = Picture.MOVING
        self._is_over = False
        self._count = 0

    def show(self, picture: Picture) -> None:
        with self._changed:
            self._picture = picture
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def next(self) -> bytes | None:
        """Return the next picture when it is due; None at the end. A stalled camera's is never due."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over, 1 / self._fps)
            self._changed.wait_for(lambda: self._is_over or self._picture is not Picture.STALLED)
            reel = self._reels[self._picture]
            self._count += 1
            return None if self._is_over else reel[self._count % len(reel)]


class MjpegCamera:
    """A network camera on loopback; ``show``, ``cut`` and ``resume`` it. Use as a context manager."""

    def __init__(self, *, width: int = 640, height: int = 480, fps: float = FPS) -> None:
        self._show = _Show(width=width, height=height, fps=fps)
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self._port}/camera.mjpg"

    def show(self, picture: Picture) -> None:
        """Show this from now on."""
        self._show.show(picture)

    def cut(self) -> None:
        """Pull the cable: every connection ends and no new one is taken."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended by itself
        self._server = None

    def resume(self) -> None:
        """Plug it in again, at the same address."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._connections.add(self.connection)
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                    self.end_headers()
                    while (data := camera._show.next()) is not None:
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                        self.wfile.write(head.encode("ascii") + data + b"\r\n")
                except OSError:
                    self.close_connection = True  # who looked has left
                finally:
                    camera._connections.discard(self.connection)

            def log_message(self, *_args: object) -> None:
                """Stay silent."""

        return Handler

    def __enter__(self) -> Self:
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show.end()
        self.cut()


class PipeCamera:
    """A fifo that pictures are written into while ``show`` says so; a reader of a stalled one blocks in the kernel.

    Use as a context manager. A killed reader breaks the pipe; the writer waits for the next reader.
    """

    def __init__(self, path: Path, *, picture: Picture = Picture.MOVING) -> None:
        os.mkfifo(path)
        self._path = path
        self._show = _Show(width=640, height=480)
        self._show.show(picture)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._write_for_ever, daemon=True)

    def show(self, picture: Picture) -> None:
        """Show this from now on."""
        self._show.show(picture)

    def _write_for_ever(self) -> None:
        while (data := self._show.next()) is not None:
            pipe = self._open()
            if pipe is None:
                return
            try:
                while data is not None:
                    _write(pipe, data, self._is_over.is_set)
                    data = self._show.next()
            except BrokenPipeError:
                continue
            finally:
                os.close(pipe)

    def _open(self) -> int | None:
        """Wait for a reader; a blocking open could not be ended."""
        while not self._is_over.wait(0.02):
            try:
                return os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as exc:
                if exc.errno != errno.ENXIO:
                    raise
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._show.end()
        self._thread.join()


def _write(pipe: int, data: bytes, is_over: Callable[[], bool]) -> None:
    """Write all of it, waiting for the reader in short pieces."""
    left = memoryview(data)
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    while left and not is_over():
        if poll.poll(100):
            left = left[os.write(pipe, left) :]
