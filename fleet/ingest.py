"""Take one payload from a device into the database, in one transaction, and say what to answer.

Nothing here knows MQTT. The caller publishes the answer only after ``Ingester.receive`` has returned, which is
after COMMIT; if anything fails before that, there is no answer and the device sends again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from edge_agent.contracts.messages import GENESIS, Ack, Batch, Hello, decode_up, device_of, payload_sha256
from edge_agent.errors import UplinkRefused
from fleet.acknowledgement import build_ack, find_gaps, find_refused
from fleet.database import database_errors, insert_new
from fleet.records import Stored, store_records
from fleet.tables import devices, refusals

Clock = Callable[[], float]
NOTHING = Stored(results=0, tombstones=0, duplicates=0, rejected=(), conflicts=())


@dataclass(frozen=True, slots=True)
class Answer:
    """What to publish to which device, and what the transaction stored."""

    device: str
    ack: Ack
    stored: Stored


@dataclass(frozen=True, slots=True)
class _Notes:
    """Facts for the alarms: they are raised after COMMIT, when they are true."""

    is_broken_chain: bool
    highest: int


class Ingester:
    """Store what devices send.

    Args:
        engine: from ``open_database``.
        clock: UTC seconds since 1970, for the ledger only.
        log: where alarms go; they name devices and seqs, never a record id or a body.
    """

    def __init__(self, engine: sa.Engine, *, clock: Clock, log: structlog.typing.FilteringBoundLogger) -> None:
        self._engine = engine
        self._clock = clock
        self._log = log

    def receive(self, topic: str, payload: bytes) -> Answer:
        """Store one payload and return the answer, once everything is committed.

        Raises:
            UplinkRefused: the payload cannot be read, or names another device than its topic; counted, and not
                answered, for nobody can be sure whom to answer.
            HubError: the database failed; nothing was stored.
        """
        try:
            device = device_of(topic)
            message = decode_up(payload)
            if message.device != device:
                raise UplinkRefused("the message names another device than its topic", reason="wrong_device")
        except UplinkRefused as exc:
            self._count_refusal(str(exc.details["reason"]))
            raise
        with database_errors(), self._engine.begin() as connection:
            answer, notes = self._store(connection, message, payload)
        self._raise_alarms(message, answer.stored, notes)
        return answer

    def _store(self, connection: sa.Connection, message: Hello | Batch, payload: bytes) -> tuple[Answer, _Notes]:
        """Store the message and compute its answer inside the caller's transaction."""
        now_s = int(self._clock())
        row = _lock_device(connection, message, now_s=now_s)
        stored, is_broken_chain = NOTHING, False
        changes: dict[str, object] = {"last_seen_s": now_s}
        announced = message.last_seq
        if isinstance(message, Batch):
            stored = store_records(connection, message, now_s=now_s)
            digest = payload_sha256(payload)
            # MQTT may deliver the same payload twice; that is no break.
            is_broken_chain = row.last_payload_sha256 not in (message.previous_hash, digest)
            changes |= {"last_payload_sha256": digest, "chain_breaks": row.chain_breaks + is_broken_chain}
        else:
            announced = max(announced, message.high_water_seen)
            changes["high_water_seen"] = message.high_water_seen
        highest, gaps = find_gaps(connection, message.device, message.epoch, settled=row.settled)
        changes["settled"] = gaps[0][0] - 1 if gaps else highest
        changes["expected"] = max(row.expected, announced, highest)
        connection.execute(_same_device(sa.update(devices), message).values(changes))
        refused = find_refused(connection, message.device, message.epoch)
        ack = build_ack(message.epoch, highest=highest, gaps=gaps, refused=refused)
        return Answer(message.device, ack, stored), _Notes(is_broken_chain, highest)

    def _raise_alarms(self, message: Hello | Batch, stored: Stored, notes: _Notes) -> None:
        log = self._log.bind(device=message.device, epoch=message.epoch)
        for seq in stored.conflicts:
            log.error("conflict", seq=seq, meaning="same seq, other content; the first one stays")
        for row in stored.rejected:
            log.warning("record_rejected", seq=row.seq, reason=row.reason)
        if notes.is_broken_chain:
            log.info("chain_broken", meaning="a batch before this one did not arrive here")
        if isinstance(message, Hello) and message.high_water_seen > notes.highest:
            log.error(
                "hub_lost_rows",
                device_saw=message.high_water_seen,
                hub_has=notes.highest,
                meaning="rows were acknowledged that this database does not hold; was an old backup restored?",
            )

    def _count_refusal(self, reason: str) -> None:
        """Count a payload that could not be read; one row per reason, so a flood cannot fill the disk."""
        now_s = int(self._clock())
        with database_errors(), self._engine.begin() as connection:
            insert_new(connection, refusals, [{"reason": reason, "payloads": 0, "last_at_s": now_s}])
            add = sa.update(refusals).where(refusals.c.reason == reason)
            connection.execute(add.values(payloads=refusals.c.payloads + 1, last_at_s=now_s))


def _same_device(statement: sa.Update, message: Hello | Batch) -> sa.Update:
    return statement.where(devices.c.device == message.device, devices.c.epoch == message.epoch)


def _lock_device(connection: sa.Connection, message: Hello | Batch, *, now_s: int) -> sa.Row[tuple[object, ...]]:
    """Create the device's row if it is new, and hold it until COMMIT, so that another hub waits."""
    fresh = {
        "device": message.device,
        "epoch": message.epoch,
        "expected": 0,
        "settled": 0,
        "high_water_seen": 0,
        "last_payload_sha256": GENESIS,
        "chain_breaks": 0,
        "first_seen_s": now_s,
        "last_seen_s": now_s,
    }
    insert_new(connection, devices, [fresh])
    mine = sa.select(devices).where(devices.c.device == message.device, devices.c.epoch == message.epoch)
    return connection.execute(mine.with_for_update()).one()
