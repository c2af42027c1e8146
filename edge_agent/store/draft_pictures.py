"""The pictures of consultations on their way: which draft has which, and a row of the trail for each that goes."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from edge_agent.contracts.case import Frame
from edge_agent.errors import CaseError, ImageGone, StoreCorrupt, StoreError
from edge_agent.store.audit import Action, AuditTrail
from edge_agent.store.database import Connection, Database
from edge_agent.store.pictures import decode_png
from edge_agent.store.vault import ImageKind, ImageVault

DEVICE: Final = "(device)"  # who let a picture go, where no person's answer did


class DraftPictures:
    """Keep the pictures that drafts name, and shred those that no draft names any more.

    Does not know what a draft holds. What changes anything works inside the caller's transaction; afterwards ``settle``
    takes the files away.

    Args:
        database: the encrypted store.
        vault: where the pictures lie.
        audit: the trail.
    """

    def __init__(self, database: Database, *, vault: ImageVault, audit: AuditTrail) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit

    def put(self, connection: Connection, png: bytes, *, kind: ImageKind) -> str:
        """Keep a picture as no draft's yet, and return its number.

        Raises:
            StoreFull: no space; nothing was kept.
        """
        return self._vault.put(connection, png, kind=kind)

    def give(self, connection: Connection, case_id: str, image_id: str) -> None:
        """Make a picture that was put a draft's."""
        connection.execute("INSERT INTO draft_images (image_id, case_id) VALUES (?,?)", (image_id, case_id))

    def get(self, case_id: str, image_id: str) -> bytes:
        """Return one picture of a draft as PNG bytes.

        Raises:
            CaseError: the draft has no such picture.
        """
        if not self._database.rows(
            "SELECT 1 FROM draft_images WHERE image_id = ? AND case_id = ?", (image_id, case_id)
        ):
            raise CaseError("this consultation has no such picture")
        return self._vault.get(image_id)

    def opened(self, image_id: str) -> Frame | None:
        """Return a picture, uint8[H, W, 3] BGR; None where nobody will ever open it again.

        Raises:
            StoreError: it cannot be read just now; nothing is known of it.
        """
        try:
            return decode_png(self._vault.get(image_id))
        except (StoreCorrupt, ImageGone):
            return None

    def keep_only(
        self, connection: Connection, case_id: str, image_ids: Collection[str], *, by: str, action: Action
    ) -> None:
        """Shred the pictures of a draft that it no longer names, with a row of the trail for each.

        Args:
            connection: of the transaction that changes the draft.
            case_id: the draft.
            image_ids: what it names now.
            by: whose answer it was.
            action: why they go, as the trail says it.
        """
        gone = [one for one in self._of(connection, case_id) if one not in image_ids]
        for image_id in gone:
            connection.execute("DELETE FROM draft_images WHERE image_id = ?", (image_id,))
            self._audit.append(connection, by, action, case_ref=case_id, detail=image_id)
        if gone:
            self._vault.shred(connection, gone, why="removed from the consultation")

    def shred_all(self, connection: Connection, case_id: str, *, why: str) -> None:
        """Shred every picture of a draft that ends; call it before the draft's own row goes."""
        found = self._of(connection, case_id)
        if found:
            self._vault.shred(connection, found, why=why)

    def settle(self) -> None:
        """Take away the files whose keys are gone."""
        with suppress(StoreError):  # the keys are gone; the next start unlinks the files
            self._vault.settle()

    def sweep(self) -> None:
        """Take away the files that no row names."""
        with suppress(StoreError):  # the next start sweeps too
            self._vault.sweep()

    def _of(self, connection: Connection, case_id: str) -> list[str]:
        rows = connection.execute("SELECT image_id FROM draft_images WHERE case_id = ?", (case_id,)).fetchall()
        return [str(row[0]) for row in rows]
