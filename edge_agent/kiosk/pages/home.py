"""The start: the way in by token, and what waits for the person who is signed in."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from edge_agent.kiosk.access import person_here, requires, session_of
from edge_agent.kiosk.cookie import give_cookie
from edge_agent.kiosk.door import Door
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.rendering import language_of, page, parts_of, refusal
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions
from edge_agent.kiosk.sync_words import sync_words
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import Action, AuditTrail

router = Room()


@router.get("/")
def start(request: Request, token: str | None = None) -> Response:
    """Exchange a start token for a session, or show what waits."""
    if token is not None:
        return _exchange(request, token)
    if person_here(request) is None:
        has_accounts = bool(parts_of(request).accounts.usable())
        return RedirectResponse("/sign-in" if has_accounts else "/set-up", status_code=303)
    person = requires(in_emergency=True)(request)
    parts = parts_of(request)
    rooms: tuple[Room, ...] = request.app.state.rooms
    tiles = [tile for room in rooms for tile in room.tiles(parts, person)]
    words = sync_words(parts.desk.status(), seen=parts.uplink_seen(), now=parts.clock(), language=language_of(request))
    tiles.sort(key=lambda tile: not tile.is_first)
    say = language_of(request).gettext
    waiting = unseen_emergencies(parts.audit, person)
    return page(request, "home/home.html", tiles=tiles, sync=words, emergencies=say(waiting) if waiting else "")


@router.post("/awake")
def awake(request: Request) -> Response:
    """Say who is still signed in; that it was asked keeps the session alive (``static/blank.js``)."""
    person = person_here(request)
    return JSONResponse({"person": None if person is None else person.name})


@router.get("/blank")
def blank(request: Request) -> Response:
    """Show an empty page where a browser has no script to blank the screen."""
    session_of(request)
    return page(request, "sign_in/blank.html")


def unseen_emergencies(audit: AuditTrail, person: Person) -> Text | None:
    """Return how often emergency access was used since somebody last looked, for those who have to look."""
    if person.is_emergency or not person.roles & {Role.CLINICIAN, Role.MAINTAINER}:
        return None
    count = audit.count_since(Action.EMERGENCY_ACCESS, after_last=Action.EMERGENCY_SEEN)
    if not count:
        return None
    return _n("Emergency access was used once.", "Emergency access was used %(n)s times.", count)


def _exchange(request: Request, token: str) -> Response:
    door: Door = request.app.state.door
    sessions: Sessions = request.app.state.sessions
    if not door.exchange(token):
        return refusal(request, 401)
    return give_cookie(RedirectResponse("/", status_code=303), sessions.open())
