"""The intake in three short screens, and the worker's own impression and urgency before the program's answer.

Source: clinical-vocabulary sections 7.2 to 7.8 and 9; policy.md, the order of a consultation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.consultation import answers
from edge_agent.consultation.draft import Draft
from edge_agent.consultation.questions import (
    COMPLAINT,
    EXAMINATION,
    HISTORY,
    TCM,
    Question,
    answer_of,
    asked_of,
    count_answered,
    read_answers,
)
from edge_agent.consultation.steps import Step
from edge_agent.contracts.intake_parts import WorkerView
from edge_agent.errors import CaseError, StoreError
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.desk import Screen, Turn, Worker, answered, show, to_draft, turn_of
from edge_agent.kiosk.room import Room
from edge_agent.store.accounts import Role

router = Room()
LABELS: Final[Mapping[str, Text]] = {
    "duration": _("How long has it lasted?"),
    "pregnancy": _("Pregnant?"),
    "breastfeeding": _("Breastfeeding?"),
    "course": _("How does it go?"),
    "new_lesions_two_weeks": _("New spots in the last two weeks?"),
    "symptoms": _("What is felt or seen?"),
    "itch_nrs": _("Itch, from 0 to 10"),
    "pain_nrs": _("Pain, from 0 to 10"),
    "sleep_nrs": _("Disturbed sleep, from 0 to 10"),
    "impact_nrs": _("Trouble in daily life, from 0 to 10"),
    "season": _("Worse in a season?"),
    "trigger": _("What came before? (at most four)"),
    "household_itch": _("Does somebody at home itch too?"),
    "contact_or_travel_risk": _("Contact with somebody ill, or travel?"),
    "known_psoriasis": _("Known psoriasis?"),
    "known_eczema": _("Known eczema?"),
    "new_drug_within_8_weeks": _("A new drug in the last eight weeks?"),
    "new_drug_classes": _("Which new drug? (at most four)"),
    "current_treatment": _("What is used now, and did it help? (at most six)"),
    "previous_treatment_periods_without_response": _("Treatments before that did not help (how many)"),
    "allergy": _("Allergies"),
    "comorbidity": _("Other illnesses"),
    "family_history": _("In the family"),
    "smoking": _("Smoking"),
    "alcohol": _("Alcohol"),
    "bsa_percent": _("Affected skin of the whole body, in palms (one palm with fingers = 1 %)"),
    "region_area_percent.head": _("Head and neck: affected share of it, in %"),
    "region_area_percent.upper": _("Arms: affected share, in %"),
    "region_area_percent.trunk": _("Trunk: affected share, in %"),
    "region_area_percent.lower": _("Legs with buttocks: affected share, in %"),
    "fitzpatrick": _("How does the skin take the sun? (Fitzpatrick)"),
    "monk": _("Skin tone by the printed chart (Monk)"),
    "vital_signs.avpu": _("Consciousness (AVPU)"),
    "tcm_examiner": _("Who looks at tongue and pulse?"),
    "tongue.body_colour": _("Tongue: colour"),
    "tongue.body_feature": _("Tongue: what is seen (at most three)"),
    "tongue.coating_colour": _("Coating: colour"),
    "tongue.coating_texture": _("Coating: texture (at most two)"),
    "tongue.sublingual_veins": _("Veins under the tongue"),
    "pulse": _("Pulse, felt by a TCM practitioner (at most three)"),
}
FITZPATRICK: Final = (
    ("1", _("I: always burns, never tans")),
    ("2", _("II: burns easily, tans a little")),
    ("3", _("III: burns sometimes, tans slowly")),
    ("4", _("IV: burns little, tans well")),
    ("5", _("V: rarely burns, brown skin")),
    ("6", _("VI: never burns, dark brown or black skin")),
)
ALL: Final = (*COMPLAINT, *HISTORY, *EXAMINATION)


def questions_of(turn: Turn, screen: Sequence[Question]) -> tuple[Question, ...]:
    """Return what this screen asks of this person; the pulse only where a TCM practitioner is signed in (7.8)."""
    asked = asked_of(screen, turn.draft)
    is_practitioner = Role.TCM_PRACTITIONER in turn.person.roles
    return tuple(question for question in asked if question.name != "pulse" or is_practitioner)


def _label(turn: Turn, question: Question) -> Text | str:
    return LABELS.get(question.name) or turn.term(question.of, question.key or question.name)


def _options(turn: Turn, question: Question) -> list[tuple[str, Any]]:
    if question.of == "fitzpatrick":
        return list(FITZPATRICK)
    if question.of == "monk":
        return [(str(tone), str(tone)) for tone in range(1, 11)]
    if question.kind == "known":
        return turn.terms("known")
    if question.of == "tcm_examiner":
        told = turn.terms(question.of)
        return (
            told
            if Role.TCM_PRACTITIONER in turn.person.roles
            else [one for one in told if one[0] != "tcm_practitioner"]
        )
    return turn.terms(question.of) if question.kind in {"one", "many", "treatments"} else []


def rows_of(turn: Turn, screen: Sequence[Question]) -> list[dict[str, Any]]:
    """Return what the template of questions draws: question, words, choices, answer so far."""
    history = turn.draft.history
    return [
        {
            "question": question,
            "label": _label(turn, question),
            "options": _options(turn, question),
            "answer": answer_of(history, question),
        }
        for question in questions_of(turn, screen)
    ]


def _values(turn: Turn, screen: Sequence[Question], title: Text, number: int) -> Mapping[str, Any]:
    asked, rows = questions_of(turn, ALL), rows_of(turn, screen)
    treated = {note.kind: note.response or "used" for note in turn.draft.history.current_treatment or ()}
    return {
        "rows": [row for row in rows if row["question"].part != "mood"],
        "private_rows": [row for row in rows if row["question"].part == "mood"],
        "tcm_rows": rows_of(turn, TCM) if screen is EXAMINATION and turn.parts.practice.tcm_block != "off" else [],
        "title": title,
        "number": number,
        "answered": count_answered(turn.draft.history, asked),
        "total": len(asked),
        "treated": treated,
        "responses": turn.terms("treatment_response"),
        "refused": (),
    }


def _impression_values(turn: Turn) -> Mapping[str, Any]:
    return {
        "tiers": [(tier, turn.term("triage", tier)) for tier in TIERS],
        "worker": turn.draft.worker,
        "damaged": turn.room.consultations.damaged(turn.draft),
    }


COMPLAINT_SCREEN = Screen(
    Step.COMPLAINT, "consultation/intake.html", lambda turn: _values(turn, COMPLAINT, _("What troubles the person"), 1)
)
HISTORY_SCREEN = Screen(
    Step.HISTORY, "consultation/intake.html", lambda turn: _values(turn, HISTORY, _("Drugs, illnesses and joints"), 2)
)
EXAMINATION_SCREEN = Screen(
    Step.EXAMINATION, "consultation/intake.html", lambda turn: _values(turn, EXAMINATION, _("Examination"), 3)
)
IMPRESSION_SCREEN = Screen(Step.IMPRESSION, "consultation/impression.html", _impression_values)
SCREENS = (COMPLAINT_SCREEN, HISTORY_SCREEN, EXAMINATION_SCREEN, IMPRESSION_SCREEN)
_FORMS: Final = {
    "complaint": (COMPLAINT_SCREEN, COMPLAINT),
    "history": (HISTORY_SCREEN, HISTORY),
    "examination": (EXAMINATION_SCREEN, (*EXAMINATION, *TCM)),
}


@router.post("/consultation/{case_id}/complaint")
def complaint(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save the first screen."""
    return _save(turn_of(request, case_id, person), form, "complaint")


@router.post("/consultation/{case_id}/history")
def history(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save the second screen."""
    return _save(turn_of(request, case_id, person), form, "history")


@router.post("/consultation/{case_id}/examination")
def examination(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save the third screen."""
    return _save(turn_of(request, case_id, person), form, "examination")


def _save(turn: Turn, form: FormData, name: str) -> Response:
    screen, questions = _FORMS[name]
    sent = {key: [str(value) for value in form.getlist(key)] for key in form}
    parts, unread = read_answers(turn.draft.history, questions_of(turn, questions), sent)
    _before, contradicting = answers.with_history_each(turn.draft, parts)
    refused = (*unread, *contradicting)

    def answer(draft: Draft) -> Draft:
        return answers.with_history_each(draft, parts)[0]

    if not refused:
        return answered(turn, screen, answer)
    saved = turn.room.consultations.change(
        turn.draft.case_id, lambda draft: answer(draft) if draft.step is screen.step else draft
    )
    again = Turn(turn.request, turn.person, saved, turn.parts, turn.room)
    return show(
        again, screen, problem=_("Some answers do not fit. They are marked; the others are kept."), refused=refused
    )


@router.post("/consultation/{case_id}/impression")
def impression(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save the worker's own view, then hand the case over: only now can the program's answer come."""
    turn = turn_of(request, case_id, person)
    words = str(form.get("impression") or "").strip()
    try:
        worker = WorkerView.model_validate(
            {
                "impression": words or None,
                "tier": form.get("tier") or None,
                "worried": form.get("worried") or None,
            }
        )
    except ValidationError:
        return show(turn, IMPRESSION_SCREEN, problem=_("Write at most 400 characters."))
    has_to_choose = not form.get("without_damaged") and bool(turn.room.consultations.damaged(turn.draft))
    response = answered(turn, IMPRESSION_SCREEN, lambda draft: draft.changed(worker=worker), is_staying=has_to_choose)
    _hand_over(turn)
    return response


def _hand_over(turn: Turn) -> None:
    """Give a finished draft to the desk; what cannot be handed over now waits, and the page says so."""
    case_id = turn.draft.case_id
    try:
        if turn.room.consultations.draft(case_id).step is not Step.RUNNING:
            return
        turn.room.consultations.hand_over(
            case_id, desk=turn.parts.desk, build=turn.room.course.case_of, now=turn.parts.clock()
        )
    except (CaseError, StoreError) as exc:  # the draft stays at "running": progress.py tries again
        if turn.parts.log is not None:
            turn.parts.log.warning("kiosk.hand_over_waits", **exc.diagnostics())


@router.post("/consultation/{case_id}/hand-over")
def hand_over(request: Request, case_id: str, person: Worker) -> Response:
    """Try again to hand a case over that waits for space or for the store."""
    _hand_over(turn_of(request, case_id, person))
    return to_draft(case_id)
