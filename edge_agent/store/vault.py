"""The image vault: each picture is a file under a key of its own, and deleting the key shreds the picture.

The keys lie in the encrypted database and in no backup of it. Order of a put: file durable, then its row and key in
the caller's transaction; a power cut in between leaves a file without a row, which the next start sweeps. Order of a
shred: the key in the caller's transaction, then ``settle`` empties the log and unlinks the file; a power cut in
between leaves a file that nobody can open, which the next start settles.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from edge_agent.errors import ImageGone, StoreCorrupt, StoreError, StoreFull
from edge_agent.store.clock import Clock
from edge_agent.store.database import Connection, Database
from edge_agent.store.durable import publish_once, sync_path
from edge_agent.store.sealing import KEY_BYTES, seal, unseal

FOLDER = "vault"
_SUFFIX = ".img"
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO})  # no later attempt reads more
COPIED = "picture"  # the class in copies_due


class ImageKind(StrEnum):
    """What a picture may show, which decides who sees it (policy R5, R6)."""

    ORDINARY = "ordinary"
    IDENTIFYING = "identifying"
    INTIMATE = "intimate"


class ImageState(StrEnum):
    """``shredding``: the key is gone, its traces in the log and the file may still be there; ``lost``: by damage."""

    KEPT = "kept"
    SHREDDING = "shredding"
    SHREDDED = "shredded"
    LOST = "lost"


class ImageVault:
    """Keep pictures as sealed files; the one place that knows their keys.

    Does not know cases, views or who may look: ``CaseStore`` and the policy do. Where the database has a largest
    size, the pictures count towards it.

    Args:
        database: holds ids and keys.
        folder: of the sealed files; None is ``vault`` beside the database. Made when the first picture comes.
        clock: dates the deletions.
    """

    def __init__(self, database: Database, folder: Path | None = None, *, clock: Clock | None = None) -> None:
        self._database = database
        self._folder = database.path.with_name(FOLDER) if folder is None else folder
        self._clock: Clock = clock or (lambda: datetime.now(UTC))

    @property
    def folder(self) -> Path:
        """Return the folder of the sealed files."""
        return self._folder

    def path_of(self, image_id: str) -> Path:
        """Return where a picture's sealed file lies, whether or not it is there."""
        return self._folder / image_id[:2] / f"{image_id}{_SUFFIX}"

    def put(self, connection: Connection, png: bytes, *, kind: ImageKind) -> str:
        """Seal a picture inside the caller's transaction and return its id; the file is durable before the row.

        When the transaction is undone, the file stays until the next ``sweep``; nobody can open it.

        Raises:
            StoreFull: no space.
            StoreError: the vault's folder cannot be written.
        """
        image_id, key = secrets.token_hex(16), secrets.token_bytes(KEY_BYTES)
        sealed = seal(png, key=key, image_id=image_id, kind=kind)
        self._check_room(connection, len(sealed))
        publish_once(self.path_of(image_id), sealed)
        connection.execute(
            "INSERT INTO images (image_id, kind, state, bytes) VALUES (?,?,?,?)",
            (image_id, kind, ImageState.KEPT, len(sealed)),
        )
        connection.execute("INSERT INTO image_keys (image_id, key) VALUES (?,?)", (image_id, key))
        return image_id

    def get(self, image_id: str) -> bytes:
        """Return the picture as it was put.

        Raises:
            ImageGone: it was shredded.
            StoreCorrupt: the file is damaged or missing, or there never was such a picture.
            StoreError: the system cannot open the file now (too many open files, its owner); the picture may be whole.
        """
        found = self._database.rows(
            "SELECT kind, state, key FROM images LEFT JOIN image_keys USING (image_id) WHERE image_id = ?", (image_id,)
        )
        if not found:
            raise StoreCorrupt(f"there is no picture {image_id} in the vault: run derm-edge store check")
        kind, state, key = found[0]
        if state == ImageState.LOST:
            raise ImageGone(f"the picture {image_id} was lost when the store was damaged: take a new one")
        if state != ImageState.KEPT:
            raise ImageGone(f"the picture {image_id} was deleted for good: nobody can open it")
        if key is None:
            raise StoreCorrupt(f"the key of picture {image_id} is missing: it is in no backup, the picture is lost")
        try:
            sealed = self.path_of(image_id).read_bytes()
        except OSError as exc:
            if exc.errno in _GONE:
                raise StoreCorrupt(f"the file of picture {image_id} cannot be read: {exc.strerror}") from exc
            raise StoreError(f"the picture {image_id} cannot be opened now: {exc.strerror}; try again later") from exc
        return unseal(sealed, key=key, image_id=image_id, kind=kind)

    def has_key(self, image_id: str) -> bool:
        """Say whether the picture's key is there; without it nobody can open the picture."""
        return bool(self._database.rows("SELECT 1 FROM image_keys WHERE image_id = ?", (image_id,)))

    def kind(self, image_id: str) -> ImageKind:
        """Return the picture's kind, also of a shredded one.

        Raises:
            StoreCorrupt: there never was such a picture.
        """
        found = self._database.rows("SELECT kind FROM images WHERE image_id = ?", (image_id,))
        if not found:
            raise StoreCorrupt(f"there is no picture {image_id} in the vault: run derm-edge store check")
        return ImageKind(found[0][0])

    def shred(self, connection: Connection, image_ids: Iterable[str], *, why: str) -> int:
        """Delete the pictures' keys inside the caller's transaction; twice is once. Then call ``settle``.

        Does not touch the files: they cannot be opened once the transaction is on the disk.

        Args:
            connection: the caller's transaction.
            image_ids: which pictures; unknown and shredded ones are passed over.
            why: the reason for the record of deletions (never patient data).

        Returns:
            How many keys were deleted now.
        """
        gone = 0
        for image_id in image_ids:
            changed = connection.execute(
                "UPDATE images SET state = ? WHERE image_id = ? AND state = ?",
                (ImageState.SHREDDING, image_id, ImageState.KEPT),
            ).rowcount
            if changed:
                connection.execute("DELETE FROM image_keys WHERE image_id = ?", (image_id,))
                connection.execute(  # a backup from before the vault holds the picture itself
                    "INSERT INTO copies_due (class, item) SELECT ?, position || ':' || view_index FROM pictures"
                    " WHERE image_id = ?",
                    (COPIED, image_id),
                )
                gone += 1
        if gone:
            connection.execute(
                "INSERT INTO deletions (class, how_many, at, why) VALUES (?,?,?,?)",
                (COPIED, gone, self._clock().isoformat(), why),
            )
        return gone

    def shred_old(self, connection: Connection, position: int, index: int, *, why: str) -> None:
        """Delete a picture from before the vault where it lies, inside the caller's transaction. Then call ``settle``.

        Its row gets an id without a key and a file, like that of every shredded picture.
        """
        image_id = secrets.token_hex(16)
        connection.execute(
            "INSERT INTO images (image_id, kind, state, bytes) VALUES (?,?,?,0)",
            (image_id, ImageKind.ORDINARY, ImageState.KEPT),
        )
        connection.execute(
            "UPDATE pictures SET png = x'', image_id = ? WHERE position = ? AND view_index = ?",
            (image_id, position, index),
        )
        self.shred(connection, [image_id], why=why)

    def settle(self) -> None:
        """Finish every shred: empty the log of the keys' traces, unlink the files. Safe to call at any time.

        A reader that holds the log leaves the work for the next call.

        Raises:
            StoreError: the folder cannot be written.
        """
        rows = self._database.rows("SELECT image_id FROM images WHERE state = ?", (ImageState.SHREDDING,))
        if not rows or not self._database.empty_log():
            return
        folders = {self._unlink(self.path_of(row[0])) for row in rows}
        for folder in folders:
            if folder.is_dir():
                sync_path(folder)
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE images SET state = ? WHERE image_id = ?", [(ImageState.SHREDDED, row[0]) for row in rows]
            )

    def sweep(self) -> int:
        """Remove files that no row names: a power cut or an undone transaction left them. Return how many.

        Runs inside a write transaction, as every put does, so a put of another process is never half-way here.

        Raises:
            StoreError: the folder cannot be written, or the store is busy.
        """
        with self._database.transaction() as connection:
            known = {row[0] for row in connection.execute("SELECT image_id FROM images")}
            stray = [path for path in self.files() if path.suffix != _SUFFIX or path.stem not in known]
            for path in stray:
                self._unlink(path)
        return len(stray)

    def files(self) -> Iterator[Path]:
        """Give every file in the vault, temporary ones included."""
        if self._folder.is_dir():
            yield from (path for path in sorted(self._folder.glob("??/*")) if path.is_file())

    def _unlink(self, path: Path) -> Path:
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(f"cannot delete {path}: {exc.strerror}; check the folder's owner and mode") from exc
        return path.parent

    def _check_room(self, connection: Connection, more: int) -> None:
        limit = self._database.max_bytes
        if limit is None:
            return
        held = connection.execute("SELECT coalesce(sum(bytes), 0) FROM images WHERE state = 'kept'").fetchone()[0]
        pages = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
        if held + pages[0] + more > limit:
            raise StoreFull(f"no space left for a picture in {self._folder}: free disk space")
