"""Begin a consultation, come back to one, leave it, throw it away; what is open and what is ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.consultation.steps import INTERRUPTIONS, Step
from edge_agent.contracts.local_time import day_of
from edge_agent.errors import CaseError
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import Text, counted
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.owner_words import owner_names
from edge_agent.kiosk.pages.consultation import danger, intake, person, sites, views
from edge_agent.kiosk.pages.consultation.desk import HOME, Screen, Worker, noting, room_of, show, to_draft, turn_of
from edge_agent.kiosk.pages.consultation.progress import exists, running_page
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room, Tile
from edge_agent.store.accounts import Person, Role

SCREENS: Final[dict[Step, Screen]] = {
    screen.step: screen for room in (danger, person, sites, views, intake) for screen in room.SCREENS
}
STEP_NAMES: Final[dict[Step, Text]] = {
    Step.DANGER_SIGNS: _("Danger signs"),
    Step.EMERGENCY: _("Emergency: read the instruction"),
    Step.SAFEGUARDING: _("Safety: read the instruction"),
    Step.AGE: _("Age and who decides"),
    Step.CONSENT: _("Consents"),
    Step.WHO: _("Who it is"),
    Step.SITES: _("Where on the body"),
    Step.VIEWS: _("Pictures"),
    Step.COMPLAINT: _("What troubles the person"),
    Step.HISTORY: _("Drugs and illnesses"),
    Step.EXAMINATION: _("Examination"),
    Step.IMPRESSION: _("Your own view"),
    Step.RUNNING: _("The program is working"),
    Step.FAILED: _("The program could not finish"),
    Step.REPORT: _("The report is ready"),
    Step.DONE: _("Done"),
}
_WORKERS: Final = frozenset({Role.WORKER, Role.CLINICIAN, Role.PRESCRIBER, Role.TCM_PRACTITIONER})


def _tiles(parts: KioskParts, who: Person) -> Sequence[Tile]:
    if parts.consultation is None or not (who.is_emergency or who.roles & _WORKERS):
        return ()
    room = parts.consultation
    open_now = len(room.consultations.open_drafts(who.name))
    ready = len(room.episodes.ready(who.name))
    note = counted("One report is ready.", "%(n)s reports are ready.", ready) if ready else None
    return (
        Tile(_("Start with a person"), f"{HOME}/new", "person-new", _("Danger signs come first."), is_first=True),
        Tile(_("People on their way"), HOME, "list", note, open_now + len(room.episodes.queue(who.name))),
    )


router = Room(tiles=_tiles)


@router.get("/consultation/new")
def new(request: Request, who: Worker, episode: str = "") -> Response:
    """Ask for the one press that begins a consultation; opening a page must not make one."""
    if episode and who.is_emergency:
        raise HTTPException(403)
    known = room_of(request).episodes.reference(episode) if episode else ""
    return page(request, "consultation/new.html", episode=episode, reference=known)


@router.post("/consultation")
def begin(request: Request, who: Worker, form: Sent) -> Response:
    """Begin a consultation at the danger signs."""
    parts, room = parts_of(request), room_of(request)
    language: Literal["zh", "en"] = "zh" if language_of(request).code.startswith("zh") else "en"
    episode = str(form.get("episode") or "") or None
    if episode and who.is_emergency:
        raise HTTPException(403)
    draft = room.consultations.begin(
        owner=who.name,
        now=parts.clock(),
        language=language,
        episode_id=episode,
        noted=lambda connection, case_id: parts.audit.append(connection, who.name, "case_begun", case_ref=case_id),
    )
    return to_draft(draft.case_id)


@router.get("/consultation")
def people(request: Request, who: Worker) -> Response:
    """List what is open and handed over, and follow-ups that are due.

    A worker sees the own people, a clinician everybody's, to take over; emergency access only what this very entry began.
    """
    parts, room = parts_of(request), room_of(request)
    is_clinician = Role.CLINICIAN in who.roles and not who.is_emergency
    whose = None if is_clinician else who.name
    values: dict[str, Any] = {
        "drafts": room.consultations.open_drafts(whose),
        "visits": [] if who.is_emergency else room.episodes.queue(whose),
        "shows_owner": is_clinician,
        "owner_name": owner_names(parts.database, language_of(request)),
        "due": [] if who.is_emergency else room.episodes.due_follow_ups(day_of(parts.clock())),
        "step_names": STEP_NAMES,
        "ready_steps": {Step.REPORT, Step.FAILED},
    }
    return page(request, "consultation/people.html", **values)


@router.get("/consultation/{case_id}")
def present(request: Request, case_id: str, who: Worker) -> Response:
    """Show the step at which a consultation stands, or the case that it became."""
    if exists(request, case_id):
        return running_page(request, case_id, who)
    turn = turn_of(request, case_id, who)
    if turn.draft.step is Step.RUNNING:
        return page(request, "consultation/waiting.html", draft=turn.draft)
    return show(turn, SCREENS[turn.draft.step])


@router.post("/consultation/{case_id}/back")
def back(request: Request, case_id: str, who: Worker) -> Response:
    """Go one step back; every answer that was saved stays."""
    turn = turn_of(request, case_id, who)
    try:
        turn.room.consultations.change(case_id, turn.room.course.back, by=who.name)
    except CaseError:  # the button of a page that was left open
        return to_draft(case_id)
    return to_draft(case_id)


@router.post("/consultation/{case_id}/discard")
def discard(request: Request, case_id: str, who: Worker, form: Sent) -> Response:
    """Throw a consultation away, after a second yes."""
    turn = turn_of(request, case_id, who)
    if not form.get("is_sure"):
        is_urgent = turn.draft.step in INTERRUPTIONS or bool(turn.draft.seen)
        return page(request, "consultation/discard.html", draft=turn.draft, is_urgent=is_urgent)
    noted = noting(turn, "case_discarded", detail=str(turn.draft.step))
    turn.room.consultations.discard(case_id, why="thrown away by the worker", noted=noted)
    return RedirectResponse(HOME, status_code=303)
