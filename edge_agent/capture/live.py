"""The supervisor's handle on the live camera: a preview, the newest picture, a state, and a restart when it fails.

OpenCV may wait for ever inside a driver, so it runs in a child process (``live_child``) that is killed when it falls
silent; this process never loads it. Pictures come through shared memory and previews through a pipe; neither is ever
recorded. What the camera's signs mean is judged by ``live_watch``. V4L2 is untested on hardware.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from edge_agent.capture.live_process import CameraProcess, Inbox
from edge_agent.capture.live_source import CameraSettings, is_present, shown_source
from edge_agent.capture.live_states import SHOWN_FAULTS, Fault, State
from edge_agent.capture.live_watch import SILENCE_S, Action, CameraWatch
from edge_agent.capture.live_wire import Beat, Kind, Opened
from edge_agent.contracts.case import Frame
from edge_agent.ipc import Message

LEASE_S: Final = 5.0  # so long after the last question the camera still runs at its full pace
FIRST_PICTURES: Final = 10  # of every child come at the full pace: they tell whether the camera is sound (again)
TICK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """Tell how the camera is now.

    ``since_s``: seconds since state or fault last changed. ``source`` is without password. ``width``, ``height``: px of
    the last picture, 0 before one; ``fps``: pictures a second that were read lately. ``name``: what the camera calls
    itself. ``swap`` and ``is_locked``: what keeps the child's pages, and the shared pictures, out of swap.
    """

    state: State
    fault: Fault | None
    since_s: float
    source: str
    width: int
    height: int
    fps: float
    name: str = ""
    sequence: int = 0
    restarts: int = 0
    swap: str = ""
    is_locked: bool = False

    @property
    def has_picture(self) -> bool:
        """Say whether the pictures are true pictures of now, however dark."""
        return self.state is State.LIVE or self.fault in SHOWN_FAULTS


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """Hold one picture: uint8[H, W, 3], BGR, its number, and seconds since its capture."""

    frame: Frame
    sequence: int
    age_s: float


class LiveCamera:
    """Keep one camera open from ``start`` to ``stop``; every other method may be called by any thread.

    Args:
        settings: which camera, and what it must be.
        clock: monotonic seconds.
    """

    def __init__(self, settings: CameraSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._watch = CameraWatch(settings)
        self._changed = threading.Condition()
        self._inbox: Inbox = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._child: CameraProcess | None = None
        self._preview: tuple[bytes, float] | None = None
        self._arrivals_s: deque[float] = deque(maxlen=12)
        self._lease_s = self._preview_lease_s = float("-inf")
        self._preview_px = 0
        self._is_stopping = False

    def start(self) -> None:
        """Begin to keep the camera open; returns at once. Does nothing when it runs already."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._is_stopping = False
        self._watch.start(self._clock())
        self._thread = threading.Thread(target=self._run, name="camera-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the camera and end the child. Safe to call twice; ``start`` may follow."""
        thread = self._thread
        if thread is None:
            return
        self._is_stopping = True
        self._inbox.put((None, None))
        thread.join()
        self._thread = None

    @property
    def is_running(self) -> bool:
        """Say whether the thread that watches over the camera lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def pid(self) -> int | None:
        """Return the child's process id; None while there is none."""
        child = self._child
        return child.pid if child is not None else None

    def status(self) -> CameraStatus:
        """Return how the camera is now. Does not count as looking at it."""
        with self._changed:
            return self._status()

    def watch(self, max_px: int | None = None) -> None:
        """Say that somebody looks: the camera runs at its full pace for the next ``LEASE_S``.

        Args:
            max_px: longer edge of the previews that are wanted; None wants none.
        """
        now_s = self._clock()
        is_news = now_s >= self._lease_s or (max_px is not None and max_px != self._preview_px)
        self._lease_s = now_s + LEASE_S
        if max_px is not None:
            is_news = is_news or now_s >= self._preview_lease_s
            self._preview_px, self._preview_lease_s = max_px, now_s + LEASE_S
        if is_news:
            self._inbox.put((None, None))

    def latest(self) -> LiveFrame | None:
        """Return the newest picture; None while the camera has a fault, or gave none for ``SILENCE_S``.

        Counts as looking. A dark or overexposed picture is returned: it is a true picture of now.
        """
        self.watch()
        child, has_picture = self._child, self.status().has_picture
        while child is not None and has_picture and (beat := child.beat) is not None:
            age_s = self._clock() - child.beat_s + beat.age_s
            if age_s > SILENCE_S:
                return None
            frame = child.memory.read(beat)
            if frame is not None:
                return LiveFrame(frame, beat.sequence, age_s)
            if not self.wait_newer(beat.sequence, timeout_s=SILENCE_S):  # overtaken: its message is on the way
                return None
        return None

    def preview_jpeg(self, max_px: int = 720) -> bytes | None:
        """Return the newest preview as JPEG; None as for ``latest``, and for a moment after nobody looked.

        Encoded by the child, once for all who look. Never recorded.

        Args:
            max_px: its longer edge at most; the last who asks decides.
        """
        self.watch(max_px)
        with self._changed:
            if self._preview is None or not self._status().has_picture:
                return None
            data, at_s = self._preview
            return data if self._clock() - at_s <= SILENCE_S else None

    def wait_newer(self, sequence: int, *, timeout_s: float) -> bool:
        """Wait for a picture after the one numbered ``sequence``, of this or a later child; say whether one came."""
        with self._changed:
            return self._changed.wait_for(lambda: self._status().sequence not in {0, sequence}, timeout_s)

    def wait_until(self, is_wanted: Callable[[CameraStatus], bool], *, timeout_s: float) -> CameraStatus | None:
        """Wait for a status; None when it did not come in time."""
        with self._changed:
            is_reached = self._changed.wait_for(lambda: is_wanted(self._status()), timeout_s)
            return self._status() if is_reached else None

    def _status(self) -> CameraStatus:
        watch, child = self._watch, self._child
        beat = child.beat if child is not None else None
        opened = child.opened if child is not None else None
        return CameraStatus(
            state=watch.state,
            fault=watch.fault,
            since_s=self._clock() - watch.changed_s,
            source=shown_source(self._settings.source),
            width=beat.width if beat is not None else 0,
            height=beat.height if beat is not None else 0,
            fps=self._fps(),
            name=opened.name if opened is not None else "",
            sequence=beat.sequence if beat is not None else 0,
            restarts=watch.restarts,
            swap=opened.swap if opened is not None else "",
            is_locked=beat is not None and beat.is_locked,
        )

    def _fps(self) -> float:
        seen = list(self._arrivals_s)
        if len(seen) < 2 or self._clock() - seen[-1] > SILENCE_S:
            return 0.0
        return (len(seen) - 1) / max(1e-3, seen[-1] - seen[0])

    def _run(self) -> None:
        """Take messages and do what the watch says, until ``stop``. The only thread that changes the watch."""
        try:
            while not self._is_stopping:
                with suppress(queue.Empty):
                    self._take(*self._inbox.get(timeout=TICK_S))
                self._act()
        finally:  # after a mistake in this program too: the camera is then off, and says so
            self._end_child(is_ended=False)
            with self._changed:
                self._watch.stop(self._clock())
                self._changed.notify_all()

    def _take(self, sender: CameraProcess | None, message: Message | None) -> None:
        child = self._child
        if sender is None or sender is not child:
            return  # a call to look at the pace, or the last words of a child that was killed
        if message is None:
            self._lose(is_ended=True)
            return
        with self._changed:
            now_s = self._clock()
            if message.kind == Kind.OPENING:
                self._watch.opening(now_s)
            elif message.kind == Kind.OPENED:
                child.opened = Opened.of(message)
                self._watch.opened(now_s, child.opened.name)
            else:
                self._take_picture(child, message, now_s)
            self._changed.notify_all()

    def _take_picture(self, child: CameraProcess, message: Message, now_s: float) -> None:
        child.beat, child.beat_s = Beat.of(message), now_s
        self._arrivals_s.append(now_s)
        if message.blobs:
            self._preview = (message.blobs[0], now_s)
        self._watch.beat(now_s, child.beat)

    def _act(self) -> None:
        is_there = self._child is not None or is_present(self._settings.source)
        with self._changed:
            action = self._watch.tick(self._clock(), is_present=is_there)
            self._changed.notify_all()
        if action is Action.SPAWN:
            self._spawn()
        elif action is Action.KILL:
            self._lose(is_ended=False)
        self._tell_pace()

    def _spawn(self) -> None:
        self._watch.spawned(self._clock())
        try:
            self._child = CameraProcess(self._settings, self._inbox)
        except OSError:
            self._lose(is_ended=True)

    def _tell_pace(self) -> None:
        child, now_s = self._child, self._clock()
        if child is not None:
            is_new = child.beat is None or child.beat.sequence < FIRST_PICTURES
            fps = self._settings.fps if is_new or now_s < self._lease_s else self._settings.idle_fps
            child.tell_pace(fps, self._preview_px if now_s < self._preview_lease_s else 0)

    def _lose(self, *, is_ended: bool) -> None:
        code = self._end_child(is_ended=is_ended)
        there = is_present(self._settings.source)
        with self._changed:
            self._watch.lost(self._clock(), code=code, is_present=there)
            self._changed.notify_all()

    def _end_child(self, *, is_ended: bool) -> int | None:
        with self._changed:
            child, self._child, self._preview = self._child, None, None
        return child.end(is_ended=is_ended) if child is not None else None
