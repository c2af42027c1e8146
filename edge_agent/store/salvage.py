"""Salvage: what is readable of a damaged store into a new one, and an exact account of what is lost.

The original is never opened, only copied byte by byte. The account names cases by their local id and pictures by their
number; it holds nothing about a person.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_agent.errors import ImageGone, StoreCorrupt, StoreError
from edge_agent.store.copying import make_indexes
from edge_agent.store.damaged import Census, DamagedStore
from edge_agent.store.database import Connection, Database, open_file
from edge_agent.store.durable import log_of, make_folder, new_file, replace_file, unwritten
from edge_agent.store.key import StoreKey
from edge_agent.store.log_frames import count_lost_frames
from edge_agent.store.naming import BACKUP_FOLDER
from edge_agent.store.outbox import give_up_epoch
from edge_agent.store.vault import FOLDER, ImageState, ImageVault

REPORT = "loss-report.json"
STORE = "store.db"


@dataclass(frozen=True, slots=True)
class TableLoss:
    """One table's account: rows read, rows known to be lost, and whether those are all.

    ``without_parent`` were readable, but the row that they belong to is lost.
    """

    kept: int
    lost: int
    without_parent: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """One lost picture: its case (None: nobody knows), its number there, and what was damaged."""

    case: str | None
    view: int | None
    why: str  # row | key | file_missing | file_damaged


@dataclass(frozen=True, slots=True)
class LossReport:
    """Everything that the new store lacks.

    ``is_exact`` is False where a damaged page held rows that nothing names, or the write-ahead log was damaged:
    ``log_frames_lost`` of its pages then hold writes that nobody can read.
    """

    made: str
    is_exact: bool
    tables: dict[str, TableLoss]
    cases_lost: tuple[str, ...]
    pictures_lost: tuple[PictureLoss, ...]
    pictures_kept: int
    log_frames_lost: int

    @property
    def is_whole(self) -> bool:
        """Say whether nothing was lost."""
        losses = any(one.lost or one.without_parent for one in self.tables.values())
        return self.is_exact and not (losses or self.cases_lost or self.pictures_lost)


def salvage(path: Path, key: StoreKey, *, into: Path, now: datetime) -> LossReport:
    """Write a new store, its vault and ``loss-report.json`` into an empty folder.

    Never touches the original. A power cut leaves a folder without the report: begin again with another one.

    Args:
        path: the damaged store; its vault lies beside it.
        key: its key, which the new store has too.
        into: an empty or new folder.
        now: dates the report.

    Raises:
        StoreError: the folder is not empty or cannot be written.
        StoreFull: no space.
        StoreCorrupt: not even the list of tables can be read; nothing was written but copies.
    """
    if not path.exists():
        raise StoreError(f"there is no store {path}: nothing to salvage")
    _prepare(into)
    copy = _copy(path, into / ".damaged")
    frames_lost = count_lost_frames(log_of(copy))  # before it is opened: SQLite drops them without a word
    try:
        found = _find(DamagedStore(copy, key), path)
        saved = _save(found, key, into=into)
        with Database(into / STORE, key) as database:  # this program's schema from here on
            shutil.rmtree(into / BACKUP_FOLDER, ignore_errors=True)  # of an older schema: the same rows once more
            cases_lost = _lost_cases(database, found.censuses["cases"])
            pictures_lost, pictures_kept = _take_pictures(database, path.with_name(FOLDER), censuses=found.censuses)
            _mend_ledger(database)
    finally:
        shutil.rmtree(copy.parent, ignore_errors=True)
    report = LossReport(
        made=now.isoformat(),
        is_exact=frames_lost == 0 and all(census.is_complete for census in found.censuses.values()),
        tables=saved,
        cases_lost=cases_lost,
        pictures_lost=pictures_lost,
        pictures_kept=pictures_kept,
        log_frames_lost=frames_lost,
    )
    replace_file(into / REPORT, json.dumps(asdict(report), indent=2).encode("utf-8") + b"\n")
    return report


@dataclass(frozen=True, slots=True)
class _Found:
    """What the damaged copy held: its schema's version, statements of tables by name, of the rest, and the censuses."""

    store: DamagedStore
    version: int
    tables: dict[str, str]
    rest: list[str]
    censuses: dict[str, Census]


def _find(damaged: DamagedStore, path: Path) -> _Found:
    """Return what there is to save.

    Raises:
        StoreCorrupt: not even the list of tables can be read.
    """
    schema = damaged.schema()
    if schema is None:
        raise StoreCorrupt(
            f"nothing of {path} can be read: its first page is damaged or the key is another one; "
            "restore a backup: derm-edge store restore"
        )
    version, tables, rest = schema
    return _Found(damaged, version, tables, rest, {name: damaged.census(name) for name in tables})


def _save(found: _Found, key: StoreKey, *, into: Path) -> dict[str, TableLoss]:
    """Write every readable row into the new file, in the schema that they had; return each table's account."""
    with new_file(into / STORE) as temporary, open_file(temporary, key) as connection:
        counts = _fill(connection, found.store, tables=found.tables, censuses=found.censuses)
        triggers = [one for one in found.rest if one.lstrip().upper().startswith("CREATE TRIGGER")]
        make_indexes(connection, [one for one in found.rest if one not in triggers])
        dropped = _drop_orphans(connection)
        make_indexes(connection, triggers)  # last: a trigger may forbid what salvage must do
        connection.execute(f"PRAGMA user_version = {found.version}")
    return {
        name: TableLoss(
            kept=counts[name] - dropped[name],
            lost=len(census.rowids) - counts[name],
            without_parent=dropped[name],
            is_exact=census.is_complete,
        )
        for name, census in found.censuses.items()
    }


def _prepare(into: Path) -> None:
    try:
        make_folder(into)
        is_empty = not any(into.iterdir())
    except OSError as exc:
        raise unwritten(into, exc) from exc
    if not is_empty:
        raise StoreError(f"the folder {into} is not empty: name an empty one")


def _copy(path: Path, folder: Path) -> Path:
    """Copy the file and its log, which may hold committed rows; the original is only read."""
    copy = folder / path.name
    try:
        make_folder(folder)
        shutil.copyfile(path, copy)
        if log_of(path).exists():
            shutil.copyfile(log_of(path), log_of(copy))
    except OSError as exc:
        raise unwritten(copy, exc) from exc
    return copy


def _fill(
    connection: Connection, damaged: DamagedStore, *, tables: dict[str, str], censuses: dict[str, Census]
) -> Counter[str]:
    """Make the tables and put every readable row in under its own number; return how many per table."""
    kept: Counter[str] = Counter()
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN")
    for table, statement in tables.items():
        connection.execute(statement)
        columns = ", ".join(f'"{name}"' for name in ("rowid", *damaged.columns(table)))
        marks = ",".join("?" * (len(damaged.columns(table)) + 1))
        for rowid in censuses[table].rowids:
            row = damaged.row(table, rowid)
            if row is not None:
                connection.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', (rowid, *row))  # noqa: S608
                kept[table] += 1
        last = damaged.last_number(table)
        if last:  # a number is never given twice, also not that of a lost row
            connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?,?)", (table, last))
    connection.execute("COMMIT")
    return kept


def _drop_orphans(connection: Connection) -> Counter[str]:
    """Delete rows whose parent row is lost, and those that hang on these; return how many per table."""
    dropped: Counter[str] = Counter()
    while orphans := {tuple(row[:2]) for row in connection.execute("PRAGMA foreign_key_check").fetchall()}:
        for table, rowid in orphans:
            connection.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (rowid,))  # noqa: S608
            dropped[table] += 1
    return dropped


def _lost_cases(database: Database, census: Census) -> tuple[str, ...]:
    kept = {row[0] for row in database.rows("SELECT position FROM cases")}
    lost = [rowid for rowid in census.rowids if rowid not in kept]
    return tuple(str(census.named.get(rowid, {}).get("case_id", f"number {rowid}")) for rowid in lost)


def _take_pictures(
    database: Database, source: Path, *, censuses: dict[str, Census]
) -> tuple[tuple[PictureLoss, ...], int]:
    """Copy each picture's file that opens, mark the others as lost; return the losses and how many were kept."""
    vault, lost, kept = ImageVault(database), list(_lost_rows(database, censuses=censuses)), 0
    old = ImageVault(database, source)
    rows = database.rows(
        "SELECT image_id, case_id, view_index FROM images LEFT JOIN pictures USING (image_id)"
        " LEFT JOIN cases USING (position) WHERE images.state = 'kept' ORDER BY position, view_index"
    )
    inside = database.rows("SELECT count(*) FROM pictures WHERE image_id IS NULL")[0][0]
    for image_id, case_id, index in rows:
        why = _damage_of(old, image_id)
        if why is None:
            _copy_picture(old.path_of(image_id), vault.path_of(image_id))
            kept += 1
            continue
        lost.append(PictureLoss(case_id, index, why))
        with database.transaction() as connection:
            connection.execute("UPDATE images SET state = ? WHERE image_id = ?", (ImageState.LOST, image_id))
            connection.execute("DELETE FROM image_keys WHERE image_id = ?", (image_id,))
    return tuple(lost), kept + int(inside)


def _damage_of(vault: ImageVault, image_id: str) -> str | None:
    if not vault.has_key(image_id):
        return "key"
    if not vault.path_of(image_id).exists():
        return "file_missing"
    try:
        vault.get(image_id)
    except (StoreCorrupt, ImageGone):
        return "file_damaged"
    return None


def _copy_picture(source: Path, target: Path) -> None:
    try:
        content = source.read_bytes()
    except OSError as exc:
        raise StoreError(f"cannot read {source}: {exc.strerror}") from exc
    replace_file(target, content)


def _lost_rows(database: Database, *, censuses: dict[str, Census]) -> Sequence[PictureLoss]:
    """Return the pictures whose own row is lost, by what the indexes know of them."""
    census = censuses["pictures"]
    kept = {row[0] for row in database.rows("SELECT rowid FROM pictures")}
    names: dict[Any, Any] = {rowid: named.get("case_id") for rowid, named in censuses["cases"].named.items()}
    names |= dict(database.rows("SELECT position, case_id FROM cases"))
    losses = []
    for rowid in census.rowids:
        if rowid not in kept:
            named = census.named.get(rowid, {})
            losses.append(PictureLoss(names.get(named.get("position")), named.get("view_index"), "row"))
    return losses


def _mend_ledger(database: Database) -> None:
    """Where the outbox's ledger is lost, begin a new epoch: a number must never mean two records to the hub."""
    with database.transaction() as connection:
        if connection.execute("SELECT 1 FROM outbox_ledger").fetchone() is None:
            connection.execute(
                "INSERT INTO outbox_ledger (only, epoch, previous_hash) VALUES (1, '', printf('%064d', 0))"
            )
            give_up_epoch(connection)
