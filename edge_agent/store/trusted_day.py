"""Which day it is, for deleting: a clock that jumps must never delete anything.

A kiosk's clock may stand at 1970 after its battery died, or ten years ahead after a slip. So the latest day that was
believed is kept; a day before it is not believed, and one far behind it needs a person's word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from edge_agent.store.database import Connection

EARLIEST = date(2026, 1, 1)  # before this program was written no clock is right
MAX_STEP = timedelta(days=40)  # a kiosk that was off for longer asks a person once
BACKWARD_SLACK = timedelta(days=1)  # a correction around midnight is no jump


class Belief(StrEnum):
    """What is thought of the clock."""

    BELIEVED = "believed"
    BEHIND = "behind"  # before a day that was believed, or before this program was written
    AHEAD = "ahead"  # so far ahead that a person must confirm the date


@dataclass(frozen=True, slots=True)
class Judged:
    """The clock's day, what is thought of it, and the latest day believed before (None: never one)."""

    today: date
    belief: Belief
    highest: date | None


def judge(today: date, *, highest: date | None, confirmed: date | None = None) -> Judged:
    """Judge the clock's day. Pure; believes nothing for the future.

    Args:
        today: the clock's day (UTC).
        highest: the latest day that was believed.
        confirmed: a day that a person has confirmed just now; it helps only against ``AHEAD``.
    """
    floor = EARLIEST if highest is None else max(EARLIEST, highest - BACKWARD_SLACK)
    if today < floor:
        return Judged(today, Belief.BEHIND, highest)
    if highest is not None and today > highest + MAX_STEP and confirmed != today:
        return Judged(today, Belief.AHEAD, highest)
    return Judged(today, Belief.BELIEVED, highest)


def read_highest(connection: Connection) -> date | None:
    """Return the latest believed day; at the first time, the day of the newest case that can be believed."""
    row = connection.execute("SELECT highest FROM seen_date").fetchone()
    if row is not None:
        return date.fromisoformat(row[0])
    newest = connection.execute("SELECT max(substr(created, 1, 10)) FROM cases").fetchone()[0]
    if newest is None or date.fromisoformat(newest) < EARLIEST:
        return None
    return date.fromisoformat(newest)


def note_believed(connection: Connection, judged: Judged) -> None:
    """Remember a believed day inside the caller's transaction; the remembered day never goes back."""
    if judged.belief is not Belief.BELIEVED:
        raise RuntimeError("only a believed day is remembered")
    highest = max(judged.today, judged.highest or judged.today)
    connection.execute(
        "INSERT INTO seen_date (only, highest) VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET highest = excluded.highest",
        (highest.isoformat(),),
    )
