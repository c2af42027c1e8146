"""Who may use this kiosk: for maintainers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.errors import AccountError
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.role_words import ROLE_WORDS, problem_words, role_options
from edge_agent.kiosk.room import Room, Tile
from edge_agent.store.accounts import Person, Role

Maintainer = Annotated[Person, Depends(requires("maintainer"))]


def _tiles(_parts: KioskParts, person: Person) -> Sequence[Tile]:
    if person.is_emergency or Role.MAINTAINER not in person.roles:
        return ()
    return (Tile(_("Accounts"), "/accounts", "people", _("Who may use this kiosk")),)


router = Room(tiles=_tiles)


@router.get("/accounts")
def accounts(request: Request, person: Maintainer) -> Response:  # noqa: ARG001  (admits only)
    """List everybody."""
    listed = parts_of(request).accounts.all()
    return page(request, "accounts/accounts.html", accounts=listed, role_words=ROLE_WORDS)


@router.get("/accounts/new")
def ask_for_person(request: Request, person: Maintainer) -> Response:  # noqa: ARG001  (admits only)
    """Ask for name, roles and first PIN."""
    return _new(request)


@router.post("/accounts/new")
def add_person(
    request: Request,
    person: Maintainer,
    name: Annotated[str, Form()],
    pin: Annotated[str, Form()],
    role: Annotated[list[Role] | None, Form()] = None,
) -> Response:
    """Add a person, who chooses an own PIN at the first sign-in."""
    try:
        parts_of(request).accounts.add(name, roles=role or [], pin=pin, by=person.name, must_change_pin=True)
    except AccountError as exc:
        return _new(request, name=name, chosen=role or [], problem=problem_words(exc.details.get("reason")))
    return RedirectResponse("/accounts", status_code=303)


@router.get("/accounts/{account_id}")
def account(request: Request, person: Maintainer, account_id: str) -> Response:  # noqa: ARG001  (admits only)
    """Show what can be changed about one account."""
    return _one(request, account_id)


@router.post("/accounts/{account_id}/pin")
def reset_pin(request: Request, person: Maintainer, account_id: str, pin: Annotated[str, Form()]) -> Response:
    """Give somebody a new PIN."""
    try:
        parts_of(request).accounts.reset_pin(account_id, pin=pin, by=person.name)
    except AccountError as exc:
        return _one(request, account_id, problem=problem_words(exc.details.get("reason")))
    return RedirectResponse("/accounts", status_code=303)


@router.post("/accounts/{account_id}/state")
def switch(request: Request, person: Maintainer, account_id: str, disabled: Annotated[str, Form()]) -> Response:
    """Switch an account off or on again."""
    try:
        parts_of(request).accounts.set_disabled(account_id, is_disabled=disabled == "yes", by=person.name)
    except AccountError as exc:
        return _one(request, account_id, problem=problem_words(exc.details.get("reason")))
    return RedirectResponse("/accounts", status_code=303)


def _new(request: Request, *, name: str = "", chosen: Sequence[Role] = (), problem: Text | None = None) -> Response:
    return page(
        request,
        "accounts/new.html",
        status_code=200 if problem is None else 422,
        name=name,
        chosen=[one.value for one in chosen],
        roles=role_options(language_of(request)),
        problem=problem,
    )


def _one(request: Request, account_id: str, *, problem: Text | None = None) -> Response:
    found = parts_of(request).accounts.get(account_id)
    return page(
        request, "accounts/one.html", status_code=200 if problem is None else 422, account=found, problem=problem
    )
