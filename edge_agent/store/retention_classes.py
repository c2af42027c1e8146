"""What a kiosk keeps for a time, class by class: drafts without consent, pictures of signed cases, rows of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from edge_agent.store.copying import tables
from edge_agent.store.database import Connection
from edge_agent.store.retention import RetentionClass, Since
from edge_agent.store.vault import ImageState, ImageVault


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

    def erase_copy(self, connection: Connection, items: Sequence[str]) -> None:
        """Delete the rows there too."""
        self.erase(connection, items)


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
        """Shred the pictures; the vault writes its own record of that, and sees to backups from before it."""
        self.vault.shred(connection, items, why=self.name)

    def erase_copy(self, connection: Connection, items: Sequence[str]) -> None:
        """Do nothing: a backup has no image keys."""


@dataclass(frozen=True, slots=True)
class DraftsWithoutConsent:
    """Consultations that were begun and never consented to, with their pictures.

    Args:
        vault: of the pictures.
        period: how long a draft waits for a consent.
    """

    vault: ImageVault
    period: timedelta
    name: str = "draft_without_consent"

    def items(self, connection: Connection) -> Iterable[Since]:
        """Give the drafts without consent."""
        if "drafts" not in tables(connection):
            return []
        rows = connection.execute("SELECT case_id, created FROM drafts WHERE is_consented = 0").fetchall()
        return [(case_id, _aware(created)) for case_id, created in rows]

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


def signed_off_cases(connection: Connection) -> dict[str, datetime]:
    """Return when each case was signed off, by case id; nothing while there are no sign-offs."""
    if "sign_offs" not in tables(connection):
        return {}
    return {case_id: _aware(signed) for case_id, signed in connection.execute("SELECT case_id, signed FROM sign_offs")}


def standard_classes(
    vault: ImageVault, *, draft_period: timedelta, picture_period: timedelta
) -> tuple[RetentionClass, ...]:
    """Return the classes of a kiosk, with the policy's periods.

    The audit trail is none of them: the policy gives the months that it is kept at least, and nothing deletes it.
    """
    return (
        DraftsWithoutConsent(vault, draft_period),
        SignedPictures(vault, signed_off_cases, picture_period),
    )


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
