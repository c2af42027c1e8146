"""Serve the kiosk's page from a thread of the daemon: on a loopback port or a Unix socket, never further."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import suppress
from typing import Final

import uvicorn

from edge_agent.config import KioskConfig
from edge_agent.errors import ConfigError, DaemonError
from edge_agent.kiosk.app import create_app
from edge_agent.kiosk.door import URL_FILE, write_url
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.passes import Passes
from edge_agent.kiosk.sessions import Sessions

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 128
START_PATIENCE_S: Final = 20.0
TICK_S: Final = 0.5
STOP_PATIENCE_S: Final = 5.0


class KioskServer:
    """Start, stop and restart the web server of one device.

    Each start makes a new application: a new start token, no sessions. The port stays where it can, and a browser that was
    open is led to the sign-in page (``passes``). Does not restart itself: the supervisor looks at ``is_alive``.

    Args:
        parts: what the rooms work with; ``parts.config.kiosk`` says where it listens.
    """

    def __init__(self, parts: KioskParts) -> None:
        self._parts = parts
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._origin: str | None = None
        self._sessions: Sessions | None = None

    @property
    def origin(self) -> str | None:
        """Return ``http://127.0.0.1:PORT`` while it listens on a port; None on a socket or when stopped."""
        return self._origin

    @property
    def is_alive(self) -> bool:
        """Say whether the server's thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen, write the start address, and serve from a new thread.

        Raises:
            ConfigError: the port or socket cannot be used.
            DaemonError: it did not answer in time.
            StoreError: the start address cannot be written.
        """
        if self._thread is not None:
            raise RuntimeError("the web server is started already")
        passes = Passes(self._parts.config.state_dir)
        listener = listen(self._parts.config.kiosk, before=passes.port)
        try:
            self._server = _QuietServer(self._configured(listener, passes))
        except BaseException:
            listener.close()
            raise
        self._thread = threading.Thread(target=self._run, args=(self._server, listener), name="web", daemon=True)
        self._thread.start()
        self._wait_until_ready()

    def stop(self) -> None:
        """End the server and forget every session. Stopping twice is harmless."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            if self._sessions is not None:
                self._sessions.close()  # streams end by themselves, before the server would break them off
            self._thread.join(STOP_PATIENCE_S)
            if self._thread.is_alive():  # an answer that does not end
                self._server.force_exit = True
                self._thread.join(STOP_PATIENCE_S)
        self._server = self._thread = self._origin = self._sessions = None
        (self._parts.config.state_dir / URL_FILE).unlink(missing_ok=True)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def _configured(self, listener: socket.socket, passes: Passes) -> uvicorn.Config:
        port = listener.getsockname()[1] if listener.family == socket.AF_INET else None
        self._origin = None if port is None else f"http://{LOOPBACK}:{port}"
        state_dir = self._parts.config.state_dir
        origin = self._origin or "http://localhost"
        app = create_app(
            self._parts,
            port=port,
            on_token=lambda token: write_url(state_dir, f"{origin}/?token={token}"),
            passes=passes,
        )
        self._sessions = app.state.sessions
        return uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,  # a stream looks at its session every second at least
            limit_concurrency=64,
        )

    def _wait_until_ready(self) -> None:
        server, thread = self._server, self._thread
        waited = threading.Event()
        for _ in range(int(START_PATIENCE_S / 0.02)):
            if server is None or thread is None or server.started or not thread.is_alive():
                break
            waited.wait(0.02)
        if server is None or not server.started:
            self.stop()
            raise DaemonError("the kiosk's web server did not start; look at the daemon's log")

    @staticmethod
    def _run(server: uvicorn.Server, listener: socket.socket) -> None:
        with listener:
            asyncio.run(server.serve(sockets=[listener]))


class _QuietServer(uvicorn.Server):
    """Look up twice a second instead of ten times: an idle kiosk's processor was mostly woken by that."""

    async def main_loop(self) -> None:
        """Wait for the end, and let the ``Date`` of answers follow the clock each second."""
        is_even = True
        while not await self.on_tick(0 if is_even else 1):  # at 0 the date is written anew
            is_even = not is_even
            await asyncio.sleep(TICK_S)


def listen(kiosk: KioskConfig, *, before: int | None) -> socket.socket:
    """Listen where the configuration says; with any port, the one ``before`` where it is still free.

    Raises:
        ConfigError: the port or socket cannot be used.
    """
    if kiosk.socket is not None:
        return _listen_unix(str(kiosk.socket))
    if kiosk.port == 0 and before is not None:
        with suppress(OSError):
            return _bound(before)
    try:
        return _bound(kiosk.port)
    except OSError as exc:
        raise ConfigError(
            f"[kiosk] port {kiosk.port} cannot be used: {exc.strerror}; choose another one, or 0 for any free one"
        ) from exc


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(BACKLOG)  # before the address is told: whoever opens it now waits, and is not refused
    except BaseException:
        listener.close()
        raise
    return listener


def _listen_unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        if os.path.exists(path):  # noqa: PTH110  (left by a power cut; the state lock is held, so nobody listens)
            os.unlink(path)  # noqa: PTH108
        listener.bind(path)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise ConfigError(f"[kiosk] socket {path} cannot be used: {exc.strerror}; choose another path") from exc
    finally:
        os.umask(before)
    return listener
