"""A wrong answer of a form that was handed over: what was, what is right, who says so, and what the rules make of it.

The form and the report are never changed: corrections stand beside them and are read together (``corrected``,
``with_corrections``). The rules are asked again at once. What they add counts at once; what no longer fires stays until a
clinician decides: nobody waits longer for a corrected answer. Does not store, print or ask the program again.

Source: policy R13 (the person can correct the record), "Final tier"; clinical-vocabulary sections 8 and 9.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from edge_agent.agents.report.standing import deadline_of
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.facts import facts_of, with_outcome
from edge_agent.agents.rules.red_flags import RuleBook, Verdict, as_report
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.agents.rules.triage import most_urgent, worker_tier
from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.result import DecisionReason
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from edge_agent.privacy.deidentify import stays_here

# Answers that pictures, consent or the program's numbers rest on: they are put right by a new visit, not here.
FIXED: Final = frozenset(
    {
        "local_reference", "age_years", "age_months", "sex", "guardian_present", "interpreter_used", "worker", "clinician",
        "views", "bsa_percent", "region_area_percent", "pga", "tongue", "pulse", "tcm_examiner", "general",
    }
)  # fmt: skip


class CorrectionReason(StrEnum):
    """Why an answer was wrong; ids of the vocabulary's ``correction_reason``."""

    SLIP = "slip"
    MISUNDERSTOOD = "misunderstood"
    LEARNED_LATER = "learned_later"
    PERSON_ASKED = "person_asked"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorrectedAnswer(_Record):
    """One answer: the question's place in the form (``danger_signs.fever``), the list of its ids, both values as JSON."""

    question: Annotated[str, Field(min_length=1, max_length=80)]
    of: str
    was: JsonValue
    now: JsonValue


class Correction(_Record):
    """One correction of one or several answers, and what the rules said of it.

    ``tier``: the more urgent one that it asks for, None where it asks for none; ``deadline`` and ``deadline_hours`` are that
    tier's. ``flags``: danger signs that fire since, as in a report; ``reasons``: triage rules that do. ``fallen``: rules that
    no longer fire. ``not_assessed``: danger-sign rules that cannot be judged by the corrected form, as in a report.
    ``stays_here``: the corrected form tells of abuse or self-harm: nothing of the visit may leave any more (policy R9).
    """

    answers: tuple[CorrectedAnswer, ...]
    reason: CorrectionReason
    account: Annotated[str, Field(min_length=1, max_length=64)]
    at: AwareDatetime
    tier: str | None = None
    deadline: str | None = None
    deadline_hours: int | None = None
    flags: tuple[dict[str, JsonValue], ...] = ()
    reasons: tuple[str, ...] = ()
    fallen: tuple[str, ...] = ()
    not_assessed: tuple[dict[str, JsonValue], ...] = ()
    stops_photography: bool = False
    stays_here: bool = False


class Look(_Record):
    """A clinician's new look at a signed report: the tier that counts from here on, and why."""

    tier: str
    reason: DecisionReason
    account: Annotated[str, Field(min_length=1, max_length=64)]
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Rules:
    """The two rule books that are asked again."""

    danger: RuleBook
    triage: RuleBook

    @classmethod
    def load(cls) -> Rules:
        """Read both."""
        return cls(RuleBook.load("red_flags.toml"), RuleBook.load("triage_rules.toml"))


def corrected(intake: Intake, answers: Sequence[CorrectedAnswer]) -> Intake:
    """Return the form with its answers put right, in order.

    Raises:
        CaseError: an answer does not fit another one, or cannot be put right here; nothing is changed.
    """
    told = intake.model_dump(mode="json")
    for one in answers:
        part, _, key = one.question.partition(".")
        if part in FIXED or part not in told:
            raise CaseError(f"{one.question} cannot be corrected here: begin a new visit for it")
        if not key:
            told[part] = one.now
        elif one.now is None and isinstance(getattr(intake, part), Mapping):
            told[part].pop(key, None)
        else:
            told[part] = {**told[part], key: one.now}
    try:
        return Intake.model_validate_json(json.dumps(told))
    except ValidationError as exc:
        raise CaseError("this answer does not fit another one: look at both") from exc


def reassessed(
    correction: Correction,
    *,
    before: Case,
    report: Mapping[str, Any] | None,
    tier: str | None,
    rules: Rules,
    vocabulary: Vocabulary,
) -> Correction:
    """Return a correction with what the rules say of it; the program is not asked again.

    Like is compared with like: the rules on the form before and on the form after. So nothing is added that was there.

    Args:
        correction: the answers, their reason and who says so.
        before: the case as it was understood until now (earlier corrections in its form); its views give the sites.
        report: as it is read until now (``with_corrections``), of version 2; None while the program works: then the danger
            signs alone are judged.
        tier: the one that counts until now, a clinician's own too; None while nobody has named one.
        rules: both books.
        vocabulary: holds the hours of a tier.

    Raises:
        CaseError: as for ``corrected``.
    """
    intake = corrected(before.intake, correction.answers)
    after = Case(before.case_id, before.views, intake, before.consent, before.created)
    was, now = (_verdicts(one, report, rules) for one in (before, after))
    added = [one for rule, one in now.items() if _is_more(one, was[rule])]
    fallen = [rule for rule, one in was.items() if one.outcome == "fires" and _is_more(one, now[rule])]
    told_before = None if report is None else str(report["triage"]["final"])
    present = tier or told_before or _tier_of_form(before, was) or TIERS[-1]
    is_raised = most_urgent([present, *(one.tier for one in added)]) != present
    asked = most_urgent([told_before, present, *(one.tier for one in added)]) if is_raised else None
    told = as_report([one for one in now.values() if not _is_triage(one)])
    shown = as_report([one for one in added if not _is_triage(one)])
    due = {} if asked is None else deadline_of(asked, {"created": before.created.isoformat()}, vocabulary)
    return correction.model_copy(
        update={
            "tier": asked,
            **due,
            "flags": tuple(shown["red_flags"]),
            "reasons": tuple(one.rule.id for one in added),
            "fallen": tuple(fallen),
            "not_assessed": tuple(told["not_assessed"]),
            "stops_photography": shown["stops_photography"],
            "stays_here": stays_here(shown, intake),
        }
    )


def with_corrections(report: Mapping[str, Any], corrections: Sequence[Correction]) -> dict[str, Any]:
    """Return a report as it is read after corrections; nothing is ever taken out of it or made less urgent.

    ``triage.made_for`` then holds the tier that the plan was made for.

    Args:
        report: of version 2 or 1.
        corrections: in the order of recording.
    """
    told = dict(report)
    if not corrections:
        return told
    flags = {row["id"]: row for row in told["red_flags"]}
    for one in corrections:
        flags |= {str(row["id"]): row for row in one.flags}
    newest = corrections[-1]
    told["red_flags"] = list(flags.values())
    told["not_assessed"] = [dict(row) for row in newest.not_assessed if row["id"] not in flags]
    told["stops_photography"] = bool(told.get("stops_photography")) or any(one.stops_photography for one in corrections)
    told["triage"] = _triage(told["triage"], corrections)
    return told


def _triage(triage: Mapping[str, Any], corrections: Sequence[Correction]) -> dict[str, Any]:
    reasons = [*triage["reasons"], *(rule for one in corrections for rule in one.reasons)]
    private = [str(row["id"]) for one in corrections for row in one.flags if row["is_private"]]
    told = {
        **triage,
        "reasons": list(dict.fromkeys(reasons)),
        "private_reasons": list(dict.fromkeys([*triage.get("private_reasons", ()), *private])),
    }
    raised = next((one for one in reversed(corrections) if one.tier is not None), None)
    if raised is None or raised.tier is None:
        return told
    by = {**triage["by"], "rules": most_urgent([triage["by"].get("rules"), raised.tier])}
    if (
        most_urgent([triage["final"], raised.tier]) == triage["final"]
    ):  # the report came later and is as urgent by itself
        return {**told, "by": by}
    due = {"deadline": raised.deadline, "deadline_hours": raised.deadline_hours}
    is_read = {"needs_human_reading": triage["needs_human_reading"] or raised.tier != TIERS[-1]}
    return {**told, **due, **is_read, "final": raised.tier, "by": by, "made_for": triage["final"]}


def _verdicts(case: Case, report: Mapping[str, Any] | None, rules: Rules) -> dict[str, Verdict]:
    """Judge every rule by a form, with what the run had found out."""
    facts = facts_of(case)
    triage = () if report is None else rules.triage.evaluate(_with_run(facts, report))
    return {one.rule.id: one for one in (*rules.danger.evaluate(facts), *triage)}


def _tier_of_form(case: Case, verdicts: Mapping[str, Verdict]) -> str | None:
    """Return what the worker and the danger signs ask for, while there is no report."""
    fired = [one.tier for one in verdicts.values() if one.outcome == "fires"]
    return most_urgent([worker_tier(case.intake.worker), *fired])


def _with_run(facts: Mapping[str, Fact], report: Mapping[str, Any]) -> dict[str, Fact]:
    """Add what the report found out to the form's facts; what it does not tell is the same before and after."""
    representation = report["representation"] or {"fields": {}}
    stage = representation["fields"].get("stage") or {"is_decided": False, "value": None}
    return with_outcome(
        facts,
        scope=report["scope"]["decision"],
        is_abstained=bool(report["abstentions"]),
        abstain_reasons=[row["reason"] for row in report["abstentions"]],
        severity_band=report["severity"]["band"],
        stage=stage["value"] if stage["is_decided"] else None,
    )


def _is_more(one: Verdict, other: Verdict) -> bool:
    """Say whether a rule fires that the other form left silent or unknown, or fires there for less."""
    if one.outcome != "fires":
        return False
    if other.outcome != "fires":
        return True
    is_stronger = one.is_stronger and not other.is_stronger
    return is_stronger or most_urgent([one.tier, other.tier]) != other.tier


def _is_triage(verdict: Verdict) -> bool:
    return verdict.rule.id.startswith("TR-")
