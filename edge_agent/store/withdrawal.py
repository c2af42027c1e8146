"""A person takes back a consent: each purpose for itself, in one transaction, and twice is once (policy R11)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge_agent.errors import CaseError, StoreError
from edge_agent.store.database import Connection, Database
from edge_agent.store.leaving import withdraw_result
from edge_agent.store.vault import ImageVault


class WithdrawnPurpose(StrEnum):
    """What can be taken back; the names are those of the consent record."""

    CARE_PICTURES = "care_pictures"
    PROGRAM_HELP = "program_help"
    DEIDENTIFIED_RESULT = "deidentified_result"
    REFERRAL_PACKAGE = "referral_package"
    TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One recorded withdrawal: no content, only what for, when, and which account recorded it."""

    purpose: WithdrawnPurpose
    at: datetime
    account: str


class Withdrawals:
    """Record withdrawals and do at once what each demands here.

    Care pictures: every key of the case is shredded, the clinical record is locked: kept as the law asks, and not
    edited. De-identified result: the hub gets a tombstone. The other purposes are recorded; whoever acts for them asks
    ``of`` first. Does not talk to the hub: the uplink does.

    Args:
        database: the open store.
        vault: of the pictures.
    """

    def __init__(self, database: Database, *, vault: ImageVault) -> None:
        self._database = database
        self._vault = vault

    def record(
        self,
        case_id: str,
        purpose: WithdrawnPurpose,
        *,
        account: str,
        now: datetime,
        noted: Callable[[Connection], None] | None = None,
    ) -> bool:
        """Record and carry out one withdrawal; return False when it was recorded before.

        When this returns, no picture of the case can be opened (``CARE_PICTURES``). ``ImageVault.settle`` has then
        removed the files, or does at the next start. Backups are cleaned by ``Backups.settle``. Opens no picture and reads
        no record, so that nothing damaged can stop a withdrawal.

        Args:
            case_id: the case.
            purpose: what is taken back.
            account: the name of the account that records it.
            now: with a time zone.
            noted: writes the row of the trail, in the same transaction; called for a new withdrawal only.

        Raises:
            CaseError: no such case.
            StoreError: the store is busy or full; nothing was withdrawn.
        """
        with self._database.transaction() as connection:
            if connection.execute("SELECT 1 FROM cases WHERE case_id = ?", (case_id,)).fetchone() is None:
                raise CaseError(f"there is no case {case_id} in the store")
            is_new = connection.execute(
                "INSERT OR IGNORE INTO withdrawals (case_id, purpose, at, account) VALUES (?,?,?,?)",
                (case_id, purpose, now.isoformat(), account),
            ).rowcount
            if purpose is WithdrawnPurpose.CARE_PICTURES:
                self._shred_case(connection, case_id)
                connection.execute("UPDATE cases SET locked = 1 WHERE case_id = ?", (case_id,))
            elif purpose is WithdrawnPurpose.DEIDENTIFIED_RESULT:
                withdraw_result(connection, case_id, now=now)
            if is_new and noted is not None:
                noted(connection)
        with suppress(StoreError):  # the keys are gone; the next start unlinks the files
            self._vault.settle()
        return bool(is_new)

    def of(self, case_id: str) -> tuple[Withdrawal, ...]:
        """Return what was withdrawn for a case, in the order of recording."""
        rows = self._database.rows(
            "SELECT purpose, at, account FROM withdrawals WHERE case_id = ? ORDER BY number", (case_id,)
        )
        return tuple(Withdrawal(WithdrawnPurpose(row[0]), datetime.fromisoformat(row[1]), row[2]) for row in rows)

    def is_locked(self, case_id: str) -> bool:
        """Say whether the case's record is locked."""
        return bool(self._database.rows("SELECT 1 FROM cases WHERE case_id = ? AND locked = 1", (case_id,)))

    def _shred_case(self, connection: Connection, case_id: str) -> None:
        """Shred every picture; one from before the vault, not moved yet, is deleted where it lies."""
        rows = connection.execute(
            "SELECT image_id, position, view_index FROM pictures JOIN cases USING (position) WHERE case_id = ?",
            (case_id,),
        ).fetchall()
        self._vault.shred(connection, [row[0] for row in rows if row[0] is not None], why="withdrawal")
        for image_id, position, index in rows:
            if image_id is None:
                self._vault.shred_old(connection, position, index, why="withdrawal")


def check_unlocked(connection: Connection, case_id: str) -> None:
    """Stop an edit of a locked record, inside the caller's transaction.

    Raises:
        CaseError: the record is locked.
    """
    if connection.execute("SELECT 1 FROM cases WHERE case_id = ? AND locked = 1", (case_id,)).fetchone():
        raise CaseError(
            f"the record of case {case_id} is locked: its pictures were withdrawn; it is kept and not edited"
        )
