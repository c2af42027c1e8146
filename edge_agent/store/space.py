"""The disk-full ladder: from free bytes to what may still be done, and what may be cleared away.

Each step takes away the least that helps. No step deletes a clinical record, a picture that somebody may still need,
or a record that the hub has not acknowledged: when nothing more may go, new pictures wait and people do not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_agent.store.database import Database
from edge_agent.store.durable import sync_path, unwritten
from edge_agent.store.vault import ImageVault

RESERVE = "reserve"  # the file's name beside the database
RESERVE_BYTES = 32_000_000  # room for several thousand text cases and their reports
_BLOCK_BYTES = 1_000_000


LOW_SHARE, TIGHT_SHARE, FULL_SHARE = 0.80, 0.95, 0.99  # of the budget; assumptions


class Stage(StrEnum):
    """How much room is left, best first."""

    OK = "ok"
    LOW = "low"
    TIGHT = "tight"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below how much free disk each stage begins, in bytes (``[storage]``); ``budget_bytes`` is what the store may take.

    Of the budget the stages begin at shares: a small class of device has a budget below the free bytes of a large one.
    """

    low_bytes: int
    tight_bytes: int
    full_bytes: int
    budget_bytes: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be done at a stage. Text cases may always be taken.

    ``may_clear``: previews and thumbnails, and records that the hub has acknowledged. ``uses_reserve``: the reserve is
    given to text cases. ``notice``: the id of what the worker reads (vocabulary ``storage_notice``).
    """

    stage: Stage
    may_take_pictures: bool
    may_clear: bool
    uses_reserve: bool
    notice: str | None


_ALLOWANCES: Mapping[Stage, Allowance] = {
    Stage.OK: Allowance(Stage.OK, True, False, False, None),
    Stage.LOW: Allowance(Stage.LOW, True, True, False, "storage_low"),
    Stage.TIGHT: Allowance(Stage.TIGHT, False, True, False, "storage_tight"),
    Stage.FULL: Allowance(Stage.FULL, False, True, True, "storage_full"),
}


def allowance(*, free_bytes: int, used_bytes: int, thresholds: Thresholds) -> Allowance:
    """Return what may be done with this much room; the disk and the store's own budget each lead down. Pure.

    Args:
        free_bytes: free on the disk for this account.
        used_bytes: what the store, its vault and its backups take.
        thresholds: of the profile and the configuration.
    """
    for stage, limit, share in (
        (Stage.FULL, thresholds.full_bytes, FULL_SHARE),
        (Stage.TIGHT, thresholds.tight_bytes, TIGHT_SHARE),
        (Stage.LOW, thresholds.low_bytes, LOW_SHARE),
    ):
        if free_bytes < limit or used_bytes > share * thresholds.budget_bytes:
            return _ALLOWANCES[stage]
    return _ALLOWANCES[Stage.OK]


def measure(folder: Path, *, thresholds: Thresholds) -> Allowance:
    """Return what may be done with the room below a folder. Changes nothing.

    A disk that cannot be measured counts as full: nobody is told that there is room.

    Args:
        folder: the store's; one that does not exist cannot be measured.
        thresholds: of the profile and the configuration.
    """
    try:
        free = shutil.disk_usage(folder).free
        used = sum(_size(path) for path in folder.rglob("*"))
    except OSError:
        return _ALLOWANCES[Stage.FULL]
    return allowance(free_bytes=free, used_bytes=used, thresholds=thresholds)


class StorageRoom:
    """Measure the room, clear what may be cleared, and keep the reserve. Decides nothing: ``allowance`` does.

    The one place that says how much room there is: pages, metrics and status ask ``stage``, doctor ``measure``.

    Args:
        database: the open store.
        vault: of the pictures.
        thresholds: of the profile and the configuration.
        cache: folders of previews and thumbnails, which can be made again.
        reserve_bytes: kept back on the disk for text cases.
    """

    def __init__(
        self,
        database: Database,
        *,
        vault: ImageVault,
        thresholds: Thresholds,
        cache: tuple[Path, ...] = (),
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._database = database
        self._vault = vault
        self._thresholds = thresholds
        self._cache = cache
        self._reserve = database.path.with_name(RESERVE)
        self._reserve_bytes = reserve_bytes
        self._stage: Stage | None = None

    @property
    def stage(self) -> Stage | None:
        """Return how much room there is; None before the first look.

        Quick: what the store holds is of the last look, and only the disk is asked anew, for another program can fill it
        within a second. Room that somebody made is believed at the next look.
        """
        if self._stage is None:
            return None
        try:
            free = shutil.disk_usage(self._database.path.parent).free
        except OSError:
            return Stage.FULL
        now = allowance(free_bytes=free, used_bytes=0, thresholds=self._thresholds).stage
        return max(self._stage, now, key=list(Stage).index)

    def look(self) -> Allowance:
        """Return what may be done now. Changes nothing but ``stage``."""
        found = measure(self._database.path.parent, thresholds=self._thresholds)
        self._stage = found.stage
        return found

    def step(self) -> Allowance:
        """Look, do what the stage allows, look again, and return what may be done then.

        Raises:
            StoreError: a folder cannot be written, or the store is busy; ``stage`` is what the look found all the same.
        """
        found = self.look()
        if found.may_clear:
            self._clear()
            found = self.look()
        if found.uses_reserve:
            self._reserve.unlink(missing_ok=True)
        elif found.stage in {Stage.OK, Stage.LOW}:
            self._keep_reserve()
        return found

    def _clear(self) -> None:
        """Remove what can be made again or is of no use to anybody: previews, swept files, the emptied log.

        Records that the hub has acknowledged go at the acknowledgement (``Outbox.acknowledge``); a power cut's rest
        of them goes here.
        """
        for folder in self._cache:
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
        self._vault.sweep()
        self._vault.settle()
        with self._database.transaction() as connection:
            gone = connection.execute("DELETE FROM outbox WHERE state = 'stored'").rowcount
            connection.execute("UPDATE outbox_ledger SET pruned = pruned + ?", (gone,))
        self._database.empty_log()

    def _keep_reserve(self) -> None:
        """Fill the reserve, whole or not at all; written, since some file systems only promise room."""
        if _size(self._reserve) == self._reserve_bytes:
            return
        try:
            with self._reserve.open("wb") as stream:
                for at in range(0, self._reserve_bytes, _BLOCK_BYTES):
                    stream.write(os.urandom(min(_BLOCK_BYTES, self._reserve_bytes - at)))
                stream.flush()
                os.fsync(stream.fileno())
            sync_path(self._reserve.parent)
        except OSError as exc:
            self._reserve.unlink(missing_ok=True)
            raise unwritten(self._reserve, exc) from exc


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # a temporary file that is gone by now
        return 0
