"""What is kept how long (R12).

Pure: deletes nothing and knows no clock. ``store.retention`` does: it asks whether the clock can be believed, writes down what
was deleted and when, and does the same in backups.

Source: policy R12; clinical-vocabulary section 14.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from edge_agent.contracts.policy import ADULT_YEARS, Policy


class RetentionClass(StrEnum):
    """What kind of thing is kept."""

    DRAFT = "draft"
    REFUSED_FRAME = "refused_frame"
    PICTURE = "picture"
    RECORD = "record"
    AUDIT = "audit"


class RetentionWait(StrEnum):
    """Why a thing has no date yet."""

    SIGN_OFF = "sign_off"


@dataclass(frozen=True, slots=True)
class Kept:
    """One stored thing and its confirmed state; times have a zone.

    ``created``: a draft's start, a frame's time, an audit line's time, a record's last contact. ``signed_off``: when a
    clinician signed the case. ``transferred``: when the receiver confirmed that the picture arrived, not when it was
    sent. ``age_years`` at ``created``, for records of minors; None where nobody entered it.
    """

    item_id: str
    kind: RetentionClass
    created: datetime
    signed_off: datetime | None = None
    transferred: datetime | None = None
    age_years: int | None = None


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Say when a thing is due for deletion; without a date ``waits_for`` says what would give it one."""

    due: datetime | None
    waits_for: RetentionWait | None = None


def retention(policy: Policy, kept: Kept) -> RetentionRule:
    """Return when one thing is due.

    A picture waits for the sign-off, because nobody can sign what is gone; then it is due after the policy's days or
    as soon as the receiver confirmed it, whichever is first. A record of a minor is kept until an age, if that is later.

    Raises:
        RuntimeError: a time without a zone (a programmer's mistake).
    """
    if any(time is not None and time.tzinfo is None for time in (kept.created, kept.signed_off, kept.transferred)):
        raise RuntimeError(f"{kept.item_id}: retention needs times with a zone")
    if kept.kind is RetentionClass.PICTURE:
        return _picture(policy, kept)
    due = {
        RetentionClass.DRAFT: kept.created + timedelta(hours=policy.retention_unconsented_draft_hours),
        RetentionClass.REFUSED_FRAME: kept.created + timedelta(hours=policy.retention_refused_frame_hours),
        RetentionClass.AUDIT: _months_later(kept.created, policy.audit_log_months_min),
        RetentionClass.RECORD: _record_due(policy, kept),
    }
    return RetentionRule(due[kept.kind])


def _picture(policy: Policy, kept: Kept) -> RetentionRule:
    if kept.signed_off is None:
        return RetentionRule(None, RetentionWait.SIGN_OFF)
    by_days = kept.signed_off + timedelta(days=policy.retention_images_days_after_signoff)
    if kept.transferred is None:
        return RetentionRule(by_days)
    return RetentionRule(min(by_days, max(kept.transferred, kept.signed_off)))


def _record_due(policy: Policy, kept: Kept) -> datetime:
    years = policy.retention_record_years
    # The birthday is not known: one year more, so that a record never goes too early. No age counts as a newborn's.
    age = kept.age_years if kept.age_years is not None else 0
    if age < ADULT_YEARS:
        years = max(years, policy.retention_record_child_until_age_years - age + 1)
    return _months_later(kept.created, 12 * years)


def _months_later(start: datetime, months: int) -> datetime:
    """Count calendar months; the 31st becomes the last day of a shorter month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))
