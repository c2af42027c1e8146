"""The web server as a part of the daemon: started, asked over its own port whether it answers, stopped."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from edge_agent.supervision.keeper import Monotonic

ASK_EVERY_S: Final = 15.0
ANSWER_S: Final = 10.0
_QUESTION: Final = "GET /static/alive HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"


class Server(Protocol):
    """The kiosk's web server."""

    @property
    def is_alive(self) -> bool:
        """Say whether its thread runs."""
        ...

    @property
    def origin(self) -> str | None:
        """Return ``http://HOST:PORT``; None on a Unix socket."""
        ...

    def start(self) -> None:
        """Listen and serve."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


class WebService:
    """Keep one web server; see ``ServicePart``.

    Args:
        build: makes the server, at each start anew.
        socket_path: where it listens in place of a port.
        clock: monotonic seconds.
    """

    def __init__(
        self, build: Callable[[], Server], *, socket_path: Path | None = None, clock: Monotonic = time.monotonic
    ) -> None:
        self._build = build
        self._socket_path = socket_path
        self._clock = clock
        self._server: Server | None = None
        self._asked_s = clock()

    @property
    def origin(self) -> str | None:
        """Return where it is reached; None on a socket or while it is stopped."""
        return None if self._server is None else self._server.origin

    def start(self) -> None:
        """Build and start the server.

        Raises:
            EdgeError: it cannot listen or does not answer.
        """
        self._server = self._build()
        self._server.start()
        self._asked_s = self._clock()

    def stop(self) -> None:
        """End the server, if there is one."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def fault(self) -> str | None:
        """Say that the server's thread ended, or, asked now and then, that it does not answer any more."""
        server = self._server
        if server is None or not server.is_alive:
            return "the web server ended"
        if self._clock() - self._asked_s < ASK_EVERY_S:
            return None
        self._asked_s = self._clock()
        return None if self._answers(server) else "the web server does not answer"

    def _answers(self, server: Server) -> bool:
        host = (server.origin or "http://localhost").removeprefix("http://")
        with suppress(OSError), self._connected(host) as channel:
            channel.sendall(_QUESTION.format(host=host).encode())
            return channel.recv(16).startswith(b"HTTP/1.")
        return False

    def _connected(self, host: str) -> socket.socket:
        if self._socket_path is None:
            name, _, port = host.rpartition(":")
            return socket.create_connection((name, int(port)), timeout=ANSWER_S)
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.settimeout(ANSWER_S)
        channel.connect(str(self._socket_path))
        return channel
