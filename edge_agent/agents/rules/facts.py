"""Flatten the form into the inputs of the rules: a sign is yes, no or unknown, never normal by default.

A list is one question: once it is answered, what it does not name is no, unless it says ``unknown`` or is full. An
empty list answers only a question that has no ``none`` to tick. Does not read pictures or model output; the pipeline adds
what it has derived (``with_outcome``).

Source: clinical-vocabulary sections 0.2, 0.6, 7, 8 and 9 (not clinically reviewed).
"""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from edge_agent.agents.rules.expressions import Fact, Kind
from edge_agent.contracts import intake_values as ids
from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Intake

_SIGN = {"yes": True, "no": False}
_PREGNANT = {**_SIGN, "not_applicable": False}
_ASKED = (
    "breastfeeding", "new_lesions_two_weeks", "new_drug_within_8_weeks", "household_itch", "contact_or_travel_risk",
    "known_psoriasis", "known_eczema",
)  # fmt: skip
_MOOD = ("low_mood", "loss_of_interest", "self_harm_thoughts")
_NUMBERS = (
    "age_years", "bsa_percent", "itch_nrs", "pain_nrs", "sleep_nrs", "impact_nrs", "pga",
    "previous_treatment_periods_without_response",
)  # fmt: skip
_IDS = ("sex", "pregnancy", "duration", "course")
_VITAL_NUMBERS = ("temp_c", "heart_rate", "resp_rate", "spo2", "sbp", "dbp")
# What the form says nothing about by itself: worked out here, or told by ``with_outcome``.
_DERIVED_SIGNS = (
    "worker_worried", "has_high_impact_site", "is_under_3_months", "is_under_1_year", "is_pregnant",
    "is_immunosuppressed", "on_methotrexate", "steroid_stopped", "is_dark_tone", "child_vital_chart",
    "is_abstained", "is_tone_outside_evidence", "is_age_outside_evidence",
)  # fmt: skip
_OUTCOME_IDS = ("scope", "severity_band", "stage", "syndrome", "formula")
# Per list field of the form: the prefix of its facts, its ids, and the length at which an answer is full.
_LISTS: Mapping[str, tuple[str, tuple[str, ...], int]] = MappingProxyType(
    {
        "symptoms": ("symptom", typing.get_args(ids.Symptom), 99),
        "trigger": ("trigger", typing.get_args(ids.Trigger), 4),
        "new_drug_classes": ("drug", typing.get_args(ids.DrugClass), 4),
        "current_treatment": ("treatment", typing.get_args(ids.Treatment), 6),
        "comorbidity": ("comorbidity", typing.get_args(ids.Comorbidity), 8),
        "family_history": ("family", typing.get_args(ids.FamilyHistory), 99),
        "allergy": ("allergy", typing.get_args(ids.Allergy), 8),
    }
)
_EXAMINED = (
    ("danger_signs", typing.get_args(ids.DangerSign)),
    ("general", typing.get_args(ids.GeneralSign)),
    ("pest", typing.get_args(ids.PestItem)),
    ("worker_examination", typing.get_args(ids.WorkerSign)),
)
FACE_SITES = frozenset({"face", "ear", "lips_mouth", "eye_area"})
HIGH_IMPACT_SITES = FACE_SITES | {"palm", "sole", "genital"}
SUPPRESSING_TREATMENTS = ("methotrexate", "ciclosporin", "biologic", "systemic_steroid", "chemotherapy")
SUPPRESSING_ILLNESSES = ("immunosuppressed", "hiv", "transplant")
_STEROIDS = frozenset({"steroid_topical_mild", "steroid_topical_potent", "systemic_steroid"})
DARK_FROM_FITZPATRICK, DARK_FROM_MONK = 5, 7


def _kinds() -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for name in (*(n for _, group in _EXAMINED for n in group), *_ASKED, *_MOOD, *_DERIVED_SIGNS):
        kinds[name] = "sign"
    for prefix, values, _ in _LISTS.values():
        kinds |= dict.fromkeys((f"{prefix}_{value}" for value in values), "sign")
    kinds |= dict.fromkeys((*_NUMBERS, *_VITAL_NUMBERS), "number")
    kinds |= dict.fromkeys((*_IDS, "avpu", *_OUTCOME_IDS), "id")
    return kinds


KINDS: Mapping[str, Kind] = MappingProxyType(_kinds())


def facts_of(case: Case) -> dict[str, Fact]:
    """Return every rule input that the form answers; what is not answered is None (unknown)."""
    intake = case.intake
    facts: dict[str, Fact] = dict.fromkeys(KINDS)
    for field, group in _EXAMINED:
        answers: Mapping[str, str] = getattr(intake, field)
        facts |= {name: _SIGN.get(answers.get(name, "")) for name in group}
    facts |= {name: _SIGN.get(getattr(intake, name) or "") for name in _ASKED}
    facts |= {name: _SIGN.get(getattr(intake.mood, name) or "") for name in _MOOD}
    facts |= {name: getattr(intake, name) for name in (*_NUMBERS, *_IDS)}
    facts |= {name: getattr(intake.vital_signs, name) for name in (*_VITAL_NUMBERS, "avpu")}
    facts["worker_worried"] = _SIGN.get(intake.worker.worried or "")
    facts |= _lists(intake)
    facts |= _person(intake)
    facts |= _drugs(intake, facts)
    facts |= _places(case, facts)
    return facts


def with_outcome(
    facts: Mapping[str, Fact],
    *,
    scope: str,
    is_abstained: bool,
    abstain_reasons: Collection[str],
    severity_band: str | None,
    stage: str | None = None,
) -> dict[str, Fact]:
    """Add what a run found out to the form's facts, for the triage rules.

    Args:
        facts: the form's facts (``facts_of``).
        scope: the scope decision.
        is_abstained: whether the case as a whole has no answer.
        abstain_reasons: every abstain reason of the case, whatever its section.
        severity_band: the band, or None when it cannot be computed.
        stage: Rep's decided stage, or None; the reason ``remission_stage`` stands for remission.
    """
    return {
        **facts,
        "scope": scope,
        "is_abstained": is_abstained,
        "is_tone_outside_evidence": "tone_outside_evidence" in abstain_reasons,
        "is_age_outside_evidence": "age_outside_evidence" in abstain_reasons,
        "severity_band": severity_band,
        "stage": "remission" if "remission_stage" in abstain_reasons else None if stage == "cannot_tell" else stage,
    }


def answered(intake: Intake, field: str) -> tuple[Any, ...] | None:
    """Return a list of the form, or None where nobody answered it.

    An empty list is a skipped question where ``none`` could have been ticked, and where a new drug was not denied but
    no class was named.

    Args:
        intake: the form.
        field: ``symptoms``, ``trigger``, ``new_drug_classes``, ``current_treatment``, ``comorbidity``,
            ``family_history`` or ``allergy``.
    """
    answer: tuple[Any, ...] | None = getattr(intake, field)
    if answer:
        return answer
    if field == "new_drug_classes":
        return () if intake.new_drug_within_8_weeks == "no" else None
    return None if "none" in _LISTS[field][1] else answer


def completed_years(intake: Intake) -> int | None:
    """Return the age in completed years, or None where nobody told it; an infant's form may say months alone."""
    months = intake.age_months
    return months // 12 if intake.age_years is None and months is not None else intake.age_years


def is_dark(fitzpatrick: int | None, monk: int | None) -> bool | None:
    """Say whether a skin tone is one of the dark ones (section 2, field 8: V-VI or Monk 7-10), or None where nobody told.

    Args:
        fitzpatrick: 1-6.
        monk: 1-10.
    """
    tones = (fitzpatrick, DARK_FROM_FITZPATRICK), (monk, DARK_FROM_MONK)
    known = [value >= least for value, least in tones if value is not None]
    return any(known) if known else None


def _lists(intake: Intake) -> dict[str, Fact]:
    """Each list is one question: once it is answered, what it does not name is absent."""
    rows: dict[str, Fact] = {}
    for field, (prefix, values, full) in _LISTS.items():
        answer = answered(intake, field)
        if answer is None:
            continue
        named = {note.kind for note in answer} if field == "current_treatment" else set(answer)
        rest = None if "unknown" in named or len(named) >= full else False
        rows |= {f"{prefix}_{value}": True if value in named else rest for value in values}
    return rows


def _person(intake: Intake) -> dict[str, Fact]:
    months, years = intake.age_months, completed_years(intake)
    young: bool | None = None if years in {None, 0} else False
    return {
        "age_years": years,
        "is_under_3_months": young if months is None else months < 3,
        "is_under_1_year": None if years is None else years < 1,
        "is_pregnant": False if intake.sex == "male" else _PREGNANT.get(intake.pregnancy or ""),
        "is_dark_tone": is_dark(intake.fitzpatrick, intake.monk),
    }


def _drugs(intake: Intake, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Work out what drugs say together; a drug that one list names is in use whatever another list left out."""
    rows: dict[str, Fact] = {}
    if intake.new_drug_classes:
        rows["new_drug_within_8_weeks"] = True
    suppressing = [facts[f"treatment_{name}"] for name in SUPPRESSING_TREATMENTS]
    suppressing += [facts[f"comorbidity_{name}"] for name in SUPPRESSING_ILLNESSES]
    is_on_new_biologic = facts["drug_biologic"] is True
    stopped = any(
        note.kind in _STEROIDS and note.response == "stopped_side_effect" for note in intake.current_treatment or ()
    )
    return {
        **rows,
        "is_immunosuppressed": True if is_on_new_biologic else _any(suppressing),
        "on_methotrexate": facts["treatment_methotrexate"],
        "steroid_stopped": True if stopped else facts["trigger_steroid_stopped"],
    }


def _places(case: Case, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Join what the checklist and the examination say with the body sites that people gave to the pictures.

    A picture can say that the face or the genitals are affected, never that they are not: nobody has to picture every
    place. Only ``has_high_impact_site`` is no once every picture has a site: the form has no other place for palm and sole.
    """
    sites = {view.body_site for view in case.views}
    pressed = case.intake.worker_examination.get("blanching")
    blanches = None if pressed is None else _SIGN.get(pressed)
    face = True if sites & FACE_SITES else facts["face_affected"]
    genital = True if "genital" in sites else facts["genital_lesion"]
    is_numb = facts["sensation_reduced"] is True
    stays = facts["does_not_blanch"]
    return {
        "face_affected": face,
        "genital_lesion": genital,
        "numb_patch": True if is_numb else facts["numb_patch"],
        "does_not_blanch": True if blanches is False else stays if stays is not None else _not(blanches),
        "has_high_impact_site": _high_impact_site(sites) if not (face or genital) else True,
    }


def _high_impact_site(sites: set[str | None]) -> bool | None:
    if sites & HIGH_IMPACT_SITES:
        return True
    return None if not sites or None in sites else False


def _any(values: Iterable[Fact]) -> bool | None:
    """Return yes when one is yes, no when all are no, else unknown."""
    seen = list(values)
    if any(value is True for value in seen):
        return True
    return False if all(value is False for value in seen) else None


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value
