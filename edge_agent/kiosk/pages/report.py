"""One case's report on the screen: its parts in the fixed order, a decision on each, and the signature.

The report is written for clinicians. Workers read it too, without the TCM part that the practice keeps to clinicians, and
decide nothing. The page is drawn from the same parts as
print and terminal (``agents.report.words.page_of``), so none can say what another leaves out: what clinicians decided stands
as on the clinician's copy, and what fell is struck.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from edge_agent.agents.report.parts import Block, Boxes, Line, Listing, Table
from edge_agent.agents.report.plan import next_visit
from edge_agent.agents.report.reading import readable
from edge_agent.agents.report.standing import for_the_person
from edge_agent.agents.report.words import page_of
from edge_agent.consultation.steps import Step
from edge_agent.contracts.local_time import day_of
from edge_agent.errors import CaseError
from edge_agent.interop.stored import review_of
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.case_rooms import (
    DECIDERS,
    Carer,
    episodes_of,
    is_foreign,
    listed_case,
    may_close,
    noting,
    reader_of,
    referral_contact,
    row_of,
    shown_pictures,
    speech_of,
    term_of,
    vault_of,
    visit_here,
)
from edge_agent.kiosk.controls import controls
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.next_visit import FIELD, another_day, choices, chosen_day
from edge_agent.kiosk.plain_report import without_codes
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.take_home import take_home
from edge_agent.policy.rules import program_notices
from edge_agent.review.decisions import (
    REASONS,
    Decision,
    check_decision,
    lacks_tier,
    may_decide,
    open_sections,
)
from edge_agent.review.sections import CORRECTABLE, SHOWN_IN
from edge_agent.store.accounts import Person, Role, display_names
from edge_agent.store.audit import Action
from edge_agent.store.database import Connection
from edge_agent.store.reviews import ReviewStore
from edge_agent.store.withdrawal import Withdrawals

router = Room()
Decider = Annotated[Person, Depends(requires(*DECIDERS))]


@router.get("/cases/{case_id}")
def report(request: Request, case_id: str, person: Carer, again: str = "") -> Response:
    """Show the report of a case, or where the case stands while there is none."""
    parts = parts_of(request)
    row = row_of(listed_case(request, case_id), parts)
    told = parts.cases.report(case_id)
    if told is None:
        return page(request, "cases/waiting.html", row=row, status=parts.cases.status(case_id))
    parts.audit.note(person.name, Action.REPORT_OPENED, case_ref=case_id)
    visit = visit_here(parts, case_id)
    if visit is not None and visit.owner == person.name:
        episodes_of(parts).mark_opened(case_id, now=parts.clock())
    told = readable(told)
    reviews, withdrawals = ReviewStore(parts.database), Withdrawals(parts.database, vault=vault_of(parts))
    decisions = reviews.decisions(case_id)
    words = parts.vocabulary
    is_locked = withdrawals.is_locked(case_id)
    review = review_of(parts.database, cases=parts.cases, case_id=case_id)
    whole = page_of(
        told,
        words,
        speech_of(request),
        audience=reader_of(person),
        review=review,
        says_who=False,
        dates=language_of(request),
        contact=referral_contact(parts),
    )
    shown, details = without_codes(whole)
    said = for_the_person(told, review, words)
    booked, today = next_visit(said), day_of(parts.clock())
    return page(
        request,
        "cases/report.html",
        row=row,
        notices=[term_of(request, "consent_text", one) for one in program_notices(was_program_used=is_described(told))],
        why_second=[term_of(request, "second_reading_reason", one) for one in row.needs_second_reading],
        told=shown,
        details=details,
        controls=controls(request, told, decisions, person),
        open_sections=open_sections(told, decisions),
        lacks_tier=lacks_tier(decisions),
        sign_off=reviews.sign_off(case_id),
        readings=reviews.second_readings(case_id),
        withdrawn=[term_of(request, "consent_title", one.purpose) for one in withdrawals.of(case_id)],
        is_locked=is_locked,
        pictures=shown_pictures(request, case_id, person),
        reasons=[(one, term_of(request, "decision_reason", one)) for one in REASONS if one != "agree"],
        kind=kind,
        names=display_names(parts.database),
        again=again,
        is_foreign=is_foreign(request),
        may_sign=Role.CLINICIAN in person.roles and not is_locked,
        may_decide=bool({*DECIDERS} & person.roles) and not is_locked,
        is_visit=visit is not None,
        may_close=visit is not None and visit.step is not Step.DONE and may_close(visit, person),
        choices=choices(language_of(request), today=today, planned=None if booked is None else max(booked, today)),
        another_day=another_day(language_of(request), today=today),
        take_home=_take_home(request, said, review.follow_up or booked),
    )


def _take_home(request: Request, said: dict[str, Any], day: date | None) -> tuple[str, ...]:
    """Return what is said to the person: like paper, what stands after the clinician's decisions."""
    parts, language = parts_of(request), language_of(request)
    return take_home(
        said,
        parts.translations,
        parts.vocabulary,
        language.code,
        date=language.date(day) if day else None,
        contact=referral_contact(parts),
    )


def is_described(told: dict[str, Any]) -> bool:
    """Say whether the program described anything of the case: then people are told so, and how to ask for a person (R16)."""
    return "ai_notice" in told["notices"]


def kind(block: Block) -> str:
    """Return which part of the template draws a block."""
    kinds: dict[type[Any], str] = {Line: "line", Table: "table", Listing: "listing", Boxes: "boxes"}
    return kinds[type(block)]


@router.post("/cases/{case_id}/decide")
def decide(request: Request, case_id: str, person: Decider, form: Sent) -> Response:
    """Take one decision on one part."""
    told = _report_of(request, case_id)
    section, verdict = str(form.get("section", "")), str(form.get("verdict", ""))
    values = {name: str(form[f"value_{name}"]) for name in CORRECTABLE.get(section, {}) if form.get(f"value_{name}")}  # type: ignore[call-overload]
    if verdict == "accepted":
        values = {}
    if section not in SHOWN_IN:
        raise CaseError("the report does not hold this part: there is nothing to decide")
    try:
        decision = _decision(
            request,
            person,
            section=section,
            verdict=verdict,
            reason="agree" if verdict == "accepted" else str(form.get("reason", "")),
            values=values,
            note="" if verdict == "accepted" else str(form.get("note", "")).strip(),
        )
    except ValidationError:
        return RedirectResponse(f"/cases/{case_id}?again={section}#decide-{section}", status_code=303)
    _take(request, case_id, decision, told, person)
    return RedirectResponse(f"/cases/{case_id}#{SHOWN_IN[decision.section]}", status_code=303)


@router.post("/cases/{case_id}/accept-open")
def accept_open(request: Request, case_id: str, person: Decider) -> Response:
    """Accept every part that is still open and that this person may decide on."""
    told = _report_of(request, case_id)
    for section in open_sections(told, ReviewStore(parts_of(request).database).decisions(case_id)):
        if may_decide(section, person.roles):
            decision = _decision(request, person, section=section, verdict="accepted", reason="agree")
            _take(request, case_id, decision, told, person)
    return RedirectResponse(f"/cases/{case_id}#sign", status_code=303)


@router.post("/cases/{case_id}/sign")
def sign(
    request: Request,
    case_id: str,
    person: Annotated[Person, Depends(requires(Role.CLINICIAN))],
    form: Sent,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Sign the report: from here on its decisions stand, its codes may leave, and the next visit has its day."""
    parts = parts_of(request)
    if not confirmed:
        raise CaseError("confirm that you have read the report before you sign it")
    try:
        due = chosen_day(form, today=day_of(parts.clock()))
    except CaseError:
        return RedirectResponse(f"/cases/{case_id}?again={FIELD}#sign", status_code=303)
    _report_of(request, case_id)
    told = noting(parts, person, "report_signed", case_id=case_id)
    is_visit = visit_here(parts, case_id) is not None

    def noted(connection: Connection) -> None:
        told(connection)
        if is_visit:
            episodes_of(parts).put_follow_up(connection, case_id, due)

    ReviewStore(parts.database).sign(case_id, account=person.name, signed=parts.clock(), noted=noted)
    return RedirectResponse(f"/cases/{case_id}", status_code=303)


@router.post("/cases/{case_id}/done")
def done(request: Request, case_id: str, person: Carer) -> Response:
    """Take a person off the list of people on their way: the report was read and talked about."""
    parts = parts_of(request)
    if not may_close(visit_here(parts, case_id), person):
        raise HTTPException(403)
    noted = noting(parts, person, Action.VISIT_CLOSED, case_id=case_id)
    episodes_of(parts).close(case_id, now=parts.clock(), noted=noted)
    return RedirectResponse("/", status_code=303)


def _report_of(request: Request, case_id: str) -> dict[str, Any]:
    listed_case(request, case_id)
    told = parts_of(request).cases.report(case_id)
    if told is None:
        raise CaseError("the case has no report yet: wait until it is ready")
    return readable(told)


def _decision(request: Request, person: Person, **told: Any) -> Decision:
    return Decision.model_validate({**told, "account": person.name, "decided": parts_of(request).clock()})


def _take(request: Request, case_id: str, decision: Decision, told: dict[str, Any], person: Person) -> None:
    parts = parts_of(request)
    check_decision(decision, report=told, roles=person.roles, vocabulary=parts.vocabulary)
    detail = f"{decision.section}:{decision.reason}"
    noted = noting(parts, person, f"part_{decision.verdict}", case_id=case_id, detail=detail)
    ReviewStore(parts.database).decide(case_id, decision, noted=noted)
