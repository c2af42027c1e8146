"""Who may open a room: dependencies that a route declares.

``signed_in`` wants a named account; ``requires("clinician")`` wants one with that role. Emergency access opens only
what says so with ``in_emergency=True``: the way to help a person now, never other people's records.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import HTTPException, Request

from edge_agent.errors import AccountError
from edge_agent.kiosk.rendering import parts_of
from edge_agent.kiosk.sessions import Session
from edge_agent.store.accounts import Person, Role, person_of


class SignInNeeded(HTTPException):
    """Nobody is signed in; the page asks for it and comes back here."""

    def __init__(self) -> None:
        super().__init__(401)


def session_of(request: Request) -> Session:
    """Return the browser's session; the guard let nobody in without one."""
    session: Session = request.state.session
    return session


def person_here(request: Request) -> Person | None:
    """Return who is signed in, with the roles that the account has now; None for nobody or a disabled account."""
    person = session_of(request).person
    if person is None or person.account_id is None:
        return person
    try:
        account = parts_of(request).accounts.get(person.account_id)
    except AccountError:
        return None
    return None if account.is_disabled else person_of(account)


def signed_in(request: Request) -> Person:
    """Return the person of a named account.

    Raises:
        SignInNeeded: nobody is signed in.
        HTTPException: 403, in emergency access.
    """
    return _admitted(request, roles=frozenset(), in_emergency=False)


def requires(*roles: str, in_emergency: bool = False) -> Callable[[Request], Person]:
    """Return a dependency that admits a person with at least one of the roles.

    Args:
        roles: ids of ``Role``; a spelling mistake is found when the program starts.
        in_emergency: also admit emergency access, whatever the roles.
    """
    wanted = frozenset(Role(role) for role in roles)

    def admitted(request: Request) -> Person:
        return _admitted(request, roles=wanted, in_emergency=in_emergency)

    return admitted


def _admitted(request: Request, *, roles: frozenset[Role], in_emergency: bool) -> Person:
    person = person_here(request)
    if person is None:
        raise SignInNeeded
    if person.is_emergency:
        if not in_emergency:
            raise HTTPException(403)
        return person
    if person.must_change_pin:
        raise PinChangeNeeded
    if roles and not roles & person.roles:
        raise HTTPException(403)
    return person


class PinChangeNeeded(HTTPException):
    """The person signed in with a PIN that somebody else chose; first comes an own one."""

    def __init__(self) -> None:
        super().__init__(403)
