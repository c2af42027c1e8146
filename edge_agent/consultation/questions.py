"""The questions of the intake screens as data: which part of the form, which kind of answer, who is asked.

A question that nobody answers stays unanswered; none has an answer beforehand. Reads forms into answers and counts
them; shows nothing.

Source: clinical-vocabulary sections 7.1 to 7.8 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError

from edge_agent.consultation.draft import Draft
from edge_agent.contracts.intake import Intake, Tongue
from edge_agent.contracts.intake_parts import Mood, TreatmentNote, VitalSigns

QuestionKind = Literal["one", "many", "known", "examined", "scale", "number", "treatments", "text"]
Asked = Callable[[Draft], bool]
FERTILE_FROM, FERTILE_TO = 10, 60
MOOD_FROM_YEARS = 12
_RECORDS: Final[Mapping[str, type[BaseModel]]] = {"vital_signs": VitalSigns, "tongue": Tongue, "mood": Mood}


def _everybody(_draft: Draft) -> bool:
    return True


def _may_be_pregnant(draft: Draft) -> bool:
    age = draft.person.age_years
    return draft.person.sex != "male" and (age is None or FERTILE_FROM <= age <= FERTILE_TO)


def _is_adult(draft: Draft) -> bool:
    return not draft.person.is_minor


def _is_grown(draft: Draft) -> bool:
    age = draft.person.age_years
    return age is None or age >= MOOD_FROM_YEARS


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its place in the form (``vital_signs.temp_c``), the kind of answer, the list of its ids.

    ``low`` and ``high`` bound a number, ``step`` is its smallest difference; ``most`` is how many of a list may be named.
    """

    name: str
    kind: QuestionKind
    of: str = ""
    is_required: bool = False
    is_asked: Asked = _everybody
    low: float = 0
    high: float = 0
    step: float = 1
    most: int = 0

    @property
    def part(self) -> str:
        """Return the field of the form that holds the answer."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """Return the place within that field; empty where the field is the answer."""
        return self.name.partition(".")[2]


def _examined(part: str, of: str, keys: Sequence[str], *, is_asked: Asked = _everybody) -> tuple[Question, ...]:
    return tuple(Question(f"{part}.{key}", "examined", of, is_asked=is_asked) for key in keys)


def _number(name: str, low: float, high: float, step: float = 1, of: str = "vital_sign") -> Question:
    return Question(name, "number", of, low=low, high=high, step=step)


COMPLAINT: Final = (
    Question("duration", "one", "duration", is_required=True),
    Question("pregnancy", "one", "pregnancy", is_required=True, is_asked=_may_be_pregnant),
    Question("breastfeeding", "known", "known", is_asked=_may_be_pregnant),
    Question("course", "one", "course"),
    Question("new_lesions_two_weeks", "known", "known"),
    Question("symptoms", "many", "symptom", most=7),
    Question("itch_nrs", "scale"),
    Question("pain_nrs", "scale"),
    Question("sleep_nrs", "scale"),
    Question("impact_nrs", "scale"),
    Question("trigger", "many", "trigger", most=4),
    Question("season", "one", "season"),
    Question("household_itch", "known", "known"),
    Question("contact_or_travel_risk", "known", "known"),
)
HISTORY: Final = (
    Question("known_psoriasis", "known", "known"),
    Question("known_eczema", "known", "known"),
    Question("new_drug_within_8_weeks", "known", "known"),
    Question("new_drug_classes", "many", "new_drug_class", most=4),
    Question("current_treatment", "treatments", "current_treatment", most=6),
    _number("previous_treatment_periods_without_response", 0, 20, of="form_field"),
    Question("allergy", "many", "allergy", most=8),
    Question("comorbidity", "many", "comorbidity", most=8),
    Question("family_history", "many", "family_history", most=4),
    Question("smoking", "one", "smoking", is_asked=_is_grown),
    Question("alcohol", "one", "alcohol", is_asked=_is_grown),
    *(
        Question(f"pest.{key}", "examined", "pest", is_asked=_is_adult)
        for key in (
            "pest_swollen_joint", "pest_told_arthritis", "pest_nail_pits", "pest_heel_pain", "pest_swollen_digit",
        )
    ),
    Question("mood.low_mood", "known", "mood", is_asked=_is_grown),
    Question("mood.loss_of_interest", "known", "mood", is_asked=_is_grown),
    Question("mood.self_harm_thoughts", "known", "mood", is_asked=_is_grown),
)  # fmt: skip
EXAMINATION: Final = (
    _number("bsa_percent", 0, 100, 0.5, of="form_field"),
    *(
        _number(f"region_area_percent.{key}", 0, 100, 1, of="affected_region")
        for key in ("head", "upper", "trunk", "lower")
    ),
    Question("fitzpatrick", "one", "fitzpatrick"),
    Question("monk", "one", "monk"),
    *_examined(
        "worker_examination",
        "worker_examination",
        ("tenderness", "warmth", "blanching", "sensation_reduced", "auspitz_sign", "film_sign", "koebner"),
    ),
    _number("vital_signs.temp_c", 30, 43, 0.1),
    _number("vital_signs.heart_rate", 20, 250),
    _number("vital_signs.resp_rate", 4, 80),
    _number("vital_signs.spo2", 50, 100),
    _number("vital_signs.sbp", 40, 260),
    _number("vital_signs.dbp", 20, 160),
    Question("vital_signs.avpu", "one", "avpu"),
    _number("vital_signs.weight_kg", 0.5, 300, 0.1),
    _number("vital_signs.height_cm", 30, 230),
)
TCM: Final = (
    Question("tcm_examiner", "one", "tcm_examiner"),
    Question("tongue.body_colour", "one", "tongue_body_colour"),
    Question("tongue.body_feature", "many", "tongue_body_feature", most=3),
    Question("tongue.coating_colour", "one", "tongue_coating_colour"),
    Question("tongue.coating_texture", "many", "tongue_coating_texture", most=2),
    Question("tongue.sublingual_veins", "one", "sublingual_veins"),
    Question("pulse", "many", "pulse", most=3),
    *_examined(
        "general",
        "general_sign",
        (
            "thirst", "dry_throat", "sore_throat", "irritable", "constipation", "loose_stool", "dark_urine",
            "heat_aversion", "cold_aversion", "poor_sleep", "fatigue", "poor_appetite", "menstrual_irregular",
        ),
    ),
)  # fmt: skip


def asked_of(questions: Sequence[Question], draft: Draft) -> tuple[Question, ...]:
    """Return the questions that are asked of this person."""
    return tuple(question for question in questions if question.is_asked(draft))


def open_required(draft: Draft) -> tuple[str, ...]:
    """Return the questions with a star that are asked of this person and have no answer yet."""
    return tuple(
        question.name
        for question in asked_of((*COMPLAINT, *HISTORY, *EXAMINATION), draft)
        if question.is_required and answer_of(draft.history, question) is None
    )


def answer_of(history: Intake, question: Question) -> Any:
    """Return what was answered; None, an empty list or an empty text where nobody did."""
    value = getattr(history, question.part)
    if not question.key:
        return value
    return value.get(question.key) if isinstance(value, Mapping) else getattr(value, question.key)


def count_answered(history: Intake, questions: Sequence[Question]) -> int:
    """Return how many questions have an answer; "not examined" is one."""
    return sum(answer_of(history, question) not in (None, (), "") for question in questions)


def read_answers(
    history: Intake, questions: Sequence[Question], sent: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read one screen's form into parts of the intake; a slip in one field does not cost the others.

    Args:
        history: what was answered before; parts with several questions keep what this screen does not ask.
        questions: those of the screen.
        sent: by question name, every value that was sent.

    Returns:
        The parts by the form's names (None: not answered), and the names of the questions whose answer was refused.
    """
    parts: dict[str, Any] = {}
    refused: list[str] = []
    for question in questions:
        values = [value.strip() for value in sent.get(question.name, ()) if value.strip()]
        try:
            value = _value(question, values, sent)
            parts[question.part] = _put(parts.get(question.part, getattr(history, question.part)), question, value)
        except (ValueError, ValidationError):
            refused.append(question.name)
    return parts, tuple(refused)


def _value(question: Question, values: Sequence[str], sent: Mapping[str, Sequence[str]]) -> Any:
    if question.kind == "treatments":
        return _treatments(question, sent)
    if not values:
        return None
    if question.kind == "many":
        return tuple(values)
    if question.kind in {"scale", "number"}:
        number = float(values[0].replace(",", "."))
        return number if question.step < 1 or question.part == "region_area_percent" else int(values[0])
    return int(values[0]) if question.of in {"fitzpatrick", "monk"} else values[0]


def _treatments(question: Question, sent: Mapping[str, Sequence[str]]) -> tuple[TreatmentNote, ...] | None:
    """Read one choice per treatment: not used, in use, or in use with how it worked."""
    notes = []
    for name, values in sent.items():
        part, _, kind = name.partition(".")
        if part == question.name and values and values[-1]:
            told = {"kind": kind} if values[-1] == "used" else {"kind": kind, "response": values[-1]}
            notes.append(TreatmentNote.model_validate(told))
    return tuple(notes) or None


def _put(present: Any, question: Question, value: Any) -> Any:
    if not question.key:
        return value
    if question.part in _RECORDS:
        kept = {name: getattr(present, name) for name in type(present).model_fields} | {question.key: value}
        return _RECORDS[question.part](**{name: one for name, one in kept.items() if one is not None})
    rest = {key: one for key, one in present.items() if key != question.key}
    return rest if value is None else {**rest, question.key: value}
