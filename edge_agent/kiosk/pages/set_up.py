"""The very first account of a device: only where there is none yet, and only in the kiosk's own browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.errors import AccountError
from edge_agent.kiosk.access import session_of
from edge_agent.kiosk.cookie import give_cookie
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.role_words import problem_words, role_options
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions
from edge_agent.store.accounts import SET_UP, Role, person_of
from edge_agent.store.audit import Action

router = Room()


@router.get("/set-up")
def welcome(request: Request) -> Response:
    """Ask who looks after the kiosk."""
    if parts_of(request).accounts.all():
        return RedirectResponse("/", status_code=303)
    return _asked(request)


@router.post("/set-up")
def make_first_account(
    request: Request,
    name: Annotated[str, Form()],
    pin: Annotated[str, Form()],
    again: Annotated[str, Form()],
    role: Annotated[list[Role] | None, Form()] = None,
) -> Response:
    """Make the first maintainer and sign that person in."""
    parts = parts_of(request)
    if pin != again:
        return _asked(request, name=name, chosen=role or [], problem=problem_words("not_again"))
    try:
        account = parts.accounts.add_first(name, roles={Role.MAINTAINER, *(role or [])}, pin=pin, by=SET_UP)
    except AccountError as exc:
        if exc.details.get("reason") == "not_first":
            raise HTTPException(403) from exc
        return _asked(request, name=name, chosen=role or [], problem=problem_words(exc.details.get("reason")))
    parts.audit.note(account.name, Action.SIGNED_IN)
    sessions: Sessions = request.app.state.sessions
    session = sessions.sign_in(session_of(request), person_of(account))
    return give_cookie(RedirectResponse("/", status_code=303), session)


def _asked(
    request: Request, *, name: str = "", chosen: list[Role] | None = None, problem: Text | None = None
) -> Response:
    return page(
        request,
        "set_up/set_up.html",
        status_code=200 if problem is None else 422,
        name=name,
        chosen=[one.value for one in chosen or []],
        problem=problem,
        roles=role_options(language_of(request), without=[Role.MAINTAINER]),
    )
