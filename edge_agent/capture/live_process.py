"""One camera child from its start to its end, as the supervisor holds it. Judges nothing and starts no second one."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from typing import BinaryIO, Final, cast

from edge_agent.capture.live_source import CameraSettings, kind_of
from edge_agent.capture.live_wire import Beat, Opened, PictureMemory, open_message, pace_message
from edge_agent.errors import DaemonError
from edge_agent.ipc import Message, read_message, write_message

_KILL_WAIT_S: Final = 2.0
_QUIET: Final = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENCV_VIDEOIO_DEBUG": "0"}


class CameraProcess:
    """Start the child on a source. What it says goes into ``inbox`` with this object beside it; None is its end.

    ``opened``, ``beat`` and ``beat_s`` are what was taken from the inbox last; who takes it sets them.

    Args:
        settings: the camera to open.
        inbox: where its messages go.

    Raises:
        OSError: no process could be started.
    """

    def __init__(self, settings: CameraSettings, inbox: Inbox) -> None:
        self.opened: Opened | None = None
        self.beat: Beat | None = None
        self.beat_s = 0.0
        self._inbox = inbox
        self._pace: tuple[float, int] | None = None
        descriptor = PictureMemory.create()
        try:
            self.memory = PictureMemory(descriptor, is_writer=False)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge_agent.capture.live_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                env={**os.environ, **_QUIET},
                start_new_session=True,  # Ctrl-C is for the supervisor; it ends the child
            )
        finally:
            os.close(descriptor)
        self._send(open_message(settings, memory_fd=descriptor, kind=kind_of(settings.source)))
        threading.Thread(target=self._read_all, name="camera-reader", daemon=True).start()

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def tell_pace(self, fps: float, preview_px: int) -> None:
        """Ask for so many pictures a second, and previews of that size; 0: none. Says nothing twice."""
        if self.opened is not None and self._pace != (fps, preview_px):
            self._pace = (fps, preview_px)
            self._send(pace_message(fps, preview_px))

    def end(self, *, is_ended: bool) -> int | None:
        """Kill the child if it still runs and return its exit status; leave one that is stuck in the kernel behind.

        Its pipe is closed last: a child that ends by itself would take the closed pipe for the end of the supervisor.

        Args:
            is_ended: it has closed its output, so it is about to end by itself.
        """
        for patience_s in (_KILL_WAIT_S if is_ended else 0.0, _KILL_WAIT_S):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
                break
            self._process.kill()
        with suppress(OSError):
            cast(BinaryIO, self._process.stdin).close()
        return self._process.returncode

    def _send(self, message: Message) -> None:
        with suppress(DaemonError):  # it has ended: its reader tells so
            write_message(cast(BinaryIO, self._process.stdin), message)

    def _read_all(self) -> None:
        with cast(BinaryIO, self._process.stdout) as stream, suppress(DaemonError):  # cut off inside a message: the end
            while (message := read_message(stream)) is not None:
                self._inbox.put((self, message))
        self._inbox.put((self, None))


Inbox = queue.SimpleQueue[tuple[CameraProcess | None, Message | None]]
