"""The one page of a device whose records cannot be opened: what happened and what to do, in every language at once.

Without it a nurse would stand before a black screen. Opens no store, knows no account and takes nothing: it reads only the
page's own words. Served where the kiosk itself is served, on the loopback interface or a Unix socket.
"""

from __future__ import annotations

import secrets
import socket
import socketserver
import threading
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from edge_agent.config import Config
from edge_agent.errors import EdgeError, StoreFull
from edge_agent.kiosk.door import URL_FILE, write_url
from edge_agent.kiosk.guard import HEADERS, LOOPBACK_NAMES
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.passes import Passes
from edge_agent.kiosk.refusals import NO_ROOM_TO_START, told_of
from edge_agent.kiosk.rendering import Stationery
from edge_agent.kiosk.server import LOOPBACK, listen
from edge_agent.kiosk.sessions import COOKIE, Look

STATIC: Final = Path(__file__).parent / "static"
FILES: Final = {
    "/static/kiosk.css": "text/css",
    "/static/mark.svg": "image/svg+xml",
    "/static/closed.js": "text/javascript",
}


class ClosedPage:
    """Serve the page from ``with`` to its end. A browser that came by the start address is known to the kiosk afterwards.

    Args:
        config: of the device.
        error: why nothing can be opened; only its class is told, never a path.

    Raises:
        ConfigError: the port or socket cannot be used, or a translation cannot be read.
    """

    def __init__(self, config: Config, error: EdgeError) -> None:
        self._state_dir = config.state_dir
        self._passes = Passes(config.state_dir)
        self._token = secrets.token_urlsafe(32)
        self._comers: list[str] = []
        self.content = _content(config, error)
        listener = listen(config.kiosk, before=self._passes.port)
        self._port = listener.getsockname()[1] if listener.family == socket.AF_INET else None
        self._server = _Server(listener, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="closed-page", daemon=True)

    @property
    def origin(self) -> str:
        """Return the address of the page."""
        return "http://localhost" if self._port is None else f"http://{LOOPBACK}:{self._port}"

    def is_our_host(self, host: str) -> bool:
        """Say whether a Host header names this page."""
        names = LOOPBACK_NAMES if self._port is None else [f"{name}:{self._port}" for name in LOOPBACK_NAMES]
        return host.lower() in names

    def welcome(self, query: str, cookie: str) -> str | None:
        """Return the id that a browser with the start token is known by from now on; None for every other."""
        offered = parse_qs(query).get("token", [""])[0]
        if not secrets.compare_digest(offered.encode(), self._token.encode()) or _held(cookie) in self._comers:
            return None
        self._comers.append(secrets.token_urlsafe(32))
        self._passes.note(dict.fromkeys(self._comers, Look()), port=self._port)
        return self._comers[-1]

    def __enter__(self) -> Self:
        self._thread.start()
        with suppress(StoreFull):  # an open page finds this one all the same, at the port that it knows
            write_url(self._state_dir, f"{self.origin}/?token={self._token}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        (self._state_dir / URL_FILE).unlink(missing_ok=True)


class _Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Answer on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, page: ClosedPage) -> None:
        super().__init__(listener.getsockname(), _Handler)
        self.socket, self.page = listener, page

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[socket.socket, object]:
        return self.socket.accept()

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: a browser that has left is no fault."""

    def server_close(self) -> None:
        self.socket.close()

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        request.close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds; a connection that says nothing is let go

    def do_GET(self) -> None:
        asked, page = urlsplit(self.path), self.server.page
        if not page.is_our_host(self.headers.get("host", "")):
            self._answer(421, "text/plain", b"")
        elif asked.path in FILES:
            self._answer(200, FILES[asked.path], (STATIC / Path(asked.path).name).read_bytes())
        else:
            known_by = page.welcome(asked.query, self.headers.get("cookie", ""))
            self._answer(503, "text/html; charset=utf-8", page.content, cookie=known_by)

    do_POST = do_GET  # noqa: N815  # a form of a page that was left open

    def _answer(self, status: int, kind: str, content: bytes, *, cookie: str | None = None) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if cookie is not None:
            self.send_header("set-cookie", f"{COOKIE}={cookie}; HttpOnly; Path=/; SameSite=Strict")
        self.send_header("content-type", kind)
        self.send_header("cache-control", "no-store")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Stay silent: the daemon has said why it is closed."""


def _held(cookie: str) -> str:
    try:
        found = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _content(config: Config, error: EdgeError) -> bytes:
    """Draw the page once: its words do not change while it stands there."""
    told = NO_ROOM_TO_START if isinstance(error, StoreFull) else told_of(error)[1]
    languages = load_languages(config.kiosk.languages)
    stationery = Stationery(languages, default=config.language)
    first = stationery.language(config.language)
    others = [one for one in languages.values() if one.code != first.code]
    values = {"told": told, "spoken": [first, *others], "language": first, "code": type(error).__name__}
    return stationery.write("error/closed.html", first, values).encode()
