"""What every request passes before any room: host, origin, size, rate, session; and the headers of every answer.

Source: OWASP Secure Headers Project and Cross-Site Request Forgery cheat sheet; Fetch Metadata (w3.org/TR/fetch-metadata);
DNS rebinding is stopped by the Host check. ``Referrer-Policy: same-origin`` and not ``no-referrer``: with the latter a
browser sends ``Origin: null`` with the kiosk's own forms (fetch.spec.whatwg.org, "append a request Origin header").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_agent.errors import EdgeError
from edge_agent.kiosk.cookie import give_cookie
from edge_agent.kiosk.limits import MAX_FORM_BYTES, MAX_UPLOAD_BYTES, PER_MINUTE, STRANGERS_PER_MINUTE, Rate
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.passes import Passes
from edge_agent.kiosk.rendering import here, local_path, refusal
from edge_agent.kiosk.room import SAFE
from edge_agent.kiosk.sessions import COOKIE, Session, Sessions

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
STATIC: Final = "/static/"
METRICS: Final = "/metrics"  # numbers without anybody in them, for a scraper on this computer: it has no session
CONTENT_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect", "font")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
# The page that shows a printed sheet frames the PDF, and the PDF lets itself be framed by our own pages alone; nothing else
# of the kiosk frames or is framed.
PAPER: Final = re.compile(r"/cases/[^/]+/print/(?:(?P<page>paper)|(?:report|letter)\.pdf)")
HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=()",
}


class Guard:
    """Let a request of the kiosk's own browser through, refuse every other with a calm page.

    Does not know who is signed in: the rooms ask for that (``access``).

    Args:
        app: the rooms.
        parts: for the log and the time.
        sessions: of this start.
        port: the only port in a Host header that is right; None allows any (Unix socket, tests).
        passes: of browsers that were open before the page was started again; None knows none.
    """

    def __init__(
        self, app: ASGIApp, *, parts: KioskParts, sessions: Sessions, port: int | None, passes: Passes | None = None
    ) -> None:
        self._app = app
        self._log = parts.log
        self._sessions = sessions
        self._port = port
        self._passes = passes
        self._rate = Rate(PER_MINUTE, monotonic=parts.monotonic)
        self._strangers = Rate(STRANGERS_PER_MINUTE, monotonic=parts.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":  # no room speaks WebSocket
            await self._serve(scope, receive, _Answer(send, headers_of(scope["path"])))

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        request = Request(scope)
        session = self._session(request)
        request.state.session = session
        status = self._problem(request, session)
        try:
            if status is None:
                await self._app(scope, _limited(receive, _limit(request)), answer)
            elif status == 401 and (welcome := await run_in_threadpool(self._welcome, request)) is not None:
                await welcome(scope, receive, answer)
            else:
                await self._refuse(request, status, receive, answer)
        except Exception as exc:  # noqa: BLE001  (a mistake in a room must be a calm page, and must not end the server)
            self._note(exc, path=scope.get("route_path", ""), has_started=answer.has_started)
            if not answer.has_started:
                await self._refuse(request, 500, receive, answer)

    async def _refuse(self, request: Request, status: int, receive: Receive, answer: _Answer) -> None:
        """Answer with a calm page; it is drawn in a thread, for its banners ask the store and may wait for it."""
        response = await run_in_threadpool(refusal, request, status)
        await response(request.scope, receive, answer)

    def _welcome(self, request: Request) -> Response | None:
        """Lead a browser that was open before this start to the sign-in page, and back to where it was; None for others.

        Writes to the disk: only in a thread, for a slow disk must not stop the other pages.
        """
        cookie = request.cookies.get(COOKIE)
        is_page = request.headers.get("sec-fetch-dest", "document") == "document"
        look = self._passes.use(cookie) if self._passes is not None and is_page else None
        if look is None:
            return None
        way_back = quote(_way_back(request), safe="")
        session = self._sessions.open(returning=look)
        return give_cookie(RedirectResponse(f"/sign-in?next={way_back}", status_code=303), session)

    def _note(self, error: Exception, *, path: str, has_started: bool) -> None:
        """Write down why an answer broke off; for a stream that the store ended, one line is enough."""
        if self._log is None:
            return
        if has_started and isinstance(error.__cause__, EdgeError):
            self._log.warning("kiosk.stream_ended", **error.__cause__.diagnostics())
        else:
            self._log.exception("kiosk.failed", path=path)

    def _session(self, request: Request) -> Session | None:
        session = self._sessions.find(request.cookies.get(COOKIE))
        if session is not None and _is_by_hand(request):
            session = self._sessions.touch(session)
        return session

    def _problem(self, request: Request, session: Session | None) -> int | None:  # noqa: PLR0911  (one line each)
        """Return the status of a refusal; None lets the request in."""
        if not self._is_our_host(request.headers.get("host", "")):
            return 421
        if not _is_our_origin(request):
            return 403
        if (request.url.path.startswith(STATIC) or request.url.path == METRICS) and request.method in SAFE:
            return None
        if session is None and _brings_token(request):
            return None  # not counted: a flood of strangers must not keep the kiosk's own browser out
        if not (self._rate.admits(session.id) if session else self._strangers.admits("")):
            return 429
        if session is None:
            return 401
        if self._sessions.is_blank(session):
            return 423  # a preview or stream behind a blank screen; whatever a person does has woken it above
        length = request.headers.get("content-length", "0")
        return None if length.isdigit() and int(length) <= _limit(request) else 413

    def _is_our_host(self, host: str) -> bool:
        allowed = LOOPBACK_NAMES if self._port is None else [f"{name}:{self._port}" for name in LOOPBACK_NAMES]
        if self._port is None:
            name, _, port = host.rpartition(":")
            host = name if port.isdigit() and name else host
        return host.lower() in allowed


def headers_of(path: str) -> Mapping[str, str]:
    """Return the headers of an answer: the same for every room, but that a PDF may stand in a frame of our own page."""
    found = PAPER.fullmatch(path)
    if found is None:
        return HEADERS
    if found["page"]:
        return {**HEADERS, "content-security-policy": f"{CONTENT_POLICY}; frame-src 'self'"}
    policy = CONTENT_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    return {**HEADERS, "content-security-policy": policy, "x-frame-options": "SAMEORIGIN"}


def _is_our_origin(request: Request) -> bool:
    """Say whether a request comes from a page of ours, or was typed in.

    A page on another port of this computer is another origin but the same "site": its requests carry our cookie.
    """
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return request.method in SAFE
    return urlsplit(origin).scheme == "http" and urlsplit(origin).netloc == request.headers.get("host")


def _way_back(request: Request) -> str:
    """Return the page to come back to: the one that was asked for, or the one whose form was sent."""
    if request.method in SAFE:
        return here(request)
    came_from = urlsplit(request.headers.get("referer", ""))
    return local_path(came_from.path) if came_from.netloc == request.headers.get("host") else "/"


def _brings_token(request: Request) -> bool:
    return request.url.path == "/" and "token" in request.query_params and request.method in SAFE


def _is_by_hand(request: Request) -> bool:
    """Say whether a person did this: a page was opened or something sent; previews and streams do not count."""
    return request.method not in SAFE or request.headers.get("sec-fetch-dest", "document") == "document"


def _limit(request: Request) -> int:
    kind = request.headers.get("content-type", "")
    return MAX_UPLOAD_BYTES if kind.lower().startswith("multipart/form-data") else MAX_FORM_BYTES


def _limited(receive: Receive, limit: int) -> Receive:
    """Stop a body that is longer than it may be, also one that never said its length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413)
        return message

    return counted


class _Answer:
    """Send an answer with the headers that every answer has."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send, self._headers = send, headers
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await self._send(message)
