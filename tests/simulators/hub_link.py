"""A hub and the connection to it inside this process: the second implementation of the uplink's ``Link``.

It keeps what it is sent by (epoch, seq), answers like protocol v1 says, and can be told to misbehave.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_agent.contracts.messages import MAX_PAYLOAD_BYTES, Ack, Batch, Hello, Record, Rejection, decode_up, encode
from edge_agent.errors import UplinkError
from edge_agent.uplink.link import Event, Received, Taken
from tests.simulators.clock import ManualClock

SUCCESS = 0x00


@dataclass(slots=True)
class SimulatedHub:
    """What the hub holds, and how it behaves.

    ``stored`` maps epoch to seq to record. ``refuses``: record ids that it rejects. ``broker_code``: the reason code
    with which the broker answers a publish; above 0 nothing reaches the hub. ``is_silent``: it stores and never
    answers. ``answers_first``: its answer comes before the broker's.
    """

    stored: dict[str, dict[int, Record]] = field(default_factory=dict)
    refused: dict[str, dict[int, str]] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    broker_code: int = SUCCESS
    is_silent: bool = False
    answers_first: bool = False
    receive_maximum: int = 65535
    max_payload_bytes: int = MAX_PAYLOAD_BYTES
    heard: list[Hello | Batch] = field(default_factory=list)
    payload_sizes: list[int] = field(default_factory=list)

    def receive(self, payload: bytes) -> bytes | None:
        """Store one payload and return the answer's payload."""
        message = decode_up(payload)
        self.heard.append(message)
        self.payload_sizes.append(len(payload))
        rows, bad = self.stored.setdefault(message.epoch, {}), self.refused.setdefault(message.epoch, {})
        for record in message.records if isinstance(message, Batch) else ():
            if record.seq in rows and rows[record.seq].sha256 != record.sha256:
                bad[record.seq] = "conflict"
            elif record.body["record_id"] in self.refuses:
                bad[record.seq] = "invalid_body"
            else:
                rows[record.seq] = record
                bad.pop(record.seq, None)
        return None if self.is_silent else encode(self.answer(message.epoch))

    def answer(self, epoch: str) -> Ack:
        """Return the truth about one epoch."""
        rows, bad = self.stored.get(epoch, {}), self.refused.get(epoch, {})
        known = set(rows) | set(bad)
        high_water = max(known, default=0)
        missing = [seq for seq in range(1, high_water) if seq not in known]
        return Ack(
            epoch=epoch,
            high_water=high_water,
            gaps=tuple((seq, seq) for seq in missing),
            rejected=tuple(Rejection(seq=seq, reason=bad[seq]) for seq in sorted(bad)),
        )

    @property
    def record_ids(self) -> list[str]:
        """Return the ids of all results and tombstones held, over all epochs, in order of seq."""
        return [rows[seq].body["record_id"] for rows in self.stored.values() for seq in sorted(rows)]

    @property
    def batches(self) -> list[Batch]:
        """Return the batches that arrived, in order."""
        return [message for message in self.heard if isinstance(message, Batch)]


class SimulatedLink:
    """One connection to a simulated hub; polling without news lets the manual clock run."""

    def __init__(self, hub: SimulatedHub, clock: ManualClock) -> None:
        self.receive_maximum = hub.receive_maximum
        self.max_payload_bytes = hub.max_payload_bytes
        self.is_closed = False
        self.is_lost = False
        self.events: list[Event] = []
        self._hub = hub
        self._clock = clock
        self._published = 0

    def publish(self, payload: bytes) -> int:
        """Hand a payload to the hub at once; the answers wait in ``events``."""
        if self.is_lost:
            raise UplinkError("the simulated connection is gone")
        self._published += 1
        answer = self._hub.receive(payload) if self._hub.broker_code == SUCCESS else None
        events: list[Event] = [Taken(self._published, self._hub.broker_code)]
        if answer is not None:
            events.insert(0 if self._hub.answers_first else 1, Received(answer))
        self.events += events
        return self._published

    def poll(self, timeout_s: float) -> list[Event]:
        """Return what waits; when nothing does, the time passes."""
        if self.is_lost:
            raise UplinkError("the simulated connection is gone")
        if not self.events:
            self._clock.now_s += timeout_s
        found, self.events = self.events, []
        return found

    def close(self) -> None:
        """Note the end."""
        self.is_closed = True
