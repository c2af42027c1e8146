"""Make the referral letter of one case as a plain mapping: ids, numbers, times and the worker's own words.

The name is written by hand and never enters. What only one destination may know (danger signs of self-harm, signs of
abuse, the TCM block) is left out for every other one, as if it had not been asked. Pictures are listed only under a
granted consent to the referral package; the letter itself carries none. Does not send, store or decide anything.

Source: clinical-vocabulary section 13 (topics of the Australian teledermatology guideline [S 43], [K]); policy R5, R8, R9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent.agents.letter.decided import answers_part, decided_part, general_advice
from edge_agent.agents.letter.parts import (
    Secrets,
    Sender,
    Wish,
    consent_part,
    danger_signs_part,
    examination_part,
    history_part,
    person_part,
    pictures_part,
    plan_items,
    plan_part,
    program_part,
    red_flags_part,
    tcm_part,
)
from edge_agent.agents.plan.by_tier import SKIN_CLINICS
from edge_agent.agents.report.reading import readable
from edge_agent.agents.report.review import NO_REVIEW, Review
from edge_agent.agents.report.standing import AfterReview, after_review, deadline_of, without_overruled
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.agents.rules.triage import LEAST_URGENT, most_urgent
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError

LETTER_VERSION = 1
NOTICES = (
    "ref_notice", "clock_not_set", "picture_lost", "test_case", "fictitious_consent", "rules_unreviewed",
    "rules_incomplete",
)  # fmt: skip


def letter(
    report: Mapping[str, Any],
    intake: Intake,
    *,
    consent: Consent | None,
    sender: Sender,
    wish: Wish,
    vocabulary: Vocabulary,
    review: Review = NO_REVIEW,
) -> dict[str, Any]:
    """Return the letter; JSON-ready, keys in the order of printing.

    After a clinician's decisions it tells what stands: corrected values as the clinician's, and never what was found wrong.

    Args:
        report: what ``CasePipeline.run`` returned for the case.
        intake: the same case's form.
        consent: its consent record; None for a test case.
        sender: who sends it.
        wish: where to, and the worker's own words.
        vocabulary: checks the ids of the wish and knows what only one destination may be told.
        review: what clinicians decided about the report; ``tier`` is None where one rejected it and named no other.

    Raises:
        CaseError: an id of the wish is unknown, or report and form are not of one case; says what to mend.
    """
    _check(wish, vocabulary)
    _check_same_case(report, intake)
    secrets = Secrets.of(vocabulary, wish.destination)
    is_changed = bool(review.rulings) or "made_for" in report["triage"]  # by a clinician, or by a corrected answer
    made = readable(report) if is_changed else report
    after = after_review(made, review, vocabulary) if is_changed else None
    if after is None:
        tier: str | None = _tier(report, wish.destination, secrets)
    else:
        report = _with_own_flags(without_overruled(made, after, review), made, secrets)
        tier = _decided_tier(made, after, wish, secrets)
    return {
        "letter_version": LETTER_VERSION,
        "letter_id": wish.letter_id,
        "case_id": report["case_id"],
        "written": wish.written.isoformat(),
        "visited": report["created"],
        "language": wish.language,
        "destination": wish.destination,
        "destination_contact": wish.contact if wish.destination in SKIN_CLINICS else None,
        "is_confidential": secrets.is_confidential,
        "tier": tier,
        **_deadline(report, tier, vocabulary),
        "signature": None if review.signed is None else {"by": review.signed_by, "at": review.signed.isoformat()},
        "decided": decided_part(review, is_tcm_told=secrets.is_tcm_told),
        "corrected_answers": answers_part(review, hidden=secrets.inputs),
        "questions": _questions(vocabulary, wish.destination),
        "question": wish.question,
        "notices": [name for name in NOTICES if name in report["notices"]],
        "person": person_part(intake, consent, wish),
        "sender": {"post": sender.post, "worker": sender.worker, "role": sender.role, "call_back": sender.call_back},
        "history": history_part(intake, secrets),
        "examination": examination_part(report, intake, review),
        "danger_signs": danger_signs_part(intake, secrets),
        "red_flags": red_flags_part(report, secrets),
        "rules_not_assessed": [row["id"] for row in report["not_assessed"] if row["id"] not in secrets.rules],
        "pictures": pictures_part(report, intake, consent, wish),
        "plan": plan_part(report, secrets) if review.stands("plan") else general_advice(plan_items(report)),
        "worker": dict(report["worker"]),
        "program": program_part(report, consent, wish, secrets, review=review),
        "tcm": tcm_part(report, intake, review) if secrets.is_tcm_told else None,
        "consent": consent_part(consent),
        "reply": {"how": wish.reply_how, "to": wish.reply_to},
    }


def destinations(vocabulary: Vocabulary) -> tuple[str, ...]:
    """List the ids that a letter can be addressed to."""
    return tuple(i for i, term in vocabulary.lists["plan_object"].terms.items() if term.facts["action"] == "refer")


def _check(wish: Wish, vocabulary: Vocabulary) -> None:
    known = destinations(vocabulary)
    if wish.destination not in known:
        raise CaseError(f"{wish.destination!r} is no destination; use one of: {', '.join(known)}")
    if not vocabulary.has(wish.delivery, of="picture_delivery"):
        ids = ", ".join(vocabulary.lists["picture_delivery"].terms)
        raise CaseError(f"{wish.delivery!r} is no way to deliver pictures; use one of: {ids}")
    if wish.decision is not None and not vocabulary.has(wish.decision, of="decision"):
        ids = ", ".join(vocabulary.lists["decision"].terms)
        raise CaseError(f"{wish.decision!r} is no decision; use one of: {ids}")


def _check_same_case(report: Mapping[str, Any], intake: Intake) -> None:
    """Refuse a form of another person: what both hold must agree."""
    try:
        told = {name: report["worker"][name] for name in ("impression", "tier", "worried")}
        same_views = len(report["recognition"]) in {0, len(intake.views)} or not intake.views
        same_bsa = report["severity"].get("bsa_percent") == intake.bsa_percent
    except (KeyError, TypeError, AttributeError) as exc:
        raise CaseError("this is no report of derm-edge case --json: name the file that it wrote") from exc
    if told != intake.worker.model_dump(include=set(told)) or not same_views or not same_bsa:
        raise CaseError("report and form are not of one case: name the form that the report was made with")


def _tier(report: Mapping[str, Any], destination: str, secrets: Secrets) -> str:
    """Return the plan's tier for this destination; the case's own where the plan does not name it.

    Where a rule of another destination's alone made the case as urgent as it is, the letter has the tier that the rest
    asks for: the urgency would tell what the letter must not, and the destination concerned gets its own letter.
    """
    named = [row.get("tier") for row in plan_items(report) if row["action"] == "refer" and row["object"] == destination]
    tiers = [str(tier) for tier in named if tier is not None]
    if tiers:
        return min(tiers, key=TIERS.index)
    triage = report["triage"]
    is_hidden = any(row["id"] in secrets.rules for row in report["red_flags"])
    if not is_hidden or triage["by"].get("clinician") is not None:
        return str(triage["final"])
    asked = [row["tier"] for row in red_flags_part(report, secrets)]
    asked += [tier for who, tier in triage["by"].items() if who != "rules" and tier is not None]
    asked.append("T4_routine" if triage["needs_human_reading"] else LEAST_URGENT)
    return max(most_urgent(asked) or LEAST_URGENT, str(triage["final"]), key=TIERS.index)


def _decided_tier(made: Mapping[str, Any], after: AfterReview, wish: Wish, secrets: Secrets) -> str | None:
    """Return the clinician's tier where one was set; for a confidential destination never a later one than its own.

    What it is asked to do rests on a sign that people ticked, not on the skin: the program's plan and rule stand for it.
    """
    if after.tier == made["triage"]["final"]:
        return _tier(after.report, wish.destination, secrets)
    if not secrets.is_confidential:
        return after.tier
    named = [
        row.get("tier") for row in plan_items(made) if row["action"] == "refer" and row["object"] == wish.destination
    ]
    fired = [row["tier"] for row in made["red_flags"] if row["id"] in secrets.own_rules]
    return most_urgent([*(named if any(named) else fired), after.tier])


def _with_own_flags(told: Mapping[str, Any], made: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """Return what stands with the rules of this destination alone, whatever a clinician said of the tier."""
    standing, own = told["red_flags"], secrets.own_rules
    return {**told, "red_flags": [row for row in made["red_flags"] if row in standing or row["id"] in own]}


def _deadline(report: Mapping[str, Any], tier: str | None, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the deadline of the letter's tier: a time, and the hours from the visit (None: no fixed date)."""
    if tier is None:
        return {"deadline": None, "deadline_hours": None}
    if tier == report["triage"]["final"]:
        return {name: report["triage"][name] for name in ("deadline", "deadline_hours")}
    return deadline_of(tier, report, vocabulary)


def _questions(vocabulary: Vocabulary, destination: str) -> list[str]:
    return [i for i, term in vocabulary.lists["letter_question"].terms.items() if destination in term.facts["to"]]
