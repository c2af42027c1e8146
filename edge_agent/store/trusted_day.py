"""Which day it is, for deleting: a clock that jumps must never delete anything.

A kiosk's clock may stand at 1970 after its battery died, or ten years ahead after a slip, also on its very first day. So
the latest day that was believed is kept; a day before it, one far behind it, and one long after this program was made on
a device that has believed none yet, each need a person's word. In doubt nothing is deleted, and the page of the device's
state says so.

The expiry of signed metadata is no bound here: a kiosk may rightly be without a connection for longer than that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from edge_agent.contracts.local_time import day_of
from edge_agent.errors import StoreError
from edge_agent.store.clock import Clock
from edge_agent.store.database import Connection, Database

EARLIEST = date(2026, 1, 1)  # before this program was written no clock is right
SHELF = timedelta(days=2 * 365)  # so long a device may lie unused after its program was made
MAX_STEP = timedelta(days=40)  # a kiosk that was off for longer asks a person once
BACKWARD_SLACK = timedelta(days=1)  # a correction around midnight is no jump
Rows = Callable[[str], Sequence[tuple[Any, ...]]]  # what a reading statement returns


class Belief(StrEnum):
    """What is thought of the clock."""

    BELIEVED = "believed"
    UNSET = "unset"  # before this program was made: no person's word helps, the clock must be set
    BEHIND = "behind"  # before a day that was believed: a person must confirm the date
    AHEAD = "ahead"  # so far ahead that a person must confirm the date


@dataclass(frozen=True, slots=True)
class Judged:
    """The clock's day, what is thought of it, and the latest day believed before (None: never one).

    ``is_confirmed``: a person said that it is this day; then it counts also where it lies before ``highest``.
    """

    today: date
    belief: Belief
    highest: date | None
    is_confirmed: bool = False

    @property
    def can_be_confirmed(self) -> bool:
        """Say whether a person's word would settle the doubt."""
        return self.belief in {Belief.BEHIND, Belief.AHEAD}


def judge(today: date, *, highest: date | None, confirmed: date | None = None, made: date = EARLIEST) -> Judged:
    """Judge the clock's day. Pure; believes nothing for the future.

    Args:
        today: the clock's day at the device.
        highest: the latest day that was believed.
        confirmed: a day that a person has confirmed just now; any other day than today helps nothing.
        made: when this program was made.
    """
    if today < made:
        return Judged(today, Belief.UNSET, highest)
    if confirmed == today:
        return Judged(today, Belief.BELIEVED, highest, is_confirmed=True)
    if highest is not None and today < highest - BACKWARD_SLACK:
        return Judged(today, Belief.BEHIND, highest)
    if today > (made + SHELF if highest is None else max(highest, made) + MAX_STEP):
        return Judged(today, Belief.AHEAD, highest)
    return Judged(today, Belief.BELIEVED, highest)


def read_highest(rows: Rows, *, made: date = EARLIEST) -> date | None:
    """Return the latest believed day; at the first time, the day of the newest case that can be believed.

    A case that was stored under a clock far ahead vouches for nothing.
    """
    found = rows("SELECT highest FROM seen_date")
    if found:
        return date.fromisoformat(found[0][0])
    days = (date.fromisoformat(row[0]) for row in rows("SELECT DISTINCT substr(created, 1, 10) FROM cases"))
    return max((day for day in days if made <= day <= made + SHELF), default=None)


def note_believed(connection: Connection, judged: Judged) -> None:
    """Remember a believed day inside the caller's transaction; only a person's word lets the remembered day go back."""
    if judged.belief is not Belief.BELIEVED:
        raise RuntimeError("only a believed day is remembered")
    highest = judged.today if judged.is_confirmed else max(judged.today, judged.highest or judged.today)
    connection.execute(
        "INSERT INTO seen_date (only, highest) VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET highest = excluded.highest",
        (highest.isoformat(),),
    )


def rows_of(connection: Connection) -> Rows:
    """Return a transaction's reading as ``read_highest`` asks it."""
    return lambda statement: connection.execute(statement).fetchall()


class TrustedDay:
    """Say what is thought of the device's date, and take a person's word for it. Deletes nothing: ``Retention`` does.

    Args:
        database: the open store.
        clock: says the time; it may be wrong.
        made: when this program was made.
    """

    def __init__(self, database: Database, *, clock: Clock, made: date = EARLIEST) -> None:
        self._database = database
        self._clock = clock
        self._made = made

    def judged(self) -> Judged:
        """Return what is thought of today; changes nothing.

        Raises:
            StoreError: the store cannot be read.
        """
        highest = read_highest(self._database.rows, made=self._made)
        return judge(day_of(self._clock()), highest=highest, made=self._made)

    def confirm(self, day: date, *, noted: Callable[[Connection], None]) -> None:
        """Remember that a person has compared the date and found it right.

        Args:
            day: the day that the person saw and confirmed.
            noted: writes the row of the trail, in the same transaction.

        Raises:
            StoreError: the clock does not say this day any more, or lies before this program was made.
        """
        with self._database.transaction() as connection:
            highest = read_highest(rows_of(connection), made=self._made)
            judged = judge(day_of(self._clock()), highest=highest, confirmed=day, made=self._made)
            if not judged.is_confirmed:
                raise StoreError(f"the clock says {judged.today}: set it, then confirm the day that it shows")
            note_believed(connection, judged)
            noted(connection)
