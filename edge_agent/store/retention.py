"""Deletion when its time has come, by class (policy R12): dated, counted, provable, and in the backups too.

What a class holds and for how long comes from outside: the policy's values, the sign-off of the clinicians, the tables
of other rooms. Here is only when a thing is due, that a wrong clock deletes nothing, and the record of what was done.
Refused frames are not a class: they are never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from edge_agent.store.backups import Backups, Eraser
from edge_agent.store.clock import Clock
from edge_agent.store.copying import tables
from edge_agent.store.database import Connection, Database
from edge_agent.store.trusted_day import EARLIEST, Belief, Judged, judge, note_believed, read_highest
from edge_agent.store.vault import ImageState, ImageVault

Since = tuple[str, datetime]  # an item, and when its time began (aware)


class RetentionClass(Protocol):
    """One class of what is kept for a time."""

    @property
    def name(self) -> str:
        """Return the class's ASCII id, as it stands in ``deletions``."""

    @property
    def period(self) -> timedelta:
        """Return how long an item is kept."""

    def items(self, connection: Connection) -> Iterable[Since]:
        """Give every item that may ever be due, and when its time began; leave out what must stay."""

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the items inside the caller's transaction, also those that are gone already."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """A class that is the rows of one table; also tables of other rooms (drafts, the audit trail).

    Args:
        name: the class's id.
        period: how long a row is kept.
        table: the table's name.
        item: its column that names a row.
        since: its column with the time, ISO 8601 with a zone.
        condition: SQL that a row must meet to be of this class.
    """

    name: str
    period: timedelta
    table: str
    item: str
    since: str
    condition: str = "1"

    def items(self, connection: Connection) -> Iterable[Since]:
        """Give the rows that meet the condition."""
        rows = connection.execute(f"SELECT {self.item}, {self.since} FROM {self.table} WHERE {self.condition}")  # noqa: S608
        return [(str(item), _aware(since)) for item, since in rows.fetchall()]

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the rows; a backup from before the table has none."""
        if self.table in tables(connection):
            statement = f"DELETE FROM {self.table} WHERE {self.item} = ? AND ({self.condition})"  # noqa: S608
            connection.executemany(statement, [(item,) for item in items])


class SignedOff(Protocol):
    """Who knows when a case was signed off."""

    def __call__(self, connection: Connection) -> Mapping[str, datetime]:
        """Return the sign-off's time by case id; a case without one is left out and keeps its pictures."""


@dataclass(frozen=True, slots=True)
class SignedPictures:
    """The pictures of signed cases; their keys are shredded, the clinical record stays.

    Args:
        vault: of the pictures.
        signed_off: when each case was signed off.
        period: how long after that.
    """

    vault: ImageVault
    signed_off: SignedOff
    period: timedelta
    name: str = "picture_after_signoff"

    def items(self, connection: Connection) -> Iterable[Since]:
        """Give the pictures that are still kept, of signed cases only."""
        signed = self.signed_off(connection)
        rows = connection.execute(
            "SELECT image_id, case_id FROM pictures JOIN images USING (image_id) JOIN cases USING (position)"
            " WHERE images.state = ?",
            (ImageState.KEPT,),
        )
        return [(image_id, signed[case_id]) for image_id, case_id in rows.fetchall() if case_id in signed]

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Shred the pictures; in a backup there is nothing to shred, the vault sees to those from before it."""
        if "image_keys" in tables(connection):
            self.vault.shred(connection, items, why=self.name)


@dataclass(frozen=True, slots=True)
class Due:
    """What one run found: the clock's judgement, and how many items of each class are due (deleted, if it was no dry run)."""

    judged: Judged
    counts: Mapping[str, int] = field(default_factory=dict)


class Retention:
    """Delete what is due. Never runs by itself: the daemon calls it once a day, a person by ``derm-edge store``.

    Args:
        database: the open store.
        vault: of the pictures.
        backups: are cleaned too.
        classes: what is kept for how long.
        clock: says the time; it may be wrong.
    """

    def __init__(
        self,
        database: Database,
        *,
        vault: ImageVault,
        backups: Backups,
        classes: Sequence[RetentionClass],
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._backups = backups
        self._classes = classes
        self._clock = clock

    def run(self, *, is_dry: bool, confirmed: date | None = None) -> Due:
        """Delete what is due, or only count it. One transaction; then vault and backups are settled.

        A clock that is not believed deletes nothing. Twice is once.

        Args:
            is_dry: count only; nothing is changed, not even the highest day.
            confirmed: today's date, where a person has confirmed it after a long pause.

        Raises:
            StoreError: the store is busy or full; nothing was deleted, or ``settle`` goes on at the next run.
        """
        now = self._clock()
        with self._database.transaction() as connection:
            judged = judge(now.date(), highest=read_highest(connection), confirmed=confirmed)
            if judged.belief is not Belief.BELIEVED:
                return Due(judged)
            due = {one.name: self._due(connection, one, now=now, is_dry=is_dry) for one in self._classes}
            if not is_dry:
                note_believed(connection, judged)
                for one in self._classes:
                    self._erase(connection, one, due[one.name], now=now)
        if not is_dry:
            self.settle()
        return Due(judged, {name: len(items) for name, items in due.items()})

    def settle(self) -> None:
        """Finish what a power cut interrupted after a deletion: log, files, backups."""
        self._vault.settle()
        erasers: dict[str, Eraser] = {one.name: one.erase for one in self._classes}
        self._backups.settle(self._database, erasers=erasers)

    def _due(self, connection: Connection, kind: RetentionClass, *, now: datetime, is_dry: bool) -> list[str]:
        found = []
        for item, since in kind.items(connection):
            began = since
            if not EARLIEST <= since.date() <= now.date():  # written while the clock was wrong
                began = _first_seen(connection, kind.name, item, now=now, is_dry=is_dry)
            if began + kind.period <= now:
                found.append(item)
        return found

    def _erase(self, connection: Connection, kind: RetentionClass, items: Sequence[str], *, now: datetime) -> None:
        if not items:
            return
        kind.erase(connection, items)
        if not isinstance(kind, SignedPictures):  # the vault writes its own record
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


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
