"""Sign in with a name and a PIN, sign out, choose an own PIN, and the way in for an emergency."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.errors import AccountError, PinRefused
from edge_agent.kiosk.access import person_here, session_of
from edge_agent.kiosk.cookie import give_cookie
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.refusals import Told
from edge_agent.kiosk.rendering import language_of, local_path, page, parts_of
from edge_agent.kiosk.role_words import problem_words
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions
from edge_agent.store.accounts import person_of
from edge_agent.store.audit import Action
from edge_agent.store.emergency_access import emergency_person

router = Room()
EMERGENCY_REASONS: Final = MappingProxyType(
    {
        "danger_to_life": _("A person's life or sight is in danger"),
        "nobody_with_account": _("Nobody with an account is here"),
        "forgotten_pin": _("The PIN is forgotten"),
        "account_locked": _("The account is locked"),
    }
)


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
        return _asked(request, next_path=next, account_id=account, refused=_told(exc))
    parts.audit.note(found.name, Action.SIGNED_IN)
    sessions: Sessions = request.app.state.sessions
    session = sessions.sign_in(session_of(request), person_of(found))
    target = "/pin" if found.must_change_pin else local_path(next)
    return give_cookie(RedirectResponse(target, status_code=303), session)


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the person's turn; drafts stay."""
    person = person_here(request)
    if person is not None:
        parts_of(request).audit.note(person.name, Action.SIGNED_OUT)
    sessions: Sessions = request.app.state.sessions
    return give_cookie(RedirectResponse("/sign-in", status_code=303), sessions.sign_out(session_of(request)))


@router.get("/pin")
def own_pin(request: Request) -> Response:
    """Ask for a new PIN; open to whoever is signed in with an account, also before the first change."""
    return _own_pin(request)


@router.post("/pin")
def change_pin(
    request: Request, old: Annotated[str, Form()], new: Annotated[str, Form()], again: Annotated[str, Form()]
) -> Response:
    """Change the person's own PIN."""
    person = person_here(request)
    if person is None or person.account_id is None:
        raise HTTPException(403)
    if new != again:
        return _own_pin(request, problem=problem_words("not_again"))
    try:
        parts_of(request).accounts.change_pin(person.account_id, old=old, new=new)
    except PinRefused as exc:
        told = _told(exc)
        return _own_pin(request, problem=told.what)
    except AccountError as exc:
        return _own_pin(request, problem=problem_words(exc.details.get("reason")))
    return RedirectResponse("/", status_code=303)


@router.get("/emergency")
def ask_why(request: Request) -> Response:
    """Ask why somebody without a PIN must begin."""
    say = language_of(request).gettext
    return page(
        request, "sign_in/emergency.html", reasons=[(one, say(words)) for one, words in EMERGENCY_REASONS.items()]
    )


@router.post("/emergency")
def enter_in_emergency(request: Request, reason: Annotated[str, Form()]) -> Response:
    """Note the reason durably, then open what helps a person now."""
    if reason not in EMERGENCY_REASONS:
        raise HTTPException(422)
    parts = parts_of(request)
    person = emergency_person(parts.clock())
    parts.audit.note(person.name, Action.EMERGENCY_ACCESS, detail=reason)
    sessions: Sessions = request.app.state.sessions
    session = sessions.sign_in(session_of(request), person)
    return give_cookie(RedirectResponse("/", status_code=303), session)


def _asked(request: Request, *, next_path: str, account_id: str, refused: Told | None = None) -> Response:
    accounts = parts_of(request).accounts.usable()
    if not accounts:
        return RedirectResponse("/set-up", status_code=303)
    chosen = next((one for one in accounts if one.account_id == account_id), None)
    values = {"accounts": accounts, "chosen": chosen, "next": local_path(next_path), "refused": refused}
    return page(request, "sign_in/sign_in.html", status_code=200 if refused is None else 403, **values)


def _own_pin(request: Request, *, problem: Text | None = None) -> Response:
    person = person_here(request)
    if person is None or person.account_id is None:
        return RedirectResponse("/sign-in?next=/pin", status_code=303)
    return page(request, "sign_in/pin.html", status_code=200 if problem is None else 422, problem=problem)


def _told(refused: PinRefused) -> Told:
    """Say what was wrong and how long to wait."""
    left, wait_s = int(str(refused.details.get("left", 0))), float(str(refused.details.get("wait_s", 0)))
    if left == 0:
        return Told(_("This account is locked."), _("A maintainer can give it a new PIN."))
    tries = _n("One more try is left.", "%(n)s more tries are left.", left)
    seconds = math.ceil(wait_s)
    if refused.details.get("reason") == "too_early":
        return Told(_("That was too early; the PIN was not looked at."), _n_seconds(seconds))
    return Told(_("This PIN is wrong."), _n_seconds(seconds) if seconds else tries)


def _n_seconds(seconds: int) -> Text:
    return _n("Wait one second, then try again.", "Wait %(n)s seconds, then try again.", seconds)
