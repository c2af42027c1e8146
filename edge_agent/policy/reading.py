"""When a second person must read a case, and what a sign of abuse changes (second reading; R9, R16).

Pure. Does not decide a tier and does not find a danger sign; the rule files do (``edge_agent.agents.rules``).

Source: clinical-vocabulary section 14 (``second_reader_required``); policy R9, R16.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge_agent.contracts.policy import Policy
from edge_agent.contracts.terms import ROUTINE_TIER, Vocabulary
from edge_agent.policy.camera import is_minor

DARK_FITZPATRICK = 5  # V and VI
DARK_MONK = 7  # 7 to 10
URGENT_TIER = "T3_urgent"
REMISSION = "remission"
# Texts of the list `consent_text` that are always shown where a program was used (R16).
PROGRAM_NOTICES = ("program_used", "program_limits", "ask_for_a_person")


class ReadingReason(StrEnum):
    """Why a second person reads the case; the last two: what nobody entered is never read as harmless."""

    DARK_TONE = "dark_tone"
    MINOR = "minor"
    ABSTAINED = "abstained"
    T3 = "T3"
    REMISSION = "remission"
    TONE_NOT_RECORDED = "tone_not_recorded"
    AGE_NOT_RECORDED = "age_not_recorded"


@dataclass(frozen=True, slots=True)
class SafeguardingRule:
    """What a sign of abuse or a disclosure changes (R9)."""

    stops_camera: bool
    shows_screen: bool
    is_on_persons_print: bool
    is_in_sync: bool
    contact: str | None


def second_reading_reasons(
    policy: Policy,
    *,
    age_years: int | None,
    age_months: int | None = None,
    fitzpatrick: int | None,
    monk: int | None,
    has_abstained: bool,
    tier: str,
    stage: str | None,
) -> tuple[ReadingReason, ...]:
    """Return why a second person must read the case; empty where nobody must.

    Args:
        policy: the policy in force; it may ask for fewer reasons only within its floor.
        age_years: years or None; ``age_months`` only under two years.
        age_months: all months since birth, or None.
        fitzpatrick: 1 to 6, or None.
        monk: 1 to 10, or None; the darker answer of the two counts.
        has_abstained: the program abstained from anything in this case.
        tier: the final tier's id.
        stage: id of ``stage`` or None.
    """
    is_dark = (fitzpatrick or 0) >= DARK_FITZPATRICK or (monk or 0) >= DARK_MONK
    has_tone = fitzpatrick is not None or monk is not None
    has_age = age_years is not None or age_months is not None
    wanted = {
        ReadingReason.DARK_TONE: ("dark_tone", is_dark),
        ReadingReason.MINOR: ("minor", has_age and is_minor(policy, age_years=age_years, age_months=age_months)),
        ReadingReason.ABSTAINED: ("abstained", has_abstained),
        ReadingReason.T3: ("T3", tier == URGENT_TIER),
        ReadingReason.REMISSION: ("remission", stage == REMISSION),
        ReadingReason.TONE_NOT_RECORDED: ("dark_tone", not has_tone),
        ReadingReason.AGE_NOT_RECORDED: ("minor", not has_age),
    }
    return tuple(
        reason for reason, (key, is_there) in wanted.items() if is_there and key in policy.second_reader_required
    )


def deadline_hours(policy: Policy, *, tier: str, standard_hours: int | None) -> int | None:
    """Return a tier's deadline, counted from the visit, as the country sets it; only T4 is the country's to shorten.

    Args:
        policy: the policy in force.
        tier: the final tier's id.
        standard_hours: the vocabulary's ``deadline_hours`` of the tier; None where the next visit decides.
    """
    if tier != ROUTINE_TIER or standard_hours is None:
        return standard_hours
    return min(standard_hours, policy.routine_deadline_hours)


def with_country_deadlines(policy: Policy, vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary with the deadlines that hold in this country; whoever dates a case or a letter uses it."""
    hours = deadline_hours(policy, tier=ROUTINE_TIER, standard_hours=vocabulary.deadline_hours(ROUTINE_TIER))
    return vocabulary if hours is None else vocabulary.with_deadline(ROUTINE_TIER, hours)


def safeguarding_rule(policy: Policy, *, is_suspected: bool) -> SafeguardingRule:
    """Say what happens when a rule that stops photography fired, or the worker pressed the safeguarding button (R9).

    The stop holds for the rest of the case: the page keeps ``is_suspected`` with the case and never clears it, so that
    unticking a sign opens no camera.
    """
    return SafeguardingRule(
        stops_camera=is_suspected,
        shows_screen=is_suspected,
        is_on_persons_print=False,
        is_in_sync=False,
        contact=policy.safeguarding_contact if is_suspected else None,
    )


def program_notices(*, was_program_used: bool) -> tuple[str, ...]:
    """Return the texts that the page and the print must show (R16); none where no program was used."""
    return PROGRAM_NOTICES if was_program_used else ()
