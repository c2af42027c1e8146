"""The parts of a referral letter, each made from report, form and consent alone; ids, numbers and own words.

Does not choose the destination, the tier or the deadline (``agents.letter`` does) and puts no words to ids.

Source: clinical-vocabulary section 13; policy R5 (intimate sites), R8 (packages), R9 (signs of abuse).
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_agent.agents.letter.decided import overall
from edge_agent.agents.report.review import NO_REVIEW, Review
from edge_agent.agents.rules.rule_file import EMERGENCY
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.intake_values import INTIMATE_SITES, DangerSign
from edge_agent.contracts.terms import Language, Vocabulary

SCORES = ("itch_nrs", "pain_nrs", "sleep_nrs", "impact_nrs")
_ANSWERS = (
    "duration", "course", "known_psoriasis", "known_eczema", "new_lesions_two_weeks", "season", "household_itch",
    "contact_or_travel_risk", "new_drug_within_8_weeks", "pregnancy", "breastfeeding", "smoking", "alcohol",
    "allergy_text", "previous_treatment_periods_without_response",
)  # fmt: skip
_LISTS = ("symptoms", "trigger", "new_drug_classes", "allergy", "comorbidity", "family_history")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends the letter, in the worker's own words; an empty text leaves a line to fill in by hand."""

    post: str = ""
    worker: str = ""
    role: str = ""
    call_back: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What this letter is to be.

    ``destination`` is a ``refer`` object; ``written`` has a time zone. ``question`` is the worker's own, beside the
    destination's fixed one. ``transport_needed``: yes, no or None. ``delivery``: an id of ``picture_delivery``.
    ``decision``: an id of ``decision``, None while no clinician has reviewed. ``reply_how``, ``reply_to``: own words.
    ``contact``: where this post sends people, by name and number; None where nobody has set it.
    """

    destination: str
    letter_id: str
    written: datetime
    language: Language
    question: str = ""
    transport_needed: str | None = None
    delivery: str = "not_sent"
    decision: str | None = None
    reply_how: str = ""
    reply_to: str = ""
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """What this destination is not told: rule ids, inputs of the form, plan objects; and whether it is told of TCM.

    ``own_rules`` are told to this destination alone: why it is written to at all.
    """

    rules: frozenset[str]
    inputs: frozenset[str]
    objects: frozenset[str]
    is_tcm_told: bool
    is_confidential: bool
    own_rules: frozenset[str]

    @classmethod
    def of(cls, vocabulary: Vocabulary, destination: str) -> Secrets:
        terms = vocabulary.lists["plan_object"].terms
        others = [term for name, term in terms.items() if name != destination]
        is_tcm = bool(terms[destination].facts.get("tcm", False))
        hidden = {t.id for t in others if t.facts.get("is_private") or (t.facts.get("tcm") and not is_tcm)}
        return cls(
            rules=frozenset(rule for term in others for rule in term.facts.get("private_rules", ())),
            inputs=frozenset(name for term in others for name in term.facts.get("private_inputs", ())),
            objects=frozenset(hidden),
            is_tcm_told=is_tcm,
            is_confidential=bool(terms[destination].facts.get("is_private", False)),
            own_rules=frozenset(terms[destination].facts.get("private_rules", ())),
        )


def plan_items(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the plan's items, from a report whose plan is a list or ``Plan.to_report()``."""
    told = report["plan"]
    return list(told["items"] if isinstance(told, Mapping) else told)


def person_part(intake: Intake, consent: Consent | None, wish: Wish) -> dict[str, Any]:
    """Return who the person is as far as the letter tells it; name and contact are written by hand."""
    return {
        "age_years": intake.age_years,
        "age_months": intake.age_months,
        "sex": intake.sex,
        "guardian_present": intake.guardian_present,
        "language": None if consent is None else consent.language,
        "interpreter_used": intake.interpreter_used,
        "transport_needed": wish.transport_needed,
    }


def history_part(intake: Intake, secrets: Secrets) -> dict[str, Any]:
    """Return what was asked; None for what nobody asked."""
    lists = {name: None if (told := getattr(intake, name)) is None else list(told) for name in _LISTS}
    treatment = intake.current_treatment
    mood = {k: v for k, v in intake.mood.model_dump().items() if k not in secrets.inputs and v is not None}
    return {
        **{name: getattr(intake, name) for name in _ANSWERS},
        **lists,
        "scores": {name: getattr(intake, name) for name in SCORES if getattr(intake, name) is not None},
        "current_treatment": None if treatment is None else [note.model_dump() for note in treatment],
        "pest": dict(intake.pest),
        "mood": mood,
    }


def examination_part(report: Mapping[str, Any], intake: Intake, review: Review = NO_REVIEW) -> dict[str, Any]:
    """Return sites, measured numbers and the severity that the report holds and no clinician found wrong."""
    if not review.stands("severity"):
        grade = intake.pga if review.value("severity", "pga") is None else report["severity"]["pga"]
        told = examination_part({**report, "severity": {"band": None, "pasi": None}}, intake)
        return {**told, "pga": grade, "is_severity_open": True}
    sites = dict.fromkeys((note.body_site, note.laterality) for note in intake.views if note.body_site is not None)
    pasi = report["severity"].get("pasi")
    return {
        "sites": [{"body_site": site, "laterality": side} for site, side in sites],
        "bsa_percent": intake.bsa_percent,
        "severity_band": report["severity"]["band"],
        "is_severity_open": False,
        "pasi": pasi.get("value") if isinstance(pasi, Mapping) else pasi,
        "pga": intake.pga,
        "vital_signs": intake.vital_signs.model_dump(exclude_none=True),
        "worker_examination": {k: v for k, v in intake.worker_examination.items() if v != "not_examined"},
    }


def danger_signs_part(intake: Intake, secrets: Secrets) -> dict[str, list[str]]:
    """Sort the whole checklist into yes, no and not assessed, without what this destination is not told."""
    told = {name: intake.danger_signs.get(name, "not_examined") for name in typing.get_args(DangerSign)}
    rows: dict[str, list[str]] = {"yes": [], "no": [], "not_assessed": []}
    for name, answer in told.items():
        if name not in secrets.inputs:
            rows["not_assessed" if answer == "not_examined" else answer].append(name)
    return rows


def red_flags_part(report: Mapping[str, Any], secrets: Secrets) -> list[dict[str, Any]]:
    """Return the rules that fired, without those of another destination."""
    rows = [row for row in report["red_flags"] if row["id"] not in secrets.rules]
    return [
        {
            "id": row["id"],
            "tier": row["tier"],
            "is_stronger": row.get("is_stronger", False),
            "origin": row.get("origin", "form"),
        }
        for row in rows
    ]


def pictures_part(report: Mapping[str, Any], intake: Intake, consent: Consent | None, wish: Wish) -> dict[str, Any]:
    """List the pictures only where they may go; those of intimate sites are counted, never listed (policy R5)."""
    views = report["recognition"] or [{"view": n, **note.model_dump()} for n, note in enumerate(intake.views)]
    state = "no_consent" if consent is None else "refused" if not consent.referral_package.granted else "granted"
    if state != "granted":
        return {"consent": state, "delivery": "not_sent", "list": [], "intimate_not_sent": 0}
    sent = [view for view in views if view["body_site"] not in INTIMATE_SITES]
    rows = [{"number": v["view"] + 1, **{k: v[k] for k in ("shot", "body_site", "laterality")}} for v in sent]
    return {
        "consent": state,
        "delivery": wish.delivery,
        "list": rows,
        "intimate_not_sent": len(views) - len(sent),
    }


def plan_part(report: Mapping[str, Any], secrets: Secrets) -> list[dict[str, Any]]:
    """Return what this destination may read of the plan, without referrals: each has its own letter.

    A transfer or a same-day visit that only a private sign asked for would tell of that sign.
    """
    names = ("action", "object", "condition", "interval_days", "role", "status")
    rows = [row for row in plan_items(report) if row["object"] not in secrets.objects and row["action"] != "refer"]
    return [{name: row[name] for name in names} for row in rows]


def program_part(
    report: Mapping[str, Any], consent: Consent | None, wish: Wish, secrets: Secrets, *, review: Review = NO_REVIEW
) -> dict[str, Any]:
    """Return the program's description as far as it stands, its release and what a clinician decided on it."""
    bundle = report["provenance"]["bundle"]
    told = report["representation"]
    fields = told["fields"] if told is not None else {}
    biomedical = report.get("biomedical") or {}
    working = biomedical.get("working") or {}
    return {
        "is_refused": consent is not None and not consent.program_help.granted,
        "bundle": None if bundle is None else {name: bundle[name] for name in ("name", "version", "clinical_use")},
        "is_silent": bundle is None or not report["scope"]["views"],
        "scope": report["scope"]["decision"] if review.stands("findings") else None,
        "family": _families(report["scope"]["views"]) if review.stands("findings") else [],
        "phenotype": _decided(fields.get("phenotype")) if review.stands("representation") else None,
        "working": working.get("condition") if review.suspicion_stands else None,
        "differential": [row["condition"] for row in biomedical.get("differential", ()) if review.suspicion_stands],
        "abstentions": _abstentions(report, secrets),
        "decision": wish.decision or overall(review),
        "is_decided": review.has_doubts,  # then it stands part by part, in a section of its own
    }


def _abstentions(report: Mapping[str, Any], secrets: Secrets) -> list[str]:
    """List the reasons; an active danger sign that this destination is not told of is not told this way either."""
    told = list(dict.fromkeys(str(row["reason"]) for row in report["abstentions"]))
    is_hidden = any(row["id"] in secrets.rules for row in report["red_flags"])
    is_visible = any(row["tier"] == EMERGENCY for row in red_flags_part(report, secrets))
    return [reason for reason in told if reason != "red_flag_active" or is_visible or not is_hidden]


def _families(views: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the kinds of lesion that were told apart; ``cannot_tell`` stands only where nothing else does."""
    told = list(dict.fromkeys(str(view["family"]) for view in views))
    return [family for family in told if family != "cannot_tell"] or told


def _decided(row: Mapping[str, Any] | None) -> Any:
    return None if row is None or not row["is_decided"] or row["is_withheld"] else row["value"]


def tcm_part(report: Mapping[str, Any], intake: Intake, review: Review = NO_REVIEW) -> dict[str, Any]:
    """Return the TCM examination and the report's TCM block; only for TCM destinations.

    Where no block may stand (``tcm_absence``, or a clinician found it wrong) the examination goes alone, with the clinician's
    own syndrome if there is one. A formula never goes without its changes and
    what the herb check left open.
    """
    told = (report.get("tcm") if review.stands("reasoning") else None) or {}
    syndrome, formula = told.get("syndrome") or {}, told.get("formula") or {}
    is_named = bool(syndrome) and not syndrome["is_withheld"]
    return {
        "syndrome": syndrome["primary"] if is_named else review.value("reasoning", "syndrome"),
        "secondary": syndrome["secondary"] if is_named else None,
        "principle": told.get("principle") or None,
        "formula": formula.get("id"),
        "modification": [dict(row) for row in formula.get("modification", ())],
        "herbs": [
            {"herb": row["herb"], "verdict": row["verdict"]}
            for row in formula.get("herbs", ())
            if row["verdict"] != "shown"
        ],
        "is_filled": formula.get("is_filled"),
        "not_asked": list(told.get("formula_missing", ())) if formula else [],
        "tongue": {k: v for k, v in intake.tongue.model_dump(mode="json").items() if v},
        "pulse": list(intake.pulse),
        "general": [name for name, answer in intake.general.items() if answer == "yes"],
    }


def consent_part(consent: Consent | None) -> dict[str, Any] | None:
    """Return the state of the consents that bear on a letter; None without a record."""
    if consent is None:
        return None
    purposes = ("care_pictures", "program_help", "referral_package")
    return {
        **{name: getattr(consent, name).granted for name in purposes},
        "given_by": consent.given_by,
        "recorded_at": consent.recorded_at.isoformat(),
    }
