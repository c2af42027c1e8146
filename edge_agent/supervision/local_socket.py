"""The local socket: where the command line hands in cases and asks questions. One thread per client.

Readable for this account only; nothing here leaves the device.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from edge_agent.case_wire import unpack_case
from edge_agent.errors import ConfigError, DaemonError, UplinkError
from edge_agent.ipc import SOCKET_NAME, Kind, Message, read_message, write_message
from edge_agent.store.outbox import Outbox
from edge_agent.supervision.case_desk import CaseDesk
from edge_agent.supervision.rooms import STEPS

SYNC_POLL_S: Final = 0.1  # only while somebody waits for a sync
_SOCKET_PATH_MAX: Final = 107  # unix(7): sun_path holds 108 bytes with its final zero


class Sender(Protocol):
    """The uplink as a question about it needs it."""

    @property
    def last_error(self) -> UplinkError | None:
        """Return why the last attempt failed."""
        ...

    def send_now(self, for_s: float) -> None:
        """Let it send for so many seconds, whatever the hour."""
        ...


class Clients:
    """Answer what comes in over the local socket.

    Args:
        desk: takes cases and knows the status.
        outbox: counted while a client waits for a sync.
        uplink: asked to send.
        stop: set when the daemon ends.
    """

    def __init__(self, desk: CaseDesk, *, outbox: Outbox, uplink: Sender, stop: threading.Event) -> None:
        self._desk = desk
        self._outbox = outbox
        self._uplink = uplink
        self._stop = stop

    def begin(self, channel: socket.socket) -> None:
        """Answer one client in a thread of its own."""
        channel.settimeout(None)
        threading.Thread(target=self._serve, args=(channel,), name="client", daemon=True).start()

    def _serve(self, channel: socket.socket) -> None:
        with suppress(DaemonError, OSError), channel, channel.makefile("rwb") as stream:  # the client may leave
            peer = cast(BinaryIO, stream)
            end = self._desk.outcome(lambda: self._answer(peer))
            if end is not None:
                write_message(peer, end)

    def _answer(self, peer: BinaryIO) -> Message | None:
        request = read_message(peer)
        if request is None:
            return None
        answers: dict[str, Callable[[], Message]] = {
            Kind.CASE: lambda: self._take_case(request, peer),
            Kind.STATUS: lambda: Message(body={"kind": Kind.STATUS, **self._desk.status()}),
            Kind.SYNC: lambda: self._sync(float(request.body.get("timeout_s", 30.0))),
        }
        if request.kind not in answers:
            raise DaemonError(f"the daemon does not know the request {request.kind!r}; is it the same version?")
        return answers[request.kind]()

    def _take_case(self, request: Message, peer: BinaryIO) -> Message:
        case = unpack_case(request)
        with self._desk.follow(case.case_id) as messages:
            self._desk.submit(case, language=str(request.body.get("language", "en")))
            write_message(peer, Message(body={"kind": Kind.STORED, "case_id": case.case_id}))
            while (message := messages.get()).kind in STEPS:
                write_message(peer, message)
            return message

    def _sync(self, timeout_s: float) -> Message:
        before = self._outbox.status().stored
        deadline = time.monotonic() + timeout_s
        self._uplink.send_now(timeout_s)
        while True:
            counts = self._outbox.status()
            if counts.queued + counts.sent == 0 or time.monotonic() >= deadline or self._stop.is_set():
                break
            self._stop.wait(SYNC_POLL_S)
        if counts.queued + counts.sent and self._uplink.last_error is not None:
            raise self._uplink.last_error
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
