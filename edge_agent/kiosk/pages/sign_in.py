"""Sign in with a name and a PIN, sign out, and the way in for an emergency."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.errors import PinRefused
from edge_agent.kiosk.access import person_here, session_of
from edge_agent.kiosk.pages.home import give_cookie
from edge_agent.kiosk.rendering import local_path, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions
from edge_agent.store.accounts import person_of
from edge_agent.store.audit import Action

router = Room()


@router.get("/sign-in")
def choose(request: Request, next: str = "/", account: str = "") -> Response:  # noqa: A002  (the query's name)
    """Show the names, and the PIN pad for the one that was chosen."""
    return _asked(request, next_path=next, account_id=account)


@router.post("/sign-in")
def sign_in(
    request: Request,
    account: Annotated[str, Form()],
    pin: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/",  # noqa: A002  (the field's name)
) -> Response:
    """Check the PIN and give the person a fresh session."""
    parts = parts_of(request)
    try:
        found = parts.accounts.check_pin(account, pin)
    except PinRefused as exc:
        return _asked(request, next_path=next, account_id=account, refused=exc)
    parts.audit.note(found.name, Action.SIGNED_IN)
    sessions: Sessions = request.app.state.sessions
    session = sessions.sign_in(session_of(request), person_of(found))
    return give_cookie(RedirectResponse(local_path(next), status_code=303), session)


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the person's turn; drafts stay."""
    person = person_here(request)
    if person is not None:
        parts_of(request).audit.note(person.name, Action.SIGNED_OUT)
    sessions: Sessions = request.app.state.sessions
    return give_cookie(RedirectResponse("/sign-in", status_code=303), sessions.sign_out(session_of(request)))


def _asked(request: Request, *, next_path: str, account_id: str, refused: PinRefused | None = None) -> Response:
    accounts = parts_of(request).accounts.usable()
    if not accounts:
        return RedirectResponse("/set-up", status_code=303)
    chosen = next((one for one in accounts if one.account_id == account_id), None)
    values = {"accounts": accounts, "chosen": chosen, "next": local_path(next_path), "refused": refused}
    return page(request, "sign_in/sign_in.html", status_code=200 if refused is None else 403, **values)
