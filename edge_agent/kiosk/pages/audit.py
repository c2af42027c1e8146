"""Who did what on this device: for clinicians and maintainers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.errors import StoreCorrupt
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.language import Language, Text
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.owner_words import emergency_words
from edge_agent.kiosk.pages.home import unseen_emergencies
from edge_agent.kiosk.pages.sign_in import EMERGENCY_REASONS
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room, Tile
from edge_agent.store.accounts import COMMAND_LINE, EMERGENCY, SET_UP, Person, Role
from edge_agent.store.audit import Action, ClockTrust, Entry

SHOWN: Final = 100
Reader = Annotated[Person, Depends(requires("clinician", "maintainer"))]
ACTION_WORDS: Final = MappingProxyType(
    {
        Action.ACCOUNT_ADDED: _("added an account"),
        Action.ACCOUNT_DISABLED: _("switched an account off"),
        Action.ACCOUNT_ENABLED: _("switched an account on"),
        Action.PIN_RESET: _("gave an account a new PIN"),
        Action.PIN_CHANGED: _("changed the own PIN"),
        Action.PIN_REFUSED: _("wrong PIN"),
        Action.SIGNED_IN: _("signed in"),
        Action.SIGNED_OUT: _("signed out"),
        Action.EMERGENCY_ACCESS: _("used emergency access"),
        Action.EMERGENCY_SEEN: _("looked at emergency access"),
        Action.CASE_OPENED: _("opened a case"),
        Action.PICTURE_VIEWED: _("looked at a picture"),
        Action.PICTURE_REMOVED: _("removed a picture"),
        Action.REPORT_OPENED: _("opened a report"),
        Action.REPORT_PRINTED: _("printed a report"),
        Action.REPORT_EXPORTED: _("exported a report"),
        Action.AUDIT_EXPORTED: _("exported this trail"),
        Action.CONSENT_GIVEN: _("noted a consent"),
        Action.CONSENT_REFUSED: _("noted a refusal"),
        Action.CONSENT_WITHDRAWN: _("noted a withdrawal"),
        Action.RECEIVER_ANSWERED: _("noted a receiver's answer"),
        Action.ANSWER_CORRECTED: _("corrected an answer"),
        Action.CORRECTION_SEEN: _("looked at a corrected answer"),
        Action.DATE_CONFIRMED: _("confirmed the date"),
    }
)
_WHO_WORDS: Final = MappingProxyType(
    {EMERGENCY: _("Emergency access"), SET_UP: _("First set-up"), COMMAND_LINE: _("Command line")}
)
_CLOCKS: Final = MappingProxyType(
    {
        ClockTrust.SYNCHRONISED: ("good", _("set by a time server")),
        ClockTrust.PLAUSIBLE: ("unknown", _("not compared")),
        ClockTrust.WRONG: ("bad", _("wrong")),
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one row of the trail as it is shown."""

    when: str
    who: str
    who_name: str | None
    who_words: Text | None
    action: str
    words: Text | None
    detail: str | None
    detail_words: Text | None
    case_ref: str | None
    clock_state: str
    clock_words: Text


def _tiles(_parts: KioskParts, person: Person) -> Sequence[Tile]:
    if person.is_emergency or not person.roles & {Role.CLINICIAN, Role.MAINTAINER}:
        return ()
    return (Tile(_("Who did what"), "/audit", "trail", _("The trail of this device")),)


router = Room(tiles=_tiles)


@router.get("/audit")
def trail(request: Request, person: Reader, before: int | None = None, action: str | None = None) -> Response:
    """Show the newest rows, whether the chain is whole, and the way to older ones."""
    parts = parts_of(request)
    known = parts.accounts.all()
    names, shown = {one.account_id: one.name for one in known}, {one.name: one.display_name for one in known}
    found = parts.audit.newest(SHOWN, before=before, action=action)
    is_sound, checked = _checked(parts)
    return page(
        request,
        "audit/audit.html",
        rows=[_row(entry, language_of(request), names, shown) for entry in found],
        older=found[-1].seq if len(found) == SHOWN else None,
        action=action if action in set(Action) else None,
        is_sound=is_sound,
        checked=checked,
        emergencies=unseen_emergencies(parts.audit, person),
    )


@router.post("/audit/seen")
def seen(request: Request, person: Reader) -> Response:
    """Note that somebody looked at how emergency access was used."""
    parts_of(request).audit.note(person.name, Action.EMERGENCY_SEEN)
    return RedirectResponse("/audit?action=emergency_access", status_code=303)


def _checked(parts: KioskParts) -> tuple[bool, Text]:
    try:
        count = parts.audit.verify()
    except StoreCorrupt as exc:
        return False, _("Row %(row)s does not fit.", row=exc.details.get("row", "?"))
    return True, _n("One row was checked.", "%(n)s rows were checked.", count)


def _row(entry: Entry, language: Language, names: dict[str, str], shown: dict[str, str]) -> Row:
    state, words = _CLOCKS[entry.clock]
    detail = entry.detail
    return Row(
        when=language.time(entry.at.astimezone()),
        who=entry.who,
        who_name=shown.get(entry.who),
        who_words=_WHO_WORDS.get(entry.who) or emergency_words(entry.who, language),
        action=entry.action,
        words=ACTION_WORDS.get(Action(entry.action)) if entry.action in set(Action) else None,
        detail=None if detail is None else names.get(detail, detail),
        detail_words=EMERGENCY_REASONS.get(detail or ""),
        case_ref=entry.case_ref,
        clock_state=state,
        clock_words=words,
    )
