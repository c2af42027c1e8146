"""The outbox: de-identified records that wait until the hub has committed them.

Appended in one transaction with their report, sent later, deleted only after the hub's own acknowledgement: the broker's is
not storage. Nothing in a row tells who, where or when.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge_agent.contracts.messages import (
    GENESIS,
    MAX_RECORDS,
    Ack,
    Record,
    body_sha256,
    canonical_json,
)
from edge_agent.contracts.result import Result, Tombstone
from edge_agent.store.database import Connection, Database
from edge_agent.store.hub_deletions import note_hub_deletions
from edge_agent.store.states import RowEvent, RowState, row_sources

MAX_REFUSALS = 3  # after so many refusals by the hub a row is put aside; the others flow on
ISOLATE_AFTER = 3  # a row published so often without an answer travels alone
_CONFLICT = "conflict"  # the hub's reason: this seq came before with other content
_PRIORITY = {"tombstone": 0, "result": 2}  # 1 is kept for update reports, 3 for metrics
_RECORD_OVERHEAD_BYTES = 160  # seq, kind, sha256 and punctuation around a body
_HEADER_BYTES = 512  # the batch around its records


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How many records stand where; ``stored`` counts those that the hub holds, deleted here or about to be."""

    queued: int
    sent: int
    stored: int
    rejected: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the device tells the hub about its numbering: epoch, last seq allotted, greatest acknowledgement seen."""

    epoch: str
    last_seq: int
    high_water: int
    previous_hash: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What one acknowledgement changed.

    ``is_foreign``: it speaks of rows that never left here; ``is_renumbered``: so the epoch was given up, and every row
    must be sent again.
    """

    stored: int = 0
    rejected: int = 0
    is_foreign: bool = False
    is_renumbered: bool = False


def append_record(connection: Connection, body: Result | Tombstone, *, created: datetime) -> int:
    """Add a record inside the caller's transaction and return its seq.

    Does not check consent: ``CaseStore.finish`` does, before it comes here.
    """
    connection.execute("UPDATE outbox_ledger SET last_seq = last_seq + 1")
    seq = int(connection.execute("SELECT last_seq FROM outbox_ledger").fetchone()[0])
    kind = "result" if isinstance(body, Result) else "tombstone"
    plain = body.model_dump(mode="json")
    connection.execute(
        "INSERT INTO outbox (seq, record_id, kind, priority, created, body, sha256, state) VALUES (?,?,?,?,?,?,?,?)",
        (
            seq,
            body.record_id,
            kind,
            _PRIORITY[kind],
            created.isoformat(),
            canonical_json(plain),
            body_sha256(plain),
            RowState.QUEUED,
        ),
    )
    return seq


def withdraw_record(connection: Connection, record_id: str, *, created: datetime) -> None:
    """Withdraw a result inside the caller's transaction; doing it twice changes nothing.

    A result that never left becomes its own tombstone and its body is gone; for one that may have left, the
    tombstone goes ahead of everything else. The hub confirms either like any record.
    """
    done = connection.execute("SELECT 1 FROM outbox WHERE record_id = ? AND kind = 'tombstone'", (record_id,))
    if done.fetchone() is not None:
        return
    tombstone = Tombstone(record_id=record_id)
    plain = tombstone.model_dump(mode="json")
    replaced = connection.execute(
        "UPDATE outbox SET kind = 'tombstone', priority = ?, body = ?, sha256 = ?"
        " WHERE record_id = ? AND state = ? AND attempts = 0",
        (_PRIORITY["tombstone"], canonical_json(plain), body_sha256(plain), record_id, RowState.QUEUED),
    )
    if replaced.rowcount == 0:
        append_record(connection, tombstone, created=created)


class Outbox:
    """Keep the records that wait for the hub, and count them.

    Does not send: ``edge_agent.uplink`` is the only sender. Every method is one durable transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._prune()  # the rows of an acknowledgement that a power cut interrupted

    def status(self) -> OutboxCounts:
        """Return the counts per state."""
        found = dict(  # one statement: one moment
            self._database.rows(
                "SELECT state, count(*) FROM outbox GROUP BY state UNION ALL SELECT 'pruned', pruned FROM outbox_ledger"
            )
        )
        counts = {state.value: int(found.get(state.value, 0)) for state in RowState}
        return OutboxCounts(**{**counts, "stored": counts["stored"] + int(found["pruned"])})

    def ledger(self) -> Ledger:
        """Return the numbering's present state, for the hello."""
        row = self._database.rows("SELECT epoch, last_seq, high_water, previous_hash FROM outbox_ledger")[0]
        return Ledger(*row)

    def withdraw(self, record_id: str) -> None:
        """Withdraw a result from the hub, ahead of everything that waits (``withdraw_record``)."""
        with self._database.transaction() as connection:
            withdraw_record(connection, record_id, created=datetime.now(UTC))

    def batch(self, limit_bytes: int, *, in_flight: Collection[int] = ()) -> tuple[Record, ...]:
        """Return the next records to send, ascending seq, at most about ``limit_bytes`` of JSON; () when none.

        The oldest row is always in it, so nothing starves; then priority decides. A row that was published
        often without an answer travels alone, so that it cannot take others down with it.

        Args:
            limit_bytes: size of the whole batch in canonical JSON; one row always fits.
            in_flight: seqs that have been published and not yet answered; left out.
        """
        rows = self._database.rows(
            "SELECT seq, kind, sha256, body, attempts FROM outbox WHERE state = ?"
            " ORDER BY seq > (SELECT min(seq) FROM outbox WHERE state = ?), attempts >= ?, priority, seq LIMIT ?",
            (RowState.QUEUED, RowState.QUEUED, ISOLATE_AFTER, MAX_RECORDS + len(in_flight)),
        )
        chosen: list[Record] = []
        room = limit_bytes - _HEADER_BYTES
        for seq, kind, sha256, body, attempts in rows:
            if seq in in_flight:
                continue
            is_suspect = attempts >= ISOLATE_AFTER
            room -= len(body) + _RECORD_OVERHEAD_BYTES
            if chosen and (is_suspect or room < 0 or len(chosen) >= MAX_RECORDS):
                break
            chosen.append(Record(seq=seq, kind=kind, sha256=sha256, body=json.loads(body)))
            if is_suspect:
                break
        return tuple(sorted(chosen, key=lambda record: record.seq))

    def note_attempt(self, records: Sequence[Record], *, payload_sha256: str) -> bool:
        """Remember, before the publish, that these records may leave now, and in which payload.

        Returns:
            False, and nothing is remembered, when a row has changed since ``batch`` read it (a withdrawal came in
            between): then the payload must not be published.
        """
        with self._database.transaction() as connection:
            for record in records:
                found = connection.execute(
                    "SELECT 1 FROM outbox WHERE seq = ? AND sha256 = ? AND state = ?",
                    (record.seq, record.sha256, RowState.QUEUED),
                )
                if found.fetchone() is None:
                    return False
            seqs = [(record.seq,) for record in records]
            connection.executemany("UPDATE outbox SET attempts = attempts + 1 WHERE seq = ?", seqs)
            connection.execute("UPDATE outbox_ledger SET previous_hash = ?", (payload_sha256,))
        return True

    def note_taken(self, seqs: Iterable[int]) -> None:
        """Mark rows that the broker took with Success; not yet stored anywhere."""
        with self._database.transaction() as connection:
            _move(connection, seqs, RowEvent.TAKEN, RowState.SENT)

    def requeue(self) -> None:
        """At a new connection, after the hub's answer: queue what it does not have, and what it refused before."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE outbox SET state = ?, reason = NULL WHERE state IN (SELECT value FROM json_each(?))",
                (RowState.QUEUED, _sources(RowEvent.RECONNECT)),
            )

    def acknowledge(self, ack: Ack, *, may_renumber: bool = True) -> Acknowledged:
        """Take the hub's word: delete what it has committed, mark what it refused.

        An acknowledgement of rows that never left, or the hub's word that a number came with other content, means
        that this database is a copy of itself (a restored backup, a cloned disk): its numbers were used before.
        Then nothing is deleted; the epoch is given up and every row is queued under new numbers. The hub tells
        copies of a record by its id.

        Args:
            ack: the hub's answer; one to another epoch changes nothing.
            may_renumber: False lets such an acknowledgement change nothing at all: a new epoch is unknown to every
                honest hub, so a second claim on one connection is the hub's fault.
        """
        with self._database.transaction() as connection:
            epoch, last_seq = connection.execute("SELECT epoch, last_seq FROM outbox_ledger").fetchone()
            if ack.epoch != epoch:
                return Acknowledged()
            rows = connection.execute(
                "SELECT seq, attempts, refusals FROM outbox WHERE seq <= ?", (ack.high_water,)
            ).fetchall()
            stored_seqs = _stored(ack, [row[0] for row in rows])
            clashing = {rejection.seq for rejection in ack.rejected if rejection.reason == _CONFLICT}
            if ack.high_water > last_seq or any(
                seq in clashing or (seq in stored_seqs and attempts == 0) for seq, attempts, _ in rows
            ):
                if may_renumber:
                    give_up_epoch(connection)
                return Acknowledged(is_foreign=True, is_renumbered=may_renumber)
            stored = _move(connection, stored_seqs, RowEvent.ACKNOWLEDGE, RowState.STORED)
            note_hub_deletions(connection, now=datetime.now(UTC))
            rejected = _reject(connection, ack, {row[0]: row[2] for row in rows})
            connection.execute("UPDATE outbox_ledger SET high_water = max(high_water, ?)", (ack.high_water,))
        self._prune()
        return Acknowledged(stored=stored, rejected=rejected)

    def _prune(self) -> None:
        with self._database.transaction() as connection:
            gone = connection.execute("DELETE FROM outbox WHERE state = ?", (RowState.STORED,)).rowcount
            connection.execute("UPDATE outbox_ledger SET pruned = pruned + ?", (gone,))


def _stored(ack: Ack, seqs: list[int]) -> set[int]:
    """Return those seqs that the hub has committed; ``Ack.is_stored`` for many rows at once."""
    starts = [first for first, _ in ack.gaps]  # ascending and apart: ``Ack`` takes no others
    refused = {rejection.seq for rejection in ack.rejected}

    def is_missing(seq: int) -> bool:
        index = bisect_right(starts, seq) - 1
        return index >= 0 and seq <= ack.gaps[index][1]

    return {seq for seq in seqs if seq <= ack.high_water and seq not in refused and not is_missing(seq)}


def _move(connection: Connection, seqs: Iterable[int], event: RowEvent, target: RowState) -> int:
    sources = _sources(event)
    statement = "UPDATE outbox SET state = ? WHERE seq = ? AND state IN (SELECT value FROM json_each(?))"
    return sum(connection.execute(statement, (target, seq, sources)).rowcount for seq in seqs)


def _reject(connection: Connection, ack: Ack, refusals: dict[int, int]) -> int:
    """Mark refused rows. Only rows in ``sent`` count: an older refusal is told again at every connection."""
    count = 0
    for rejection in ack.rejected:
        is_last = refusals.get(rejection.seq, 0) + 1 >= MAX_REFUSALS
        event, target = (RowEvent.GIVE_UP, RowState.QUARANTINED) if is_last else (RowEvent.REJECT, RowState.REJECTED)
        if _move(connection, [rejection.seq], event, target):
            connection.execute(
                "UPDATE outbox SET refusals = refusals + 1, reason = ? WHERE seq = ?", (rejection.reason, rejection.seq)
            )
            count += 1
    return count


def give_up_epoch(connection: Connection) -> None:
    """Queue every row under new numbers of a new epoch, inside the caller's transaction: the old ones may be used."""
    connection.execute("DELETE FROM outbox WHERE state = ?", (RowState.STORED,))
    seqs = [row[0] for row in connection.execute("SELECT seq FROM outbox ORDER BY seq").fetchall()]
    connection.execute("UPDATE outbox SET seq = -seq")  # out of the way of the new numbers
    for number, seq in enumerate(seqs, start=1):
        connection.execute("UPDATE outbox SET seq = ? WHERE seq = ?", (number, -seq))
    connection.execute(
        "UPDATE outbox SET state = ?, reason = NULL WHERE state IN (SELECT value FROM json_each(?))",
        (RowState.QUEUED, _sources(RowEvent.RECONNECT)),
    )
    connection.execute(
        "UPDATE outbox_ledger SET epoch = lower(hex(randomblob(8))), last_seq = ?, high_water = 0, previous_hash = ?",
        (len(seqs), GENESIS),
    )


def _sources(event: RowEvent) -> str:
    """Return the event's source states as a JSON list, for ``json_each``."""
    return json.dumps(row_sources(event))
