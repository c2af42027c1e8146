"""Propose plan items by rule: refer, read, repeat a picture, advise, follow up; the formula as a proposal.

Every item is ``proposed``; people accept, change or refuse it. Nothing here is generated text or a dose.

Source: clinical-vocabulary section 10 (not clinically reviewed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FOLLOW_UP_DAYS = 28
FOLLOW_UP_CHILD_DAYS = 14
ADULT_YEARS = 18
MAX_ITEMS = 12
RETAKE_REASONS = frozenset({"not_skin", "no_lesion_visible", "image_quality"})


@dataclass(frozen=True, slots=True)
class PlanInput:
    """What the plan rests on; ``formula`` is an id that may be shown, or None."""

    tier: str
    is_in_scope: bool
    needs_human_reading: bool
    abstain_reasons: frozenset[str]
    formula: str | None
    age_years: int | None


def plan(given: PlanInput) -> list[dict[str, Any]]:
    """Return the plan items in order."""
    rows = _referrals(given)
    if given.tier == "T1_emergency":  # the transfer comes first; everything else waits for the clinician there
        return _numbered([*rows, _item("advise", "sn_no_stop", role="worker")])
    if given.abstain_reasons & RETAKE_REASONS:
        rows.append(_item("investigate", "repeat_photo", role="worker"))
    if given.formula is not None:
        rows.append(
            _item(
                "treat",
                "tcm_formula_proposal",
                role="prescriber",
                detail=given.formula,
                condition="after_clinician_review",
                origin="model",
            )
        )
    rows.append(_item("advise", "sn_return", role="worker"))
    rows.append(_item("advise", "sn_no_stop", role="worker"))
    if given.is_in_scope:
        rows.append(_item("advise", "sn_skin_care", role="worker"))
        is_child = given.age_years is not None and given.age_years < ADULT_YEARS
        days = FOLLOW_UP_CHILD_DAYS if is_child else FOLLOW_UP_DAYS
        rows.append(_item("follow_up", "visit", role="worker", interval_days=days))
    return _numbered(rows)


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"order": order, **row} for order, row in enumerate(rows[:MAX_ITEMS], start=1)]


def _referrals(given: PlanInput) -> list[dict[str, Any]]:
    if given.tier == "T1_emergency":
        return [_item("refer", "emergency_transfer", role="worker")]
    if given.tier == "T2_same_day":
        return [_item("refer", "clinician_today", role="worker")]
    if given.tier == "T3_urgent":
        return [_item("refer", "dermatology_in_person", role="worker")]
    return [_item("refer", "dermatology_remote_reading", role="worker")] if given.needs_human_reading else []


def _item(
    action: str,
    what: str,
    *,
    role: str,
    detail: str | None = None,
    condition: str | None = None,
    interval_days: int | None = None,
    origin: str = "rule",
) -> dict[str, Any]:
    return {
        "action": action,
        "object": what,
        "detail": detail,
        "condition": condition,
        "interval_days": interval_days,
        "role": role,
        "origin": origin,
        "status": "proposed",
    }
