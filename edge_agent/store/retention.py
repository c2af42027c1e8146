"""Deletion when its time has come, by class (policy R12): dated, counted, provable, and in the backups too.

What a class holds and for how long comes from outside: the policy's values, the sign-off of the clinicians, the tables
of other rooms. Here is only when a thing is due, that a wrong clock deletes nothing, and the record of what was done.
Refused frames are not a class: they are never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from edge_agent.contracts.local_time import day_of
from edge_agent.store.backups import Backups, Eraser
from edge_agent.store.clock import Clock
from edge_agent.store.database import Connection, Database
from edge_agent.store.trusted_day import EARLIEST, Belief, Judged, judge, note_believed, read_highest, rows_of
from edge_agent.store.vault import ImageVault


@dataclass(frozen=True, slots=True)
class Held:
    """One item that is kept for a time: its id, when that time began (aware), and how long it is for this one."""

    item: str
    began: datetime
    period: timedelta


class RetentionClass(Protocol):
    """One class of what is kept for a time."""

    @property
    def name(self) -> str:
        """Return the class's ASCII id, as it stands in ``deletions``."""

    @property
    def is_by_command(self) -> bool:
        """Say whether only a person's command deletes it; else it goes by itself."""

    def items(self, connection: Connection) -> Iterable[Held]:
        """Give every item that may ever be due, when its time began and how long it is; leave out what must stay."""

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the items inside the caller's transaction, also those that are gone already."""

    def erase_copy(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the items in a backup, which has no image keys and perhaps not the table."""


@dataclass(frozen=True, slots=True)
class Due:
    """What one run found: the clock's judgement, and how many items of each class are due.

    They are deleted then, if it was no dry run; those of a class in ``left`` wait for a person's command.
    """

    judged: Judged
    counts: Mapping[str, int] = field(default_factory=dict)
    left: frozenset[str] = frozenset()


class Retention:
    """Delete what is due. Never runs by itself: the daemon calls it once a day, a person by ``derm-edge store``.

    Args:
        database: the open store.
        vault: of the pictures.
        backups: are cleaned too.
        classes: what is kept for how long.
        clock: says the time; it may be wrong.
        made: when this program was made (``trusted_day.judge``).
    """

    def __init__(
        self,
        database: Database,
        *,
        vault: ImageVault,
        backups: Backups,
        classes: Sequence[RetentionClass],
        clock: Clock,
        made: date = EARLIEST,
    ) -> None:
        self._database = database
        self._vault = vault
        self._backups = backups
        self._classes = classes
        self._clock = clock
        self._made = made

    def run(self, *, is_dry: bool, confirmed: date | None = None, is_commanded: bool = False) -> Due:
        """Delete what is due, or only count it. One transaction; then vault and backups are settled.

        A clock that is not believed deletes nothing. Twice is once.

        Args:
            is_dry: count only; nothing is changed, not even the highest day.
            confirmed: today's date, where a person has confirmed it.
            is_commanded: a person wants those classes deleted too that never go by themselves.

        Raises:
            StoreError: the store is busy or full; nothing was deleted, or ``settle`` goes on at the next run.
        """
        now = self._clock()
        with self._database.transaction() as connection:
            highest = read_highest(rows_of(connection), made=self._made)
            judged = judge(day_of(now), highest=highest, confirmed=confirmed, made=self._made)
            if judged.belief is not Belief.BELIEVED:
                return Due(judged)
            due = {one.name: self._due(connection, one, now=now, is_dry=is_dry) for one in self._classes}
            if not is_dry:
                note_believed(connection, judged)
                for one in self._classes:
                    if is_commanded or not one.is_by_command:
                        self._erase(connection, one, due[one.name], now=now)
        if not is_dry:
            self.settle()
        left = frozenset(one.name for one in self._classes if is_dry or (one.is_by_command and not is_commanded))
        return Due(judged, {name: len(items) for name, items in due.items()}, left)

    def settle(self) -> None:
        """Finish what a power cut interrupted after a deletion: log, files, backups."""
        self._vault.settle()
        erasers: dict[str, Eraser] = {one.name: one.erase_copy for one in self._classes}
        self._backups.settle(self._database, erasers=erasers)

    def _due(self, connection: Connection, kind: RetentionClass, *, now: datetime, is_dry: bool) -> list[str]:
        found = []
        for held in kind.items(connection):
            began = held.began
            if not EARLIEST <= began.date() <= now.date():  # written while the clock was wrong
                began = _first_seen(connection, kind.name, held.item, now=now, is_dry=is_dry)
            if began + held.period <= now:
                found.append(held.item)
        return found

    def _erase(self, connection: Connection, kind: RetentionClass, items: Sequence[str], *, now: datetime) -> None:
        if not items:
            return
        kind.erase(connection, items)
        connection.execute(
            "INSERT INTO deletions (class, how_many, at, why) VALUES (?,?,?,'retention')",
            (kind.name, len(items), now.isoformat()),
        )
        connection.executemany(
            "INSERT INTO copies_due (class, item) VALUES (?,?)", [(kind.name, item) for item in items]
        )
        connection.executemany(
            "DELETE FROM undated WHERE class = ? AND item = ?", [(kind.name, item) for item in items]
        )


def _first_seen(connection: Connection, name: str, item: str, *, now: datetime, is_dry: bool) -> datetime:
    row = connection.execute("SELECT first_seen FROM undated WHERE class = ? AND item = ?", (name, item)).fetchone()
    if row is not None:
        return datetime.fromisoformat(row[0])
    if not is_dry:
        connection.execute(
            "INSERT INTO undated (class, item, first_seen) VALUES (?,?,?)", (name, item, now.isoformat())
        )
    return now
