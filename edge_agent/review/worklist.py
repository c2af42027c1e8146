"""The list of cases as people work through it: what is due first stands first, what is overdue says so in words.

A pure function of rows and the time. Does not read the store.

Source: clinical-vocabulary section 9 (``reply_deadline`` is stored with the case; the list sorts by it).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from edge_agent.agents.report.standing import deadline_of
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.contracts.terms import Vocabulary

SOON = timedelta(hours=4)


class Due(StrEnum):
    """How near a case's deadline is."""

    OVERDUE = "overdue"
    SOON = "soon"  # within four hours
    LATER = "later"
    UNDATED = "undated"  # managed here, or the clock of the visit was not set


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list; ``tier`` is None while there is no report. ``deadline`` has a time zone.

    ``is_corrected``: an answer was corrected after the signature and no clinician has looked since; it counts as not signed.
    """

    case_id: str
    local_reference: str
    created: datetime
    state: str
    tier: str | None
    deadline: datetime | None
    is_signed: bool
    needs_second_reading: tuple[str, ...]
    is_corrected: bool = False


def due(row: Row, now: datetime) -> Due:
    """Say how near the deadline is; a signed case is due no more."""
    if row.is_signed or row.deadline is None:
        return Due.UNDATED
    if row.deadline <= now:
        return Due.OVERDUE
    return Due.SOON if row.deadline - now <= SOON else Due.LATER


def with_final_deadline(row: Row, *, by_program: str, vocabulary: Vocabulary) -> Row:
    """Return a row with the deadline of its own tier, where a clinician named another than the report's.

    Args:
        row: of the case, with the tier that counts.
        by_program: the report's own tier.
        vocabulary: holds the hours of each tier.
    """
    if row.tier is None or row.tier == by_program:
        return row
    due = deadline_of(row.tier, {"created": row.created.isoformat()}, vocabulary)["deadline"]
    return replace(row, deadline=None if due is None else datetime.fromisoformat(due))


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Sort: open before signed, emergencies before all dated ones, then by deadline, undated ones by arrival.

    An emergency has no deadline to wait for (T1 is now), so it stands above every date.
    """

    def key(row: Row) -> tuple[bool, bool, bool, float, float]:
        dated = row.deadline.timestamp() if row.deadline is not None else 0.0
        return (row.is_signed, row.tier != TIERS[0], row.deadline is None, dated, row.created.timestamp())

    return sorted(rows, key=key)
