"""Judge the records of one batch one by one and store the good ones; a bad one stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from edge_agent.contracts.messages import Batch, Record, Rejection, body_sha256, read_body
from edge_agent.contracts.result import Result, Tombstone
from edge_agent.errors import UplinkRefused
from fleet.database import insert_new
from fleet.tables import conflicts, ledger, rejected, results, tombstones

T = TypeVar("T")
_QUERY_SIZE = 500  # ids per IN (…): PostgreSQL and SQLite both take that many parameters


@dataclass(frozen=True, slots=True)
class Stored:
    """What one batch changed: counts of new rows, the refused records and the conflicting seqs.

    ``results`` counts new results in the ledger, also those that a tombstone already covers.
    """

    results: int
    tombstones: int
    duplicates: int
    rejected: tuple[Rejection, ...]
    conflicts: tuple[int, ...]


@dataclass(slots=True)
class _Sorted:
    """The records of a batch, by what becomes of them."""

    new: list[tuple[Record, Result | Tombstone]] = field(default_factory=list)
    duplicates: int = 0
    refused: list[tuple[Record, str]] = field(default_factory=list)
    conflicts: list[tuple[Record, str]] = field(default_factory=list)


def store_records(connection: sa.Connection, batch: Batch, *, now_s: int) -> Stored:
    """Store a batch inside the caller's transaction, which already holds the device's row."""
    batch_rows = _sort(connection, batch)
    _insert_bodies(connection, batch_rows, now_s=now_s)
    key = {"device": batch.device, "epoch": batch.epoch, "received_at_s": now_s}
    accepted = [key | {"seq": record.seq, "sha256": record.sha256} for record, _ in batch_rows.new]
    _forget_rejections(connection, batch, [record.seq for record, _ in batch_rows.new])
    insert_new(connection, ledger, accepted)
    refused = [
        key | {"seq": record.seq, "sha256": record.sha256, "reason": reason} for record, reason in batch_rows.refused
    ]
    insert_new(connection, rejected, refused)
    clashes = [
        key | {"seq": record.seq, "received_sha256": body_sha256(record.body), "stored_sha256": stored}
        for record, stored in batch_rows.conflicts
    ]
    insert_new(connection, conflicts, clashes)
    return Stored(
        results=sum(isinstance(body, Result) for _, body in batch_rows.new),
        tombstones=sum(isinstance(body, Tombstone) for _, body in batch_rows.new),
        duplicates=batch_rows.duplicates,
        rejected=tuple(Rejection(seq=record.seq, reason=reason) for record, reason in batch_rows.refused),
        conflicts=tuple(record.seq for record, _ in batch_rows.conflicts),
    )


def _sort(connection: sa.Connection, batch: Batch) -> _Sorted:
    """Tell new records from duplicates, conflicts and records that cannot be stored."""
    mine = sa.select(ledger.c.seq, ledger.c.sha256).where(
        ledger.c.device == batch.device, ledger.c.epoch == batch.epoch
    )
    known: dict[int, str] = {}
    for part in _parts([record.seq for record in batch.records]):
        known |= {int(seq): str(digest) for seq, digest in connection.execute(mine.where(ledger.c.seq.in_(part)))}
    rows = _Sorted()
    for record in batch.records:
        stored = known.get(record.seq)
        if stored is not None and stored == body_sha256(record.body):
            rows.duplicates += 1
        elif stored is not None:
            rows.conflicts.append((record, stored))
        else:
            try:
                rows.new.append((record, read_body(record)))
            except UplinkRefused as exc:
                rows.refused.append((record, str(exc.details["reason"])))
    return rows


def _insert_bodies(connection: sa.Connection, rows: _Sorted, *, now_s: int) -> None:
    """Insert results and tombstones; a result that a tombstone covers is not kept, whichever came first."""
    ids = [body.record_id for _, body in rows.new]
    withdrawn = {body.record_id for _, body in rows.new if isinstance(body, Tombstone)}
    insert_new(connection, tombstones, [{"record_id": key, "received_at_s": now_s} for key in sorted(withdrawn)])
    for part in _parts(sorted(withdrawn)):
        connection.execute(sa.delete(results).where(results.c.record_id.in_(part)))
    known: dict[str, dict[str, Any]] = {}
    for part in _parts(ids):
        found = connection.scalars(sa.select(tombstones.c.record_id).where(tombstones.c.record_id.in_(part)))
        withdrawn |= set(found)
        for row in connection.execute(sa.select(results).where(results.c.record_id.in_(part))).mappings():
            known[row["record_id"]] = {name: row[name] for name in Result.model_fields}
    accepted, fresh = [], []
    for record, body in rows.new:
        if isinstance(body, Result) and body.record_id not in withdrawn:
            values = body.model_dump(mode="json")
            if known.setdefault(body.record_id, values) != values:
                rows.refused.append((record, "record_id_taken"))
                continue
            fresh.append(values)
        accepted.append((record, body))
    rows.new = accepted
    insert_new(connection, results, fresh)


def _forget_rejections(connection: sa.Connection, batch: Batch, seqs: Sequence[int]) -> None:
    """Drop the rejection of a seq that is now stored: a newer hub may accept what an older one could not read."""
    for part in _parts(seqs):
        mine = sa.delete(rejected).where(rejected.c.device == batch.device, rejected.c.epoch == batch.epoch)
        connection.execute(mine.where(rejected.c.seq.in_(part)))


def _parts(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[start : start + _QUERY_SIZE] for start in range(0, len(values), _QUERY_SIZE)]
