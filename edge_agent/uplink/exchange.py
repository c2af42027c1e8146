"""What is said on one connection: a hello, its answer, then batches inside the window until nothing waits.

The hub's answer alone lets a row go; the broker's Success only moves it from queued to sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from edge_agent.contracts.messages import (
    MAX_DECODED_BYTES,
    Ack,
    Batch,
    Hello,
    decode_down,
    encode,
    payload_sha256,
)
from edge_agent.errors import UplinkError, UplinkRefused
from edge_agent.store.outbox import Outbox
from edge_agent.uplink.clock import Clock
from edge_agent.uplink.link import Event, Received, Taken
from edge_agent.uplink.settings import UplinkSettings

_SUCCESS, _NO_SUBSCRIBERS = 0x00, 0x10
# PUBACK codes that the same payload will meet again: not authorised, topic name invalid, payload format invalid.
_FINAL_CODES = frozenset({0x87, 0x90, 0x99})
_POLL_S = 0.2


class Link(Protocol):
    """One open connection to a broker."""

    receive_maximum: int
    max_payload_bytes: int

    def publish(self, payload: bytes) -> int:
        """Hand over one payload and return its message id."""
        ...

    def poll(self, timeout_s: float) -> list[Event]:
        """Return what came."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


@dataclass(slots=True)
class _Flight:
    """A published batch: the seqs that the hub has not answered for yet, and since when."""

    message_id: int
    unanswered: set[int]
    since_s: float
    is_taken: bool = False
    seqs: tuple[int, ...] = field(default=())


class Exchange:
    """Move rows from the outbox to the hub over one link.

    Does not reconnect and does not wait between attempts: ``Uplink`` does. One thread only. While ``may_send`` says no,
    only withdrawals leave.
    """

    def __init__(
        self,
        link: Link,
        outbox: Outbox,
        *,
        settings: UplinkSettings,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._settings = settings
        self._clock = clock
        self._log = log
        self._may_send = may_send
        self._flights: list[_Flight] = []
        self._is_greeted = False
        self._is_renumbered = False

    def greet(self, *, timeout_s: float = math.inf) -> None:
        """Ask the hub what it has, delete that, and queue everything else again.

        Args:
            timeout_s: patience where it is less than the settings' ``ack_timeout_s``.

        Raises:
            UplinkError: no answer in time, nobody listens at the broker, or the hub claims what never left.
        """
        self._say_hello()
        patience_s = max(0.0, min(timeout_s, self._settings.ack_timeout_s))
        deadline = self._clock.monotonic() + patience_s
        while not self._is_greeted:
            self._take_events(min(_POLL_S, max(0.0, deadline - self._clock.monotonic())))
            if self._clock.monotonic() >= deadline and not self._is_greeted:
                raise UplinkError("the hub does not answer: check that it runs", waited_s=patience_s)

    def pump(self, timeout_s: float) -> bool:
        """Fill the window, take what came within ``timeout_s``, and return whether anything still waits.

        Raises:
            UplinkError: the connection is gone, or the hub left a batch without an answer for too long.
            UplinkRefused: the broker will not take this device's messages.
        """
        while len(self._flights) < self._window() and self._send_next():
            pass
        self._take_events(timeout_s)
        oldest = min((flight.since_s for flight in self._flights), default=None)
        if oldest is not None and self._clock.monotonic() - oldest > self._settings.ack_timeout_s:
            raise UplinkError("the hub left a batch without an answer: sending again over a new connection")
        if self._flights:
            return True
        counts = self._outbox.status()
        return bool(counts.queued or counts.sent)

    def _window(self) -> int:
        return max(1, min(self._settings.window, self._link.receive_maximum))

    def _say_hello(self) -> None:
        ledger = self._outbox.ledger()
        hello = Hello(
            device=self._settings.device,
            epoch=ledger.epoch,
            high_water_seen=ledger.high_water,
            last_seq=ledger.last_seq,
        )
        self._is_greeted = False
        self._link.publish(encode(hello))

    def _send_next(self) -> bool:
        """Publish the next batch, if there is one; return whether to look for another."""
        in_flight = {seq for flight in self._flights for seq in flight.seqs if not flight.is_taken}
        limit_bytes = min(MAX_DECODED_BYTES, self._link.max_payload_bytes)
        records = self._outbox.batch(limit_bytes, in_flight=in_flight, is_withdrawal_only=not self._may_send())
        if not records:
            return False
        ledger = self._outbox.ledger()
        batch = Batch(
            device=self._settings.device,
            epoch=ledger.epoch,
            first_seq=records[0].seq,
            last_seq=records[-1].seq,
            count=len(records),
            previous_hash=ledger.previous_hash,
            records=records,
        )
        payload = encode(batch)
        seqs = tuple(record.seq for record in records)
        if not self._outbox.note_attempt(records, payload_sha256=payload_sha256(payload)):
            return True  # withdrawn since it was read: read again
        message_id = self._link.publish(payload)
        self._flights.append(_Flight(message_id, set(seqs), self._clock.monotonic(), seqs=seqs))
        return True

    def _take_events(self, timeout_s: float) -> None:
        for event in self._link.poll(timeout_s):
            if isinstance(event, Taken):
                self._on_taken(event)
            else:
                self._on_received(event)

    def _on_taken(self, event: Taken) -> None:
        if event.code == _NO_SUBSCRIBERS:
            raise UplinkError("the broker runs but the hub is not connected to it", code=event.code)
        if event.code != _SUCCESS:
            kind = UplinkRefused if event.code in _FINAL_CODES else UplinkError
            raise kind(f"the broker refused a message (reason 0x{event.code:02x})", code=event.code)
        for flight in self._flights:
            if flight.message_id == event.message_id and not flight.is_taken:
                self._mark_taken(flight)

    def _on_received(self, event: Received) -> None:
        try:
            ack = decode_down(event.payload)
        except UplinkRefused as error:
            # Anyone who may write to the topic can put this here; the hub's silence is handled by its own deadline.
            self._log.warning("uplink.unreadable_answer", **error.diagnostics())
            return
        if ack.epoch != self._outbox.ledger().epoch:
            return  # an answer to an epoch that was given up
        self._apply(ack)

    def _apply(self, ack: Ack) -> None:
        refused = {rejection.seq for rejection in ack.rejected}
        for flight in self._flights:
            answered = {seq for seq in flight.unanswered if seq in refused or ack.is_stored(seq)}
            if answered and not flight.is_taken:
                self._mark_taken(flight)  # the hub's word came before the broker's
            flight.unanswered -= answered
        self._flights = [flight for flight in self._flights if flight.unanswered]
        done = self._outbox.acknowledge(ack, may_renumber=not self._is_renumbered)
        if done.is_foreign and not done.is_renumbered:
            raise UplinkError("the hub claims records that never left this device: check the hub")
        if done.is_renumbered:
            self._is_renumbered = True
            self._log.warning("uplink.epoch_given_up", reason="the store is an older copy of itself")
            self._flights.clear()
            self._say_hello()
            return
        if done.rejected:
            self._log.warning(
                "uplink.rejected", records=done.rejected, reasons=sorted({r.reason for r in ack.rejected})
            )
        if not self._is_greeted:
            self._outbox.requeue()
            self._is_greeted = True

    def _mark_taken(self, flight: _Flight) -> None:
        flight.is_taken = True
        self._outbox.note_taken(flight.seqs)
