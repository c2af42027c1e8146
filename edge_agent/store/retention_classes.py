"""What a kiosk keeps for a time, class by class: drafts without consent, pictures, clinical records, rows of tables.

How long is the policy's to say (``policy.rules.retention``); what belongs to a class, and what goes with it, is said here.

Source: policy R11, R12.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from edge_agent.contracts.policy import Policy
from edge_agent.policy.retention import Kept, retention
from edge_agent.policy.retention import RetentionClass as PolicyClass
from edge_agent.store.copying import tables
from edge_agent.store.database import Connection
from edge_agent.store.retention import Held, RetentionClass
from edge_agent.store.vault import ImageState, ImageVault

# The trail's words for: this picture went into a file for a receiver; the receiver has said that the pictures arrived.
EXPORTED = "picture_exported"
RECEIVED = "pictures_received"


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
    is_by_command: bool = False

    def items(self, connection: Connection) -> Iterable[Held]:
        """Give the rows that meet the condition."""
        rows = connection.execute(f"SELECT {self.item}, {self.since} FROM {self.table} WHERE {self.condition}")  # noqa: S608
        return [Held(str(item), _aware(since), self.period) for item, since in rows.fetchall()]

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the rows; a backup from before the table has none."""
        if self.table in tables(connection):
            statement = f"DELETE FROM {self.table} WHERE {self.item} = ? AND ({self.condition})"  # noqa: S608
            connection.executemany(statement, [(item,) for item in items])

    def erase_copy(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the rows there too."""
        self.erase(connection, items)


class KnownTimes(Protocol):
    """Who knows when something happened to a case or a picture."""

    def __call__(self, connection: Connection) -> Mapping[str, datetime]:
        """Return the time by id; that to which it did not happen is left out."""


@dataclass(frozen=True, slots=True)
class SignedPictures:
    """The pictures of signed cases; their keys are shredded, the clinical record stays.

    A picture that its receiver has got goes as soon as its case is signed too: then it has served.

    Args:
        vault: of the pictures.
        policy: in force.
        signed_off: when each case was signed off; a case without it keeps its pictures.
        received: when a receiver said that a picture arrived, by the picture's id.
    """

    vault: ImageVault
    policy: Policy
    signed_off: KnownTimes
    received: KnownTimes
    name: str = "picture_after_signoff"
    is_by_command: bool = False

    def items(self, connection: Connection) -> Iterable[Held]:
        """Give the pictures that are still kept, of signed cases only."""
        signed, received = self.signed_off(connection), self.received(connection)
        rows = connection.execute(
            "SELECT image_id, case_id FROM pictures JOIN images USING (image_id) JOIN cases USING (position)"
            " WHERE images.state = ?",
            (ImageState.KEPT,),
        )
        return [
            self._held(image_id, signed[case_id], received.get(image_id))
            for image_id, case_id in rows.fetchall()
            if case_id in signed
        ]

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Shred the pictures; the vault writes its own record of that, and sees to backups from before it."""
        self.vault.shred(connection, items, why=self.name)

    def erase_copy(self, connection: Connection, items: Sequence[str]) -> None:
        """Do nothing: a backup has no image keys."""

    def _held(self, image_id: str, signed: datetime, received: datetime | None) -> Held:
        kept = Kept(image_id, PolicyClass.PICTURE, signed, signed_off=signed, transferred=received)
        return _held(self.policy, kept)


@dataclass(frozen=True, slots=True)
class DraftsWithoutConsent:
    """Consultations that were begun and never consented to, with their pictures.

    Args:
        vault: of the pictures.
        policy: in force.
    """

    vault: ImageVault
    policy: Policy
    name: str = "draft_without_consent"
    is_by_command: bool = False

    def items(self, connection: Connection) -> Iterable[Held]:
        """Give the drafts without consent."""
        if "drafts" not in tables(connection):
            return []
        rows = connection.execute("SELECT case_id, created FROM drafts WHERE is_consented = 0").fetchall()
        return [_held(self.policy, Kept(case_id, PolicyClass.DRAFT, _aware(created))) for case_id, created in rows]

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Shred the drafts' pictures and delete the drafts."""
        for case_id in items:
            rows = connection.execute("SELECT image_id FROM draft_images WHERE case_id = ?", (case_id,)).fetchall()
            self.vault.shred(connection, [row[0] for row in rows], why=self.name)
        self.erase_copy(connection, items)

    def erase_copy(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the drafts; what hangs on them goes with them."""
        if "drafts" in tables(connection):
            connection.executemany(
                "DELETE FROM drafts WHERE case_id = ? AND is_consented = 0", [(item,) for item in items]
            )


@dataclass(frozen=True, slots=True)
class RecordsPastTheirYears:
    """Clinical records whose years are over, a minor's not before an age; all visits of an episode end together.

    Never deleted by itself: a person types the command (``derm-edge store retention --records``). What the hub holds of a
    case, its outbox row and the trail are not the record and stay.

    Args:
        vault: of the pictures that are still there.
        policy: in force.
    """

    vault: ImageVault
    policy: Policy
    name: str = "record_after_years"
    is_by_command: bool = True

    def items(self, connection: Connection) -> Iterable[Held]:
        """Give every case; its time begins with the last visit of its episode."""
        rows = connection.execute(
            "SELECT c.case_id, c.created, json_extract(c.intake, '$.age_years'), json_extract(c.intake, '$.age_months'),"
            " (SELECT max(later.handed_over) FROM visits here JOIN visits later USING (episode_id)"
            "  WHERE here.case_id = c.case_id) FROM cases c"
        )
        return [_held(self.policy, _record(*row)) for row in rows.fetchall()]

    def erase(self, connection: Connection, items: Sequence[str]) -> None:
        """Shred the pictures that are left and delete the cases with everything that hangs on them."""
        for case_id in items:
            rows = connection.execute(
                "SELECT image_id FROM pictures JOIN cases USING (position) WHERE case_id = ? AND image_id IS NOT NULL",
                (case_id,),
            ).fetchall()
            self.vault.shred(connection, [row[0] for row in rows], why=self.name)
        self.erase_copy(connection, items)

    def erase_copy(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the cases; an episode without a visit goes too."""
        for table in _of_cases(connection):
            connection.executemany(f"DELETE FROM {table} WHERE case_id = ?", [(item,) for item in items])  # noqa: S608
        if "episodes" in tables(connection):
            connection.execute("DELETE FROM episodes WHERE episode_id NOT IN (SELECT episode_id FROM visits)")


def _of_cases(connection: Connection) -> tuple[str, ...]:
    """Return every table whose rows name a case, ``cases`` last; the trail speaks of a case in a column of another name."""
    found = connection.execute(
        "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'case_id'"
    ).fetchall()
    return tuple(sorted((str(row[0]) for row in found), key=lambda name: name == "cases"))


def _record(case_id: str, created: str, years: int | None, months: int | None, last: str | None) -> Kept:
    """Return a case as the policy asks about it; the age is that of its own visit, so that no record goes too early."""
    age = months // 12 if years is None and months is not None else years
    began = max(_aware(created), _aware(last)) if last is not None else _aware(created)
    return Kept(case_id, PolicyClass.RECORD, began, age_years=age)


def _held(policy: Policy, kept: Kept) -> Held:
    """Return how long the policy keeps a thing, counted from when its time began."""
    due = retention(policy, kept).due
    if due is None:
        raise RuntimeError(f"{kept.item_id} has no date: leave it out")
    return Held(kept.item_id, kept.created, due - kept.created)


def signed_off_cases(connection: Connection) -> dict[str, datetime]:
    """Return when each case was signed off, by case id; nothing while there are no sign-offs."""
    return _times(connection, "sign_offs", "SELECT case_id, signed FROM sign_offs")


def received_pictures(connection: Connection) -> dict[str, datetime]:
    """Return when a receiver first said that a picture arrived, by image id.

    Only pictures that had gone into an export before: what stayed here (an intimate site, a face) is nowhere else.
    """
    return _times(
        connection,
        "audit",
        f"""
        SELECT sent.detail, came.at FROM audit sent JOIN audit came ON came.case_ref = sent.case_ref AND came.seq > sent.seq
        WHERE sent.action = '{EXPORTED}' AND came.action = '{RECEIVED}' ORDER BY came.seq DESC
        """,  # noqa: S608
    )


def _times(connection: Connection, table: str, query: str) -> dict[str, datetime]:
    rows: Iterable[Any] = connection.execute(query).fetchall() if table in tables(connection) else ()
    return {item: _aware(at) for item, at in rows}


def standard_classes(vault: ImageVault, policy: Policy) -> tuple[RetentionClass, ...]:
    """Return the classes of a kiosk, with the policy's periods.

    The audit trail is none of them: the policy gives the months that it is kept at least, and nothing deletes it.
    """
    return (
        DraftsWithoutConsent(vault, policy),
        SignedPictures(vault, policy, signed_off_cases, received_pictures),
        RecordsPastTheirYears(vault, policy),
    )


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
