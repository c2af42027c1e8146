"""Danger signs on one screen, before everything else; and the fixed instruction that interrupts.

Source: clinical-vocabulary sections 7.7 and 8; policy.md, the order of a consultation, R9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response

from edge_agent.agents.rules.rule_file import EMERGENCY as EMERGENCY_TIER
from edge_agent.agents.rules.rule_file import Rule
from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import Step
from edge_agent.contracts.speech import Speech
from edge_agent.contracts.translations import closed_language
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.desk import (
    Screen,
    Turn,
    Worker,
    answered,
    noting,
    to_draft,
    turn_of,
)
from edge_agent.kiosk.room import Room
from edge_agent.policy.whom_to_call import whom_to_call

router = Room()
SELF_HARM: Final = "RF-24"  # its instruction asks for a crisis contact


@dataclass(frozen=True, slots=True)
class SignGroup:
    """Some danger signs that are looked for together, with the pictogram beside their heading."""

    id: str
    title: Text
    signs: tuple[str, ...]


GROUPS: Final = (
    SignGroup(
        "breath",
        _("Breathing and alertness"),
        (
            "breathing_difficulty", "stridor_or_hoarse", "lip_tongue_face_swelling", "wheals", "collapse_or_faint",
            "drowsy_or_confused", "stiff_neck",
        ),
    ),
    SignGroup(
        "fever",
        _("Fever and the whole body"),
        ("fever_now_or_history", "facial_oedema", "swollen_glands", "jaundice", "hot_joint_with_fever", "cough_or_red_eyes"),
    ),
    SignGroup(
        "blister",
        _("Blisters, sores and pustules"),
        (
            "blisters_or_peeling", "mouth_eye_genital_sores", "skin_pain_severe", "widespread_pustules", "pustules",
            "deep_pustules", "clustered_punched_out_sores",
        ),
    ),
    SignGroup(
        "skin",
        _("Colour of the skin and spreading"),
        (
            "does_not_blanch", "bruising", "red_skin_over_90_percent", "widespread_rash", "dusky_or_black_skin",
            "crackling_under_skin", "pain_out_of_proportion", "hot_swollen_painful_area", "spreading_within_hours",
        ),
    ),
    SignGroup(
        "eye", _("Face and eyes"), ("face_affected", "eye_painful_red_or_vision", "nose_tip_or_eye_vesicles")
    ),
    SignGroup(
        "nerve",
        _("Feeling and strength"),
        ("numb_patch", "painful_nerve", "new_hand_foot_eye_weakness", "painless_wound_hand_foot"),
    ),
    SignGroup(
        "mole",
        _("Lumps, moles and sores that stay"),
        (
            "fast_growing_lump", "ulcer_over_4_weeks", "crusted_nonhealing_lesion", "mole_size_change",
            "mole_shape_irregular", "mole_colour_irregular", "mole_7mm_or_more", "mole_inflamed", "mole_oozing",
            "mole_sensation_change", "new_pigmented_nail_line",
        ),
    ),
    SignGroup(
        "safety",
        _("Bites, injuries and other signs"),
        (
            "animal_or_snake_bite", "genital_lesion", "generalised_itch_third_trimester", "unexplained_injury_pattern",
            "disclosure_of_abuse",
        ),
    ),
)  # fmt: skip


def _danger_values(turn: Turn) -> Mapping[str, Any]:
    total = sum(len(group.signs) for group in GROUPS)
    return {"groups": GROUPS, "answered": len(turn.draft.danger_signs), "total": total}


def _instruction_values(turn: Turn) -> Mapping[str, Any]:
    course, code = turn.room.course, turn.language
    rules = {rule.id: rule for rule in course.rules.rules}
    is_private = turn.draft.step is Step.SAFEGUARDING
    shown = [alert for alert in course.alerts(turn.draft) if alert.stops_photography is is_private]
    names = turn.parts.vocabulary
    told = [
        {
            "tier": alert.tier,
            "tier_words": turn.term("triage", alert.tier),
            "rule": alert.rule_id,
            "words": _fixed_words(turn, rules[alert.rule_id], alert.is_stronger),
            "sentences": turn.parts.translations.instruction(alert.rule_id, code, is_stronger=alert.is_stronger),
            # What somebody told in private is not repeated on a screen that others may see.
            "because": [] if alert.is_private else [_input_name(turn, name) for name in alert.because],
            "is_new": alert.mark not in turn.draft.seen,
        }
        for alert in shown
    ]
    return {
        "told": told,
        "is_emergency": any(alert.tier == EMERGENCY_TIER for alert in shown),
        "is_crisis": any(alert.rule_id == SELF_HARM for alert in shown),
        "call": whom_to_call(course.permits.policy, turn.parts.practice),
        "lang": code if isinstance(turn.parts.translations.speech(code), Speech) else closed_language(code),
        "is_reviewed": all(rules[alert.rule_id].status == "reviewed" for alert in shown) and names.is_reviewed(),
    }


def _fixed_words(turn: Turn, rule: Rule, is_stronger: bool) -> str:
    """Return the short words of a rule; a clinician reads them beside its code."""
    words = rule.words(closed_language(turn.language), is_stronger=is_stronger)
    speech = turn.parts.translations.speech(turn.language)
    return speech.rule(rule.id, words, is_stronger=is_stronger) if isinstance(speech, Speech) else words


def _input_name(turn: Turn, name: str) -> str:
    for of in ("danger_sign", "vital_sign", "form_field", "worker_examination"):
        if turn.parts.vocabulary.has(name, of=of):
            return turn.term(of, name)
    return name


DANGER = Screen(Step.DANGER_SIGNS, "consultation/danger.html", _danger_values)
EMERGENCY = Screen(Step.EMERGENCY, "consultation/emergency.html", _instruction_values)
SAFEGUARDING = Screen(Step.SAFEGUARDING, "consultation/safeguarding.html", _instruction_values)
SCREENS = (DANGER, EMERGENCY, SAFEGUARDING)


@router.post("/consultation/{case_id}/danger_signs")
def danger_signs(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save what was looked for; what was not answered stays unanswered."""
    turn = turn_of(request, case_id, person)
    given = {sign: str(form[f"sign.{sign}"]) for group in GROUPS for sign in group.signs if form.get(f"sign.{sign}")}

    def answer(draft: Draft) -> Draft:
        return draft.changed(danger_signs=given)

    return answered(turn, DANGER, answer)


@router.post("/consultation/{case_id}/read")
def read(request: Request, case_id: str, person: Worker) -> Response:
    """Go on after the instruction was read."""
    turn = turn_of(request, case_id, person)
    course = turn.room.course

    def answer(draft: Draft) -> Draft:
        return course.read(draft) if draft.step in {Step.EMERGENCY, Step.SAFEGUARDING} else draft

    noted = noting(turn, "instruction_read", detail=str(turn.draft.step))
    draft = turn.room.consultations.change(case_id, answer, by=person.name, noted=noted)
    return to_draft(draft.case_id)
