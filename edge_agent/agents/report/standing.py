"""A report after a clinician's decisions: the tier that counts, a plan that goes with it, and nothing that hangs on what fell.

The report of the store is never changed; this is a copy for readers. Which words of a part are withheld or struck is drawn
elsewhere (``report.decided``, ``agents.letter``). Does not sign or decide.

Source: clinical-vocabulary section 9 (a clinician may lower a tier; what stood there before stays visible).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from edge_agent.agents.plan.by_tier import at_tier, is_general, rests_on_suspicion, rests_on_syndrome
from edge_agent.agents.report.review import Review
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.agents.rules.triage import is_clock_set
from edge_agent.contracts.terms import Vocabulary

# How a pointer of the evidence begins -> the part that a clinician decides on.
POINTS_AT: Final = {"view:": "findings", "representation.": "representation"}
_SIDES: Final = ("supported_by", "less_supported_by")


@dataclass(frozen=True, slots=True)
class AfterReview:
    """A report as it stands; ``fallen`` are the plan's items that no longer apply. ``tier`` is None where it was rejected."""

    report: dict[str, Any]
    fallen: tuple[Mapping[str, Any], ...]
    tier: str | None


def after_review(report: Mapping[str, Any], review: Review, vocabulary: Vocabulary) -> AfterReview:
    """Return a report of version 2 after the decisions on it.

    Args:
        report: of ``reading.readable``.
        review: what was decided.
        vocabulary: hours of a tier, objects of the plan, grades of the global assessment.
    """
    tier = review.tier(report)
    # Where a corrected answer made the case more urgent, the plan was made for the tier from before.
    before = str(report["triage"].get("made_for", report["triage"]["final"]))
    items, fallen = at_tier(report["plan"]["items"], tier or before, before=before, vocabulary=vocabulary)
    items, also = _without_conclusions(items, review)
    items = [_booked(row, report, review) for row in items]
    told = {
        **report,
        "triage": _triage(report, review, tier, vocabulary),
        "plan": {**report["plan"], "items": items},
        "severity": _severity(report["severity"], review, vocabulary),
    }
    return AfterReview(told, (*fallen, *also), tier)


def for_the_person(report: Mapping[str, Any], review: Review, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return what a person may be told by word of mouth: the plan that stands, of a refused one only what everybody is told.

    Does not leave out what is private (``reading.seen_by``).
    """
    told = without_overruled(report, after_review(report, review, vocabulary), review)
    if review.stands("plan"):
        return told
    return {**told, "plan": {**told["plan"], "items": [row for row in told["plan"]["items"] if is_general(row)]}}


def without_overruled(report: Mapping[str, Any], after: AfterReview, review: Review) -> dict[str, Any]:
    """Leave out what rests on what fell, for readers who are never told what was found wrong.

    Evidence that points at findings or a description that do not stand goes. Rules that asked for more than the clinician's
    tier go with their instruction, and so do the reasons of the old tier; the signs that people ticked stay with the form.

    Args:
        report: the program's, of version 2.
        after: the same report as it stands.
        review: what was decided.
    """
    told = _without_evidence(after.report, review)
    if after.tier == report["triage"]["final"]:
        return told
    tiers = tiers_told(report, after)
    flags = [row for row in told["red_flags"] if row["tier"] in tiers]
    return {
        **told,
        "red_flags": flags,
        "triage": {**told["triage"], "reasons": [], "private_reasons": []},
        "worker": {**told["worker"], "tier": None},
    }


def tiers_told(report: Mapping[str, Any], after: AfterReview) -> tuple[str, ...]:
    """Return the tiers of which a rule may speak: none more urgent than a clinician's own, none where it was rejected."""
    if after.tier is None:
        return ()
    return TIERS if after.tier == report["triage"]["final"] else TIERS[TIERS.index(after.tier) :]


def _without_evidence(told: Mapping[str, Any], review: Review) -> dict[str, Any]:
    """Leave out pointers at parts that fell, and grades of pictures whose findings fell."""
    fallen = tuple(start for start, part in POINTS_AT.items() if not review.stands(part))
    if not fallen:
        return dict(told)

    def kept(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [row for row in rows if not str(row["pointer"]).startswith(fallen)]

    def of_condition(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if row is None else {**row, **{name: kept(row[name]) for name in _SIDES}}

    biomedical, reasoning = told["biomedical"], told["reasoning"]
    if biomedical is not None:
        others = [of_condition(row) for row in biomedical["differential"]]
        biomedical = {"working": of_condition(biomedical["working"]), "differential": others}
    if reasoning is not None:
        reasoning = {**reasoning, "steps": [{**one, "evidence": kept(one["evidence"])} for one in reasoning["steps"]]}
    severity = told["severity"] if review.stands("findings") else {**told["severity"], "local_score": []}
    return {**told, "biomedical": biomedical, "reasoning": reasoning, "severity": severity}


def deadline_of(tier: str, report: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Return a tier's deadline: a time, and the hours from the visit (None: no fixed date)."""
    hours = vocabulary.deadline_hours(tier)
    visited = datetime.fromisoformat(report["created"])
    due = visited + timedelta(hours=hours) if hours is not None and is_clock_set(visited) else None
    return {"deadline": None if due is None else due.isoformat(), "deadline_hours": hours}


def _triage(report: Mapping[str, Any], review: Review, tier: str | None, vocabulary: Vocabulary) -> dict[str, Any]:
    triage = {
        **report["triage"],
        "needs_human_reading": report["triage"]["needs_human_reading"] and (review.is_unseen or not review.is_signed),
    }
    if tier is None or tier == triage["final"]:
        return triage
    ruling = review.rulings["triage"]
    return {
        **triage,
        **deadline_of(tier, report, vocabulary),
        "final": tier,
        "by": {**triage["by"], "clinician": tier},
        "before_clinician": triage["final"],
        "clinician_reason": ruling.reason,
        "is_lowered": TIERS.index(tier) > TIERS.index(triage["final"]),
        "is_provisional": False,
    }


def _without_conclusions(
    items: Sequence[Mapping[str, Any]], review: Review
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Part the items into those that stand and those that rest on a syndrome or a suspicion that does not."""
    kept: list[Mapping[str, Any]] = []
    gone: list[Mapping[str, Any]] = []
    for row in items:
        falls = (rests_on_syndrome(row) and not review.stands("reasoning")) or (
            rests_on_suspicion(row) and not review.suspicion_stands
        )
        (gone if falls else kept).append(row)
    return [{**row, "order": number} for number, row in enumerate(kept, start=1)], gone


def _booked(row: Mapping[str, Any], report: Mapping[str, Any], review: Review) -> Mapping[str, Any]:
    """Return a booked visit with the day that the clinician set."""
    is_visit = row["action"] == "follow_up" and row["condition"] is None
    if not is_visit or review.follow_up is None:
        return row
    days = (review.follow_up - datetime.fromisoformat(report["created"]).date()).days
    return {**row, "interval_days": max(days, 0)}


def _severity(told: Mapping[str, Any], review: Review, vocabulary: Vocabulary) -> Mapping[str, Any]:
    grade = review.value("severity", "pga")
    if grade is None:
        return told
    return {**told, "pga": vocabulary.lists["pga"].terms[grade].facts["grade"]}
