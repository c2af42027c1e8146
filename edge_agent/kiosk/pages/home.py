"""The start: the way in by token, and what waits for the person who is signed in."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.kiosk.access import person_here, requires
from edge_agent.kiosk.door import Door
from edge_agent.kiosk.rendering import page, parts_of, refusal
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import COOKIE, Session, Sessions

router = Room()


def give_cookie(response: Response, session: Session) -> Response:
    """Let the browser carry the session's id: not readable for scripts, never sent with another page's requests."""
    response.set_cookie(COOKIE, session.id, httponly=True, samesite="strict", path="/")
    return response


@router.get("/")
def start(request: Request, token: str | None = None) -> Response:
    """Exchange a start token for a session, or show what waits."""
    if token is not None:
        door: Door = request.app.state.door
        sessions: Sessions = request.app.state.sessions
        if not door.exchange(token):
            return refusal(request, 401)
        return give_cookie(RedirectResponse("/", status_code=303), sessions.open())
    if person_here(request) is None:
        has_accounts = bool(parts_of(request).accounts.usable())
        return RedirectResponse("/sign-in" if has_accounts else "/set-up", status_code=303)
    requires(in_emergency=True)(request)
    return page(request, "home/home.html")
