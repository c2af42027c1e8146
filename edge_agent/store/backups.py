"""Backups of the store: complete copies without the image keys, so that none opens a picture that was shredded.

What is deleted in the store is deleted in its backups too (policy R12): ``Backups.settle`` goes through them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store.database import SCHEMA_VERSION, Connection, Database, open_file, write_copy
from edge_agent.store.durable import sync_path
from edge_agent.store.key import StoreKey
from edge_agent.store.naming import BACKUP_FOLDER, backup_name
from edge_agent.store.vault import COPIED

KEPT = 2  # of this program's schema, and as many of older ones: those are the way back to an older program
_NAME = re.compile(r"\.v(?P<version>\d+)-(?P<date>\d{8})(?:-(?P<number>\d+))?\.bak$")
Eraser = Callable[[Connection, Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup file: its schema version, its day (YYYYMMDD) and its number on that day."""

    path: Path
    version: int
    day: str
    number: int


class Backups:
    """Keep the backups of one store.

    Does not restore: ``edge_agent.store.restore`` does.

    Args:
        path: the store's file; the backups lie in ``backups`` beside it.
        key: the store's key, which is theirs too.
    """

    def __init__(self, path: Path, key: StoreKey) -> None:
        self._path = path
        self._key = key
        self._folder = path.with_name(BACKUP_FOLDER)

    def list(self) -> list[Backup]:
        """Return the backups, oldest first."""
        found = [
            Backup(path, int(match["version"]), match["date"], int(match["number"] or 1))
            for path in self._folder.glob(f"{self._path.name}.v*.bak")
            if (match := _NAME.search(path.name))
        ]
        return sorted(found, key=lambda one: (one.version, one.day, one.number))

    def write(self, *, now: datetime) -> Path:
        """Write a backup of the store durably, remove the oldest beyond those kept, and return the new one's path.

        Raises:
            StoreFull: no space; the older backups stay.
            StoreError: the folder cannot be written.
        """
        target = self._folder / backup_name(self._path, SCHEMA_VERSION, now=now)
        write_copy(self._path, self._key, target=target)
        self.prune()
        return target

    def prune(self) -> None:
        """Remove the oldest backups beyond those kept."""
        found = self.list()
        present = [one for one in found if one.version >= SCHEMA_VERSION]
        older = [one for one in found if one.version < SCHEMA_VERSION]
        for one in (*present[:-KEPT], *older[:-KEPT]):
            self._remove(one.path)

    def settle(self, database: Database, *, erasers: Mapping[str, Eraser] | None = None) -> int:
        """Delete in every backup what was deleted in the store since; return how many items were gone through.

        A backup that cannot be opened is removed: nobody could show that it holds nothing more. A power cut leaves the
        list of what is due, and the next call goes on.

        Args:
            database: the open store.
            erasers: how each class is deleted, by its name in ``copies_due``; pictures are known here.

        Raises:
            StoreError: a backup is busy or cannot be written.
        """
        known: dict[str, Eraser] = {COPIED: erase_old_pictures, **(erasers or {})}
        due: dict[str, list[str]] = {}
        numbers = []
        for number, name, item in database.rows("SELECT number, class, item FROM copies_due ORDER BY number"):
            if name in known:
                due.setdefault(name, []).append(item)
                numbers.append((number,))
        if not numbers:
            return 0
        for backup in self.list():
            self._erase(backup.path, {name: (known[name], items) for name, items in due.items()})
        with database.transaction() as connection:
            connection.executemany("DELETE FROM copies_due WHERE number = ?", numbers)
        return len(numbers)

    def _erase(self, path: Path, work: Mapping[str, tuple[Eraser, Sequence[str]]]) -> None:
        try:
            with open_file(path, self._key) as connection:
                connection.execute("BEGIN IMMEDIATE")
                for eraser, items in work.values():
                    eraser(connection, items)
                connection.execute("COMMIT")
        except StoreCorrupt:
            self._remove(path)

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            sync_path(path.parent)
        except OSError as exc:
            raise StoreError(f"cannot delete {path}: {exc.strerror}; check the folder's owner and mode") from exc


def erase_old_pictures(connection: Connection, items: Sequence[str]) -> None:
    """Delete pictures that a backup holds itself, from before the vault. Items: ``position:view_index``."""
    for item in items:
        position, _, index = item.partition(":")
        connection.execute(
            "DELETE FROM pictures WHERE position = ? AND view_index = ? AND length(png) > 0",
            (int(position), int(index)),
        )
