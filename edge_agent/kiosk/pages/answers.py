"""A wrong answer of a form that was handed over is put right beside it: by name, with a reason, and the rules are asked at once.

The screens are those of the visit, with the same choices. Nothing that stood before is changed (R13). Age, sex, sites, surface
and the TCM examination are not put right here: pictures, consent or the program's numbers rest on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import numpy as np
from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.datastructures import FormData

from edge_agent.agents.report.answers import corrected_answers
from edge_agent.agents.report.reading import ReportAudience, readable
from edge_agent.agents.report.terms import Terms
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.consultation.draft import Draft
from edge_agent.consultation.draft import Person as Described
from edge_agent.consultation.questions import (
    COMPLAINT,
    EXAMINATION,
    HISTORY,
    Question,
    answer_of,
    asked_of,
    read_answers,
)
from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Intake
from edge_agent.errors import CaseError
from edge_agent.interop.stored import review_of
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.case_rooms import Carer, is_foreign, listed_case, noting, row_of, speech_of, term_of
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.danger import GROUPS
from edge_agent.kiosk.pages.consultation.desk import Turn, room_of
from edge_agent.kiosk.pages.consultation.intake import rows_of
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.review.corrections import (
    FIXED,
    CorrectedAnswer,
    Correction,
    CorrectionReason,
    Look,
    Rules,
    corrected,
    reassessed,
)
from edge_agent.review.decisions import REASONS
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import Action
from edge_agent.store.corrections import Corrections
from edge_agent.store.sent_files import SentFiles

router = Room()
LOOK_REASONS: Final = tuple(one for one in REASONS if one != "other_local_text")  # a look has no note
_COPIES: Final = frozenset({Action.REPORT_PRINTED, Action.REPORT_EXPORTED})
DANGER: Final = tuple(
    Question(f"danger_signs.{sign}", "examined", "danger_sign") for group in GROUPS for sign in group.signs
)
SCREENS: Final[Mapping[str, tuple[Text, tuple[Question, ...]]]] = {
    "danger": (_("Danger signs"), DANGER),
    "complaint": (_("What troubles the person"), COMPLAINT),
    "history": (_("Drugs, illnesses and joints"), HISTORY),
    "examination": (_("Examination"), EXAMINATION),
}


@router.get("/cases/{case_id}/answers")
def answers(request: Request, case_id: str, person: Carer, screen: str = "danger") -> Response:
    """Show the answers as they stand, screen by screen, and what was corrected before."""
    return _show(request, case_id, person, screen if screen in SCREENS else "danger")


@router.post("/cases/{case_id}/answers")
def correct(request: Request, case_id: str, person: Carer, form: Sent) -> Response:
    """Put every answer right that differs from what stands; the rules are asked before anything is kept."""
    parts = parts_of(request)
    screen = str(form.get("screen", ""))
    if screen not in SCREENS:
        return RedirectResponse(f"/cases/{case_id}/answers", status_code=303)
    turn, known = _turn(request, case_id, person), Corrections(parts.database).of(case_id)
    try:
        reason = CorrectionReason(str(form.get("reason", "")))
        changed = _changed(turn, _asked(turn, screen), form)
    except (CaseError, ValueError):
        problem = _("Choose why the answer was wrong. An answer that does not fit another one is not taken.")
        return _show(request, case_id, person, screen, problem=problem)
    if not changed:
        return _show(
            request, case_id, person, screen, problem=_("No answer differs from what stands. Nothing was changed.")
        )
    report, row = parts.cases.report(case_id), row_of(listed_case(request, case_id), parts)
    correction = reassessed(
        Correction(answers=changed, reason=reason, account=person.name, at=parts.clock()),
        before=_case(request, case_id),
        report=None if report is None else readable(report),
        tier=row.tier,
        rules=Rules.load(),
        vocabulary=parts.vocabulary,
    )
    noted = noting(parts, person, Action.ANSWER_CORRECTED, case_id=case_id, detail=f"{reason}:{len(changed)}")
    Corrections(parts.database).record(case_id, correction, known=len(known), noted=noted)
    return RedirectResponse(f"/cases/{case_id}/answers?screen={screen}#corrected", status_code=303)


@router.post("/cases/{case_id}/answers/look")
def look(
    request: Request, case_id: str, person: Annotated[Person, Depends(requires(Role.CLINICIAN))], form: Sent
) -> Response:
    """Take a clinician's new look at a signed report; another tier than the present one needs its reason."""
    parts = parts_of(request)
    row = row_of(listed_case(request, case_id), parts)
    tier, reason = str(form.get("tier", "")), str(form.get("reason", ""))
    if (tier == row.tier) != (reason == "agree") or reason not in LOOK_REASONS:
        raise CaseError("another urgency needs its reason, the same one needs none: choose both")
    try:
        told = Look.model_validate({"tier": tier, "reason": reason, "account": person.name, "at": parts.clock()})
    except ValidationError as exc:
        raise CaseError("choose how urgent it is and why") from exc
    noted = noting(parts, person, Action.CORRECTION_SEEN, case_id=case_id, detail=f"{tier}:{reason}")
    Corrections(parts.database).look(case_id, told, noted=noted)
    return RedirectResponse(f"/cases/{case_id}", status_code=303)


def _show(request: Request, case_id: str, person: Person, screen: str, *, problem: Text | None = None) -> Response:
    parts = parts_of(request)
    row = row_of(listed_case(request, case_id), parts)
    turn = _turn(request, case_id, person)
    review = review_of(parts.database, cases=parts.cases, case_id=case_id)
    rows = rows_of(turn, _asked(turn, screen))
    fired = Corrections(parts.database).of(case_id)
    audience: ReportAudience = "clinician" if Role.CLINICIAN in person.roles else "person"
    return page(
        request,
        "cases/answers.html",
        status_code=200 if problem is None else 422,
        row=row,
        screen=screen,
        screens=[(name, title) for name, (title, _questions) in SCREENS.items()],
        rows=[one for one in rows if one["question"].part != "mood"],
        private_rows=[one for one in rows if one["question"].part == "mood"],
        treated={note.kind: note.response or "used" for note in turn.draft.history.current_treatment or ()},
        responses=turn.terms("treatment_response"),
        refused=(),
        problem=problem,
        reasons=[(one, term_of(request, "correction_reason", one)) for one in CorrectionReason],
        # What somebody told in private is not repeated on a screen that others may see.
        told=corrected_answers(review, Terms(parts.vocabulary, speech_of(request)), audience),
        instructions=[
            parts.translations.instruction(
                str(flag["id"]), language_of(request).code, is_stronger=bool(flag["is_stronger"])
            )
            for one in fired[-1:]
            for flag in one.flags
            if not flag["is_private"]
        ],
        has_old_copies=_has_old_copies(parts, case_id),
        receivers=SentFiles(parts.database).of(case_id),
        is_foreign=is_foreign(request),
        tiers=[(tier, term_of(request, "triage", tier)) for tier in TIERS],
        look_reasons=[(one, term_of(request, "decision_reason", one)) for one in LOOK_REASONS],
        may_look=row.is_corrected and Role.CLINICIAN in person.roles,
    )


def _has_old_copies(parts: KioskParts, case_id: str) -> bool:
    """Say whether paper or a file of the case was made before its newest correction; by the trail's order, for clocks jump."""
    rows = parts.audit.of_case(case_id)
    newest = max((row.seq for row in rows if row.action == Action.ANSWER_CORRECTED), default=0)
    return any(row.action in _COPIES and row.seq < newest for row in rows)


def _turn(request: Request, case_id: str, person: Person) -> Turn:
    """Return the case's form as the screens of a visit read it; nothing of it is a draft that could be saved."""
    intake = _case(request, case_id).intake
    draft = Draft.model_construct(
        case_id=case_id,
        danger_signs=intake.danger_signs,
        person=Described(age_years=intake.age_years, age_months=intake.age_months, sex=intake.sex),
        history=intake,
    )
    return Turn(request, person, draft, parts_of(request), room_of(request))


def _case(request: Request, case_id: str) -> Case:
    """Return the case with its corrected form and, without opening any picture, the sites of its pictures."""
    listed_case(request, case_id)
    parts = parts_of(request)
    answers = [answer for one in Corrections(parts.database).of(case_id) for answer in one.answers]
    case = parts.cases.load(case_id, has_pictures=False)
    blank = np.zeros((0, 0, 3), np.uint8)
    views = tuple(View(one.index, blank, one.shot, one.body_site, one.laterality) for one in parts.cases.views(case_id))
    return Case(case_id, views, corrected(case.intake, answers), case.consent, case.created)


def _asked(turn: Turn, screen: str) -> tuple[Question, ...]:
    """Return the questions of a screen that are asked of this person and can be put right here."""
    return tuple(one for one in asked_of(SCREENS[screen][1], turn.draft) if one.part not in FIXED)


def _changed(turn: Turn, asked: Sequence[Question], form: FormData) -> tuple[CorrectedAnswer, ...]:
    """Return the answers that differ from what stands.

    Raises:
        CaseError: an answer is none of the choices.
    """
    sent = {key: [str(value) for value in form.getlist(key)] for key in form}
    before = turn.draft.history
    parts, refused = read_answers(before, asked, sent)
    if refused:
        raise CaseError("an answer does not fit: look at it again")
    try:
        after = Intake.model_validate(
            {**{name: getattr(before, name) for name in Intake.model_fields}, **_filled(parts)}
        )
    except ValidationError as exc:
        raise CaseError("an answer does not fit another one: look at both") from exc
    found = [(one, _plain(answer_of(before, one)), _plain(answer_of(after, one))) for one in asked]
    return tuple(
        CorrectedAnswer(question=one.name, of=_list_of(one), was=was, now=now) for one, was, now in found if was != now
    )


def _filled(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a form; what has no answer is the form's own nothing."""
    empty = Intake()
    return {name: getattr(empty, name) if value is None else value for name, value in parts.items()}


def _list_of(question: Question) -> str:
    """Return the list that holds the answers' words."""
    return {"examined": "examined", "known": "known"}.get(question.kind, question.of)


def _plain(value: Any) -> Any:
    """Return an answer as JSON; nothing answered is one thing, however the form writes it."""
    if value in (None, "", ()):
        return None
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
