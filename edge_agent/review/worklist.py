"""The list of cases as people work through it: what is due first stands first, what is overdue says so in words.

A pure function of rows and the time. Does not read the store.

Source: clinical-vocabulary section 9 (``reply_deadline`` is stored with the case; the list sorts by it).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from edge_agent.agents.rules.rule_file import TIERS

SOON = timedelta(hours=4)


class Due(StrEnum):
    """How near a case's deadline is."""

    OVERDUE = "overdue"
    SOON = "soon"  # within four hours
    LATER = "later"
    UNDATED = "undated"  # managed here, or the clock of the visit was not set


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list; ``tier`` is None while there is no report. ``deadline`` has a time zone."""

    case_id: str
    local_reference: str
    created: datetime
    state: str
    tier: str | None
    deadline: datetime | None
    is_signed: bool
    needs_second_reading: tuple[str, ...]


def due(row: Row, now: datetime) -> Due:
    """Say how near the deadline is; a signed case is due no more."""
    if row.is_signed or row.deadline is None:
        return Due.UNDATED
    if row.deadline <= now:
        return Due.OVERDUE
    return Due.SOON if row.deadline - now <= SOON else Due.LATER


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Sort: open before signed, emergencies before all dated ones, then by deadline, undated ones by arrival.

    An emergency has no deadline to wait for (T1 is now), so it stands above every date.
    """

    def key(row: Row) -> tuple[bool, bool, bool, float, float]:
        dated = row.deadline.timestamp() if row.deadline is not None else 0.0
        return (row.is_signed, row.tier != TIERS[0], row.deadline is None, dated, row.created.timestamp())

    return sorted(rows, key=key)
