"""One case's report on the screen: its parts in the fixed order, a decision on each, and the signature.

The report is written for clinicians; workers read it too, and decide nothing. The page is drawn from the same parts as
print and terminal (``agents.report.words.page_of``), so none can say what another leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from edge_agent.agents.report.parts import Block, Boxes, Line, Listing, Table
from edge_agent.agents.report.reading import readable
from edge_agent.agents.report.words import page_of
from edge_agent.contracts.intake_values import INTIMATE_SITES
from edge_agent.contracts.result import Section
from edge_agent.contracts.terms import Language
from edge_agent.errors import CaseError
from edge_agent.kiosk.access import requires, signed_in
from edge_agent.kiosk.pages.cases import required_readings, row_of
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.review.decisions import REASONS, Decision, check_decision, may_decide, open_sections, standing
from edge_agent.review.sections import CORRECTABLE, SHOWN_IN, decidable
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import Action
from edge_agent.store.case_list import CaseList, Listed
from edge_agent.store.reviews import ReviewStore

router = Room()
DECIDERS = (Role.CLINICIAN, Role.TCM_PRACTITIONER)


@dataclass(frozen=True, slots=True)
class Control:
    """What stands below a part for the person who decides: the decision so far and the fields of a correction."""

    section: Section
    title: str
    decided: Decision | None
    fields: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]  # field, its words, (id, words) to choose from


def report_language(request: Request) -> Language:
    """Return the language of the clinical words: the vocabulary speaks Chinese and English."""
    return "zh" if language_of(request).code == "zh" else "en"


def listed_case(request: Request, case_id: str) -> Listed:
    """Return a case of the list.

    Raises:
        HTTPException: 404, there is no such case.
    """
    listed = CaseList(parts_of(request).database).one(case_id)
    if listed is None:
        raise HTTPException(404)
    return listed


@router.get("/cases/{case_id}")
def report(request: Request, case_id: str, person: Annotated[Person, Depends(signed_in)]) -> Response:
    """Show the report of a case, or where the case stands while there is none."""
    parts = parts_of(request)
    listed = listed_case(request, case_id)
    row = row_of(listed, required_readings(request))
    told = parts.cases.report(case_id)
    if told is None:
        return page(request, "cases/waiting.html", row=row, status=parts.cases.status(case_id))
    parts.audit.note(person.name, Action.REPORT_OPENED, case_ref=case_id)
    told = readable(told)
    reviews = ReviewStore(parts.database)
    decisions = reviews.decisions(case_id)
    lang = report_language(request)
    return page(
        request,
        "cases/report.html",
        row=row,
        told=page_of(told, parts.vocabulary, lang),
        controls=_controls(request, told, decisions, person),
        open_sections=open_sections(told, decisions),
        sign_off=reviews.sign_off(case_id),
        readings=reviews.second_readings(case_id),
        is_withdrawn=listed.is_withdrawn,
        pictures=_pictures(told),
        reasons=[(one, parts.vocabulary.label(one, lang, of="decision_reason")) for one in REASONS if one != "agree"],
        kind=kind,
        may_sign=Role.CLINICIAN in person.roles,
        may_decide=bool({*DECIDERS} & person.roles),
    )


def kind(block: Block) -> str:
    """Return which part of the template draws a block."""
    kinds: dict[type[Any], str] = {Line: "line", Table: "table", Listing: "listing", Boxes: "boxes"}
    return kinds[type(block)]


def _pictures(told: dict[str, Any]) -> frozenset[int]:
    """Return the views whose pictures stand beside the findings; intimate ones stay hidden until they are asked for."""
    return frozenset(view["view"] for view in told["recognition"] if view["body_site"] not in INTIMATE_SITES)


def _controls(
    request: Request, told: dict[str, Any], decisions: tuple[Decision, ...], person: Person
) -> dict[str, list[Control]]:
    """Return the decisions to take by the section of the page that they stand in."""
    vocabulary, lang, done = parts_of(request).vocabulary, report_language(request), standing(decisions)
    found: dict[str, list[Control]] = {}
    for section in decidable(told):
        fields = tuple(
            (name, vocabulary.name(of, lang), tuple((one, vocabulary.label(one, lang, of=of)) for one in vocabulary.lists[of].terms))
            for name, of in CORRECTABLE[section].items()
        )  # fmt: skip
        title = vocabulary.label(section, lang, of="decided_section")
        if section in done or may_decide(section, person.roles):
            found.setdefault(SHOWN_IN[section], []).append(Control(section, title, done.get(section), fields))
    return found


@router.post("/cases/{case_id}/decide")
async def decide(request: Request, case_id: str) -> Response:
    """Take one decision on one part."""
    person = requires(*DECIDERS)(request)
    form = await request.form()
    told = _report_of(request, case_id)
    section, verdict = str(form.get("section", "")), str(form.get("verdict", ""))
    values = {name: str(form[f"value_{name}"]) for name in CORRECTABLE.get(section, {}) if form.get(f"value_{name}")}  # type: ignore[call-overload]
    if verdict == "accepted":
        values = {}
    decision = _decision(
        request,
        person,
        section=section,
        verdict=verdict,
        reason="agree" if verdict == "accepted" else str(form.get("reason", "")),
        values=values,
        note="" if verdict == "accepted" else str(form.get("note", "")).strip(),
    )
    _take(request, case_id, decision, told, person)
    return RedirectResponse(f"/cases/{case_id}#{SHOWN_IN[decision.section]}", status_code=303)


@router.post("/cases/{case_id}/accept-open")
def accept_open(request: Request, case_id: str, person: Annotated[Person, Depends(requires(*DECIDERS))]) -> Response:
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
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Sign the report: from here on its decisions stand, and its codes may leave."""
    parts = parts_of(request)
    if not confirmed:
        raise CaseError("confirm that you have read the report before you sign it")
    _report_of(request, case_id)
    ReviewStore(parts.database).sign(case_id, account=person.name, signed=parts.clock())
    parts.audit.note(person.name, "report_signed", case_ref=case_id)
    return RedirectResponse(f"/cases/{case_id}", status_code=303)


def _report_of(request: Request, case_id: str) -> dict[str, Any]:
    listed_case(request, case_id)
    told = parts_of(request).cases.report(case_id)
    if told is None:
        raise CaseError("the case has no report yet: wait until it is ready")
    return readable(told)


def _decision(request: Request, person: Person, **told: Any) -> Decision:
    try:
        return Decision.model_validate({**told, "account": person.name, "decided": parts_of(request).clock()})
    except ValidationError as exc:
        reason = str(exc.errors()[0]["msg"]).removeprefix("Value error, ")
        raise CaseError(f"{reason}; choose again") from exc


def _take(request: Request, case_id: str, decision: Decision, told: dict[str, Any], person: Person) -> None:
    parts = parts_of(request)
    check_decision(decision, report=told, roles=person.roles, vocabulary=parts.vocabulary)
    ReviewStore(parts.database).decide(case_id, decision)
    parts.audit.note(
        person.name, f"part_{decision.verdict}", case_ref=case_id, detail=f"{decision.section}:{decision.reason}"
    )
