"""The supervisor: takes cases over a local socket, stores them first, and owns the inference child and the uplink.

Loads no OpenVINO: whatever the engine does, this process goes on. Killing it loses nothing: cases without a
report are run at the next start, rows without the hub's acknowledgement are sent again.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import structlog

from edge_agent.case_wire import unpack_case
from edge_agent.casework import CaseWork, is_without_model
from edge_agent.contracts.shown_field import ShownField
from edge_agent.devices.ladder import Ladder
from edge_agent.errors import ConfigError, DaemonError, EdgeError
from edge_agent.inference_child import InferenceChild, error_message
from edge_agent.ipc import SOCKET_NAME, Kind, Message, read_message, write_message
from edge_agent.remaining import NO_PACE, Countdown, Predict, learn
from edge_agent.store.cases import CaseStore
from edge_agent.store.outbox import Outbox
from edge_agent.uplink.uplink import Uplink

ACCEPT_POLL_S: Final = 0.2
SYNC_POLL_S: Final = 0.1
STOP_GRACE_S: Final = 10.0
UPLINK_PAUSE_S: Final = 5.0
RESUME_AFTER_S: Final = 30.0
_SOCKET_PATH_MAX: Final = 107  # unix(7): sun_path holds 108 bytes with its final zero

Log = structlog.typing.FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Parts:
    """Hold what the daemon supervises; built by ``bootstrap``, closed there too."""

    cases: CaseStore
    outbox: Outbox
    child: InferenceChild | Ladder
    work: CaseWork
    uplink: Uplink
    stop: threading.Event
    log: Log


class Daemon:
    """Serve one device until told to stop.

    Args:
        parts: everything it owns.
        bundle_dir: told to clients, so that they notice when they asked for another bundle.
        resume_after_s: after so long without a case, those that wait for space, the store, the engine or a good
            bundle are tried again.
        predict: how long a case of so many pictures takes, for a device that has run none yet; None: nobody knows.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        bundle_dir: Path,
        resume_after_s: float = RESUME_AFTER_S,
        predict: Predict | None = None,
    ) -> None:
        self._parts = parts
        self._bundle_dir = bundle_dir
        self._resume_after_s = resume_after_s
        self._predict, self._pace = predict, NO_PACE
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._backlog: deque[str] = deque()  # nobody waits for these; used by one thread at a time
        self._pause_s = 0.0
        self._followers: dict[str, list[queue.Queue[Message]]] = {}
        self._lock = threading.Lock()

    def run(self, state_dir: Path, *, ready: threading.Event | None = None) -> None:
        """Start everything, resume what was pending, and serve until the stop event is set.

        Args:
            state_dir: where the socket is made.
            ready: set when clients can connect.

        Raises:
            RejectedError: the bundle is not trusted; nothing is served.
            ConfigError: the socket cannot be made.
            DaemonError: a part of the daemon ended by itself; the others were stopped too.
        """
        parts = self._parts
        parts.child.start()  # a refused bundle ends the daemon before it takes a case
        threads = [
            threading.Thread(target=self._run_cases, name="cases"),
            threading.Thread(target=self._run_uplink, name="uplink"),
        ]
        try:
            with listen(state_dir) as listener:
                self._resume()
                for thread in threads:
                    thread.start()
                if ready is not None:
                    ready.set()
                parts.log.info("daemon.ready", socket=str(state_dir / SOCKET_NAME), child=parts.child.pid)
                self._accept(listener, threads)
        finally:
            self._wind_down([thread for thread in threads if thread.ident is not None])
        parts.log.info("daemon.stopped")

    def _wind_down(self, threads: Sequence[threading.Thread]) -> None:
        """End the threads and the child, also when accepting failed: the store is closed after this."""
        self._parts.stop.set()
        self._queue.put(None)
        deadline = time.monotonic() + STOP_GRACE_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._parts.child.stop()  # after the grace: ends a case that is still running; it is resumed at the next start
        for thread in threads:
            thread.join()

    def _accept(self, listener: socket.socket, threads: Sequence[threading.Thread]) -> None:
        listener.settimeout(ACCEPT_POLL_S)
        while not self._parts.stop.is_set():
            for thread in threads:  # else it would go on taking cases that nobody runs
                if not thread.is_alive() and not self._parts.stop.is_set():
                    raise DaemonError(f"the daemon's {thread.name} thread ended; look at its log and start it again")
            try:
                channel, _ = listener.accept()
            except TimeoutError:
                continue
            channel.settimeout(None)
            threading.Thread(target=self._serve, args=(channel,), name="client", daemon=True).start()

    def _serve(self, channel: socket.socket) -> None:
        with suppress(DaemonError, OSError), channel, channel.makefile("rwb") as stream:  # the client may leave
            peer = cast(BinaryIO, stream)
            end = self._outcome(lambda: self._answer(peer))
            if end is not None:
                write_message(peer, end)

    def _outcome(self, action: Callable[[], Message | None]) -> Message | None:
        """Do something for somebody and turn whatever happens into a message: nothing may end the supervisor."""
        try:
            return action()
        except EdgeError as exc:
            self._parts.log.warning("refused", **exc.diagnostics())
            return error_message(exc)
        except Exception as exc:  # broad: one request, or a bug in it, must not end the supervisor
            self._parts.log.exception("failed")
            return error_message(DaemonError(f"the daemon failed ({type(exc).__name__}); look at its log"))

    def _answer(self, peer: BinaryIO) -> Message | None:
        request = read_message(peer)
        if request is None:
            return None
        if request.kind == Kind.CASE:
            return self._take_case(request, peer)
        if request.kind == Kind.STATUS:
            return Message(body={"kind": Kind.STATUS, **self.status()})
        if request.kind == Kind.SYNC:
            return self._sync(float(request.body.get("timeout_s", 30.0)))
        raise DaemonError(f"the daemon does not know the request {request.kind!r}; is it the same version?")

    def status(self) -> dict[str, Any]:
        """Return the counts and the processes, ready for JSON."""
        parts = self._parts
        return {
            "daemon": {"pid": os.getpid(), "child_pid": parts.child.pid, "child_state": str(parts.child.state)},
            "device": parts.child.rung,
            "bundle_dir": str(self._bundle_dir),
            "hub_connected": parts.uplink.is_connected,
            "outbox": asdict(parts.outbox.status()),
            "cases": {str(state): count for state, count in parts.cases.counts().items()},
            "pending": len(parts.cases.pending()),
        }

    def _take_case(self, request: Message, peer: BinaryIO) -> Message:
        case = unpack_case(request)
        follower: queue.Queue[Message] = queue.Queue()
        with self._lock:
            self._followers.setdefault(case.case_id, []).append(follower)
        try:
            self._parts.cases.add(case, language=str(request.body.get("language", "en")))
            self._queue.put(case.case_id)
            write_message(peer, Message(body={"kind": Kind.STORED, "case_id": case.case_id}))
            while (message := follower.get()).kind in (Kind.PROGRESS, Kind.FIELD):
                write_message(peer, message)
            return message
        finally:
            with self._lock:
                self._followers[case.case_id].remove(follower)
                if not self._followers[case.case_id]:
                    del self._followers[case.case_id]

    def _tell(self, case_id: str, message: Message) -> None:
        with self._lock:
            for follower in self._followers.get(case_id, []):
                follower.put(message)

    def _run_cases(self) -> None:
        """Run new cases first, for somebody waits; then the backlog, one case at a time."""
        try:
            while not self._parts.stop.is_set():
                try:
                    case_id = self._queue.get(timeout=self._pause_s)
                except queue.Empty:
                    self._outcome(self._catch_up)
                    continue
                if case_id is None:
                    break
                self._run_case(case_id)
        finally:
            self._dismiss()

    def _catch_up(self) -> None:
        """Run one case of the backlog; look for forgotten cases when it is empty.

        A case that must go on waiting stops the backlog for a while: what it waits for (bundle, engine, disk) holds
        the others up too. Then the next one has its turn, so that no single case holds up the rest.
        """
        self._pause_s = self._resume_after_s  # also when the store fails below
        if not self._backlog:
            self._resume()
            is_going_on = bool(self._backlog)
        else:
            case_id = self._backlog.popleft()
            self._run_case(case_id)
            is_going_on = case_id not in self._parts.cases.pending()
        self._pause_s = 0.0 if is_going_on else self._resume_after_s

    def _resume(self) -> None:
        """Find every case without a report: from before this start, or left by a full store or a refused bundle."""
        for case_id in self._parts.cases.pending():
            self._parts.log.info("case.resumed", case_id=case_id)
            self._backlog.append(case_id)

    def _run_case(self, case_id: str) -> None:
        end = self._outcome(lambda: self._complete(case_id))
        if end is not None:
            self._tell(case_id, end)

    def _complete(self, case_id: str) -> Message | None:
        if case_id not in self._parts.cases.pending():
            return None  # queued twice: as a new case and by ``_resume``

        countdown = Countdown(self._pace, clock=time.monotonic, predict=self._predict)

        def on_progress(stage: str, done: int, total: int) -> None:
            body = {"kind": Kind.PROGRESS, "stage": stage, "done": done, "total": total}
            self._tell(case_id, Message(body={**body, "remaining_s": countdown.at(stage, done, total)}))

        def on_field(shown: ShownField) -> None:
            self._tell(case_id, Message(body={"kind": Kind.FIELD, **shown.to_body()}))

        report = self._parts.work.complete(case_id, on_progress=on_progress, on_field=on_field)
        self._pace = learn(self._pace, report)
        self._parts.log.info("case.reported", case_id=case_id, is_without_model=is_without_model(report))
        self._parts.uplink.wake()
        return Message(body={"kind": Kind.REPORT, "report": report})

    def _dismiss(self) -> None:
        """Tell everybody who still follows a case that the daemon goes; their cases are stored."""
        with self._lock:
            for follower in [one for followers in self._followers.values() for one in followers]:
                follower.put(error_message(DaemonError("the daemon stops; the case is stored and will be resumed")))

    def _run_uplink(self) -> None:
        while not self._parts.stop.is_set():
            try:
                self._parts.uplink.run(self._parts.stop)
            except EdgeError as exc:
                self._parts.log.warning("uplink.stopped", **exc.diagnostics())
                self._parts.stop.wait(UPLINK_PAUSE_S)

    def _sync(self, timeout_s: float) -> Message:
        outbox, uplink = self._parts.outbox, self._parts.uplink
        before = outbox.status().stored
        deadline = time.monotonic() + timeout_s
        uplink.wake()
        while True:
            counts = outbox.status()
            if counts.queued + counts.sent == 0 or time.monotonic() >= deadline or self._parts.stop.is_set():
                break
            self._parts.stop.wait(SYNC_POLL_S)
        if counts.queued + counts.sent and uplink.last_error is not None:
            raise uplink.last_error
        return Message(body={"kind": Kind.SYNC, **asdict(counts), "newly_stored": counts.stored - before})


def listen(state_dir: Path) -> socket.socket:
    """Make the socket, readable for this account only. The caller holds the state lock, so an old one is dead.

    Raises:
        ConfigError: the path is too long or cannot be used.
    """
    path = state_dir / SOCKET_NAME
    if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
        raise ConfigError(f"the state folder's path is too long for a socket: {path}; set a shorter state_dir")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen()
    except OSError as exc:
        listener.close()
        raise ConfigError(f"cannot make the socket {path}: {exc.strerror}; check the folder's owner") from exc
    finally:
        os.umask(before)
    return listener
