"""Put a backup in the store's place without losing what must not be lost: keys, withdrawals, what was deleted.

A backup knows nothing that happened after it. Taken as it is, it would forget withdrawals, and its pictures would have
no keys. So both are carried over from the store that it replaces, as far as that can be read.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store.connection import Connection, open_file
from edge_agent.store.copying import copy_into, tables
from edge_agent.store.damaged import DamagedStore
from edge_agent.store.database import SCHEMA_VERSION
from edge_agent.store.durable import log_of, sync_path, unwritten
from edge_agent.store.key import StoreKey
from edge_agent.store.naming import BACKUP_FOLDER
from edge_agent.store.outbox import give_up_epoch, withdraw_record
from edge_agent.store.vault import ImageState

Row = dict[str, Any]
_RESTORED = ".{name}.restored"
_COPY = ".{name}.copy-"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore changed: cases in the store now, pictures that open, pictures whose key was nowhere."""

    cases: int
    pictures_with_key: int
    pictures_without_key: int


def missing_cases(path: Path, key: StoreKey, *, backup: Path) -> list[str]:
    """Return the cases that the present store holds and the backup does not: a restore would drop them.

    Raises:
        StoreCorrupt: the backup cannot be read.
    """
    with open_file(backup, key) as connection:
        known = {row[0] for row in connection.execute("SELECT case_id FROM cases")}
    with _present(path, key) as present:
        return sorted(row["case_id"] for row in present("cases") if row["case_id"] not in known)


def restore(path: Path, key: StoreKey, *, backup: Path, now: datetime) -> Restored:
    """Put the backup in the store's place, with what is carried over. Nobody may have the store open.

    The outbox begins a new epoch, since numbers after the backup were used. A power cut leaves the present store or
    the restored one.

    Args:
        path: the store's file, which may be damaged or missing.
        key: the key of both.
        backup: one of ``Backups.list``.
        now: dates the tombstones of results that were withdrawn after the backup.

    Raises:
        StoreCorrupt: the backup is damaged; the present store stays.
        StoreFull: no space; the present store stays.
        StoreError: the folder cannot be written, or a newer program wrote the backup.
    """
    sweep_copies(path)
    temporary = path.with_name(_RESTORED.format(name=path.name))
    _check(backup, key)
    try:
        temporary.touch(mode=0o600)
        with open_file(temporary, key) as connection, _present(path, key) as present:
            copy_into(connection, backup, key)
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection) >= 5:
                _carry_pictures(connection, {row["image_id"]: row for row in present("images")}, present("image_keys"))
                _carry_records(connection, present)
                _carry_locks(connection, present("cases"))
            _carry_withdrawals(connection, present("cases"), now=now)
            give_up_epoch(connection)
            connection.execute("COMMIT")
            counts = _count(connection)
        _swap(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return counts


def sweep_copies(path: Path) -> None:
    """Remove half-made copies that a power cut left: they may hold image keys, or pictures from before the vault.

    A stale journal among them would be played into the next copy of that name. Only for whoever holds the state
    folder's lock.
    """
    for folder in path.parent.glob(_COPY.format(name=path.name) + "*"):
        shutil.rmtree(folder, ignore_errors=True)
    half_made = (path.parent.glob(_RESTORED.format(name=path.name) + "*"), path.parent.glob(f"{BACKUP_FOLDER}/.*"))
    for file in chain(*half_made):
        try:
            file.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(f"cannot delete {file}: {exc.strerror}; check the folder's owner and mode") from exc


def _check(backup: Path, key: StoreKey) -> None:
    with open_file(backup, key) as connection:
        version = _version(connection)
        if version > SCHEMA_VERSION:
            raise StoreError(f"the backup {backup} was written by a newer program (schema {version}): update derm-edge")
        if connection.execute("PRAGMA cipher_integrity_check").fetchall():
            raise StoreCorrupt(f"the backup {backup} is damaged: take an older one")


@contextmanager
def _present(path: Path, key: StoreKey) -> Iterator[Any]:
    """Give a function that returns the readable rows of one table of the present store, from a copy of it."""
    if not path.exists():
        yield lambda _table: []
        return
    with TemporaryDirectory(prefix=_COPY.format(name=path.name), dir=path.parent) as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
            if log_of(path).exists():
                shutil.copyfile(log_of(path), log_of(copy))
        except OSError as exc:
            raise unwritten(copy, exc) from exc
        damaged = DamagedStore(copy, key)
        schema = damaged.schema()
        known = {} if schema is None else schema[1]

        def read(table: str) -> list[Row]:
            if table not in known:
                return []
            columns = damaged.columns(table)
            return [dict(zip(columns, row, strict=True)) for _, row in damaged.rows(table)]

        yield read


def _carry_pictures(connection: Connection, images: dict[str, Row], keys: list[Row]) -> None:
    """Give the restored pictures their keys, and leave those shredded that were shredded after the backup."""
    by_id = {row["image_id"]: row["key"] for row in keys}
    for (image_id,) in connection.execute("SELECT image_id FROM images WHERE state = 'kept'").fetchall():
        held = images.get(image_id)
        if held is not None and held["state"] != ImageState.KEPT:
            connection.execute("UPDATE images SET state = ? WHERE image_id = ?", (held["state"], image_id))
        elif image_id in by_id:
            connection.execute("INSERT INTO image_keys (image_id, key) VALUES (?,?)", (image_id, by_id[image_id]))
        else:
            connection.execute("UPDATE images SET state = ? WHERE image_id = ?", (ImageState.LOST, image_id))


def _carry_records(connection: Connection, present: Any) -> None:
    """Take over what was recorded since: deletions, withdrawals, files that left and the answers about them, the highest date."""
    known = tables(connection)  # a backup of an older schema lacks the newer ones
    wanted = ("deletions", "withdrawals", "copies_due", "seen_date", "sent_files", "receiver_answers", "hub_deletions")
    for table in (name for name in wanted if name in known):
        for row in present(table):
            names, marks = ", ".join(row), ",".join("?" * len(row))
            connection.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608


def _carry_locks(connection: Connection, cases: list[Row]) -> None:
    for row in cases:
        if row.get("locked"):
            connection.execute("UPDATE cases SET locked = 1 WHERE case_id = ?", (row["case_id"],))


def _carry_withdrawals(connection: Connection, cases: list[Row], *, now: datetime) -> None:
    """Queue the tombstones of what was withdrawn after the backup."""
    for row in cases:
        if row["withdrawn"]:
            changed = connection.execute(
                "UPDATE cases SET withdrawn = 1 WHERE case_id = ? AND withdrawn = 0", (row["case_id"],)
            )
            if changed.rowcount and row["state"] == "reported":  # too many tombstones harm nobody, one too few does
                withdraw_record(connection, row["record_id"], created=now)


def _count(connection: Connection) -> Restored:
    cases = connection.execute("SELECT count(*) FROM cases").fetchone()[0]
    if "images" not in tables(connection):
        return Restored(int(cases), 0, 0)
    found = dict(connection.execute("SELECT state, count(*) FROM images GROUP BY state").fetchall())
    return Restored(int(cases), int(found.get("kept", 0)), int(found.get("lost", 0)))


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _swap(temporary: Path, path: Path) -> None:
    """Give the new file the store's name. The old log goes first: SQLite would play it into the new file."""
    try:
        sync_path(temporary)
        for beside in (log_of(path), path.with_name(f"{path.name}-shm")):
            beside.unlink(missing_ok=True)
        sync_path(path.parent)
        temporary.replace(path)
        sync_path(path.parent)
    except OSError as exc:
        raise unwritten(path, exc) from exc
