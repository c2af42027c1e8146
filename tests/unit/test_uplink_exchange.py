"""One connection: hello first, inside the window, and only the hub's word deletes a row."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from edge_agent.contracts.messages import GENESIS, Ack, Batch, Hello, encode, payload_sha256
from edge_agent.errors import UplinkError, UplinkRefused
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import MAX_REFUSALS, Outbox, append_record
from edge_agent.uplink.exchange import Exchange
from edge_agent.uplink.link import Received
from edge_agent.uplink.settings import UplinkSettings
from tests.simulators.clock import ManualClock
from tests.simulators.hub_link import SimulatedHub, SimulatedLink
from tests.simulators.records import MORNING, a_result

SETTINGS = UplinkSettings(host="127.0.0.1", port=1, device="d" * 32, ack_timeout_s=30.0)


@dataclass(slots=True)
class Bench:
    """A store with an outbox, a simulated hub, and the way to open connections between them."""

    database: Database
    outbox: Outbox
    hub: SimulatedHub
    clock: ManualClock
    said: io.StringIO

    def fill(self, count: int, *, first: int = 1) -> None:
        """Queue ``count`` results with record ids ``first``, ``first`` + 1, …"""
        with self.database.transaction() as connection:
            for number in range(first, first + count):
                append_record(connection, a_result(f"{number:032x}"), created=MORNING)

    def connect(self) -> tuple[Exchange, SimulatedLink]:
        """Open a connection; nothing is said yet."""
        link = SimulatedLink(self.hub, self.clock)
        log = structlog.wrap_logger(structlog.PrintLogger(self.said))
        return Exchange(link, self.outbox, settings=SETTINGS, clock=self.clock, log=log), link

    def deliver(self) -> None:
        """Open a connection, greet, and send until nothing waits."""
        exchange, _ = self.connect()
        exchange.greet()
        while exchange.pump(0.0):
            pass

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Queued, sent, stored, rejected, quarantined."""
        found = self.outbox.status()
        return found.queued, found.sent, found.stored, found.rejected, found.quarantined


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as database:
        yield Bench(database, Outbox(database), SimulatedHub(), ManualClock(), io.StringIO())


def test_everything_queued_reaches_the_hub_once(bench: Bench) -> None:
    """All results arrive, in order, and none stays in the outbox."""
    bench.fill(25)
    bench.deliver()
    assert bench.hub.record_ids == [f"{n:032x}" for n in range(1, 26)]
    assert bench.counts == (0, 0, 25, 0, 0)
    assert bench.database.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_the_hello_comes_first_with_the_ledger(bench: Bench) -> None:
    """The first message of a connection is a hello with the numbers of the ledger; batches follow its answer."""
    bench.fill(3)
    bench.deliver()
    bench.fill(1, first=4)
    bench.hub.heard.clear()
    bench.deliver()
    first, second = bench.hub.heard
    assert isinstance(first, Hello)
    assert (first.device, first.high_water_seen, first.last_seq) == ("d" * 32, 3, 4)
    assert isinstance(second, Batch)


def test_nothing_is_sent_before_the_hub_answered(bench: Bench) -> None:
    """Without an answer to the hello no batch leaves and, after the deadline, the connection is given up."""
    bench.fill(3)
    bench.hub.is_silent = True
    exchange, _ = bench.connect()
    with pytest.raises(UplinkError, match="hub does not answer"):
        exchange.greet()
    assert bench.hub.batches == []
    assert bench.clock.now_s >= 1000.0 + SETTINGS.ack_timeout_s


def test_the_brokers_success_alone_deletes_nothing(bench: Bench) -> None:
    """With the broker's Success and a silent hub the rows are 'sent', stay, and the connection ends in time."""
    bench.fill(3)
    exchange, _ = bench.connect()
    exchange.greet()
    bench.hub.is_silent = True
    assert exchange.pump(0.0)
    assert bench.counts == (0, 3, 0, 0, 0)
    with pytest.raises(UplinkError, match="without an answer"):
        for _ in range(100):
            exchange.pump(1.0)
    assert bench.database.rows("SELECT count(*) FROM outbox") == [(3,)]


@pytest.mark.parametrize(
    ("code", "error"), [(0x10, UplinkError), (0x80, UplinkError), (0x97, UplinkError), (0x87, UplinkRefused), (0x99, UplinkRefused)]
)  # fmt: skip
def test_a_refusal_by_the_broker_leaves_the_row_queued(bench: Bench, code: int, error: type[UplinkError]) -> None:
    """Any code but Success (also 0x10: nobody listens) is an error, final or not, and the row is not 'sent'."""
    bench.fill(1)
    exchange, _ = bench.connect()
    exchange.greet()
    bench.hub.broker_code = code
    with pytest.raises(UplinkError) as caught:
        exchange.pump(0.0)
    assert type(caught.value) is error
    assert bench.counts == (1, 0, 0, 0, 0)


def test_the_window_is_the_smaller_of_ours_and_the_brokers(bench: Bench) -> None:
    """With a Receive Maximum of 2 only two batches are on their way until the hub answers."""
    bench.fill(40)
    bench.hub.receive_maximum = 2
    bench.hub.max_payload_bytes = 2500
    exchange, _ = bench.connect()
    exchange.greet()
    bench.hub.is_silent = True
    for _ in range(5):
        exchange.pump(0.1)
    assert len(bench.hub.batches) == 2
    sent = sum(batch.count for batch in bench.hub.batches)
    assert bench.counts == (40 - sent, sent, 0, 0, 0)


def test_our_own_window_holds_with_a_boundless_broker(bench: Bench) -> None:
    """A broker that would take anything still gets at most 16 batches at once."""
    bench.fill(40)
    bench.hub.max_payload_bytes = 1000
    exchange, _ = bench.connect()
    exchange.greet()
    bench.hub.is_silent = True
    for _ in range(5):
        exchange.pump(0.1)
    assert len(bench.hub.batches) == 16


def test_payloads_stay_below_the_brokers_maximum(bench: Bench) -> None:
    """Batches shrink so that no payload exceeds the largest packet that the broker takes."""
    bench.fill(60)
    bench.hub.max_payload_bytes = 3000
    bench.deliver()
    assert len(bench.hub.batches) > 5
    assert max(bench.hub.payload_sizes) <= 3000
    assert len(bench.hub.record_ids) == 60


def test_after_a_lost_answer_nothing_is_sent_twice(bench: Bench) -> None:
    """Rows that the hub stored before the connection broke are deleted on the next hello's answer alone."""
    bench.fill(3)
    exchange, _ = bench.connect()
    exchange.greet()
    bench.hub.is_silent = True
    exchange.pump(0.0)
    bench.hub.is_silent = False
    bench.hub.heard.clear()
    bench.deliver()
    assert bench.hub.batches == []
    assert bench.counts == (0, 0, 3, 0, 0)


def test_what_a_broker_lost_is_sent_again(bench: Bench) -> None:
    """Rows that the broker took and lost go again at the next connection, under the same numbers."""
    bench.fill(3)
    exchange, _ = bench.connect()
    exchange.greet()
    bench.hub.is_silent = True
    exchange.pump(0.0)
    bench.hub.is_silent = False
    bench.hub.stored.clear()
    bench.deliver()
    assert [(batch.first_seq, batch.last_seq) for batch in bench.hub.batches] == [(1, 3), (1, 3)]
    assert bench.counts == (0, 0, 3, 0, 0)


def test_the_hubs_answer_may_come_before_the_brokers(bench: Bench) -> None:
    """The order of the two answers does not matter, also for a refused row."""
    bench.fill(3)
    bench.hub.answers_first = True
    bench.hub.refuses = {f"{2:032x}"}
    bench.deliver()
    assert bench.counts == (0, 0, 2, 1, 0)


def test_a_poison_row_stops_no_other(bench: Bench) -> None:
    """A row that the hub always refuses is tried at each connection, then quarantined; the others are stored at once."""
    bench.fill(5)
    bench.hub.refuses = {f"{3:032x}"}
    bench.deliver()
    assert bench.counts == (0, 0, 4, 1, 0)
    for _ in range(MAX_REFUSALS + 1):
        bench.deliver()
    assert bench.counts == (0, 0, 4, 0, 1)
    assert sum(any(r.seq == 3 for r in batch.records) for batch in bench.hub.batches) == MAX_REFUSALS


def test_an_unreadable_answer_changes_nothing(bench: Bench) -> None:
    """Garbage or another epoch's answer on the device's topic deletes nothing and does not stop the exchange."""
    bench.fill(2)
    exchange, link = bench.connect()
    exchange.greet()
    bench.hub.is_silent = True
    exchange.pump(0.0)
    foreign = bench.hub.answer("0" * 16).model_copy(update={"high_water": 2})
    link.events += [Received(b""), Received(b"\x01garbage"), Received(b"\x02"), Received(encode(foreign))]
    assert exchange.pump(0.0)
    assert bench.counts == (0, 2, 0, 0, 0)


def test_the_log_tells_counts_and_codes_only(bench: Bench) -> None:
    """A refused record is logged with its reason, never with its id or body."""
    bench.fill(2)
    bench.hub.refuses = {f"{2:032x}"}
    bench.deliver()
    assert "invalid_body" in bench.said.getvalue()
    assert f"{2:032x}" not in bench.said.getvalue()
    assert "blood_heat" not in bench.said.getvalue()


def test_a_restored_copy_starts_a_new_epoch_and_loses_nothing(bench: Bench) -> None:
    """A hub that holds rows under this copy's unsent numbers makes it renumber; all its rows arrive."""
    bench.fill(2)
    old = bench.outbox.ledger().epoch
    alien = SimulatedHub()
    bench.hub, mine = alien, bench.hub
    bench.deliver()  # what the lost copy had sent
    with bench.database.transaction() as connection:
        connection.execute("UPDATE outbox_ledger SET last_seq = 0, pruned = 0, high_water = 0")
    bench.fill(1, first=77)
    bench.deliver()
    assert bench.outbox.ledger().epoch != old
    assert alien.record_ids == [f"{n:032x}" for n in (1, 2, 77)]
    assert bench.counts == (0, 0, 1, 0, 0)
    assert mine.heard == []


class _Liar(SimulatedHub):
    """Claim far more than any device ever sent, for every epoch."""

    def answer(self, epoch: str) -> Ack:
        """Return the same lie every time."""
        return Ack(epoch=epoch, high_water=2**40)


def test_a_hub_that_claims_everything_is_asked_twice_only(bench: Bench) -> None:
    """One new epoch per connection: then the connection ends with an error, and every row stays."""
    bench.fill(2)
    bench.hub = _Liar()
    exchange, _ = bench.connect()
    with pytest.raises(UplinkError, match="never left"):
        exchange.greet()
    assert len(bench.hub.heard) == 2
    assert bench.counts == (2, 0, 0, 0, 0)


def test_the_chain_of_payloads_has_no_hole(bench: Bench) -> None:
    """Each batch names the digest of the payload before it; the first names none."""
    bench.fill(30)
    bench.hub.max_payload_bytes = 4000
    bench.deliver()
    previous = GENESIS
    for batch in bench.hub.batches:
        assert batch.previous_hash == previous
        previous = payload_sha256(encode(batch))


def test_a_withdrawal_goes_before_the_results(bench: Bench) -> None:
    """With many results waiting the tombstone is in the first batch, beside the oldest result."""
    bench.fill(1)
    bench.deliver()
    bench.fill(30, first=2)
    bench.outbox.withdraw(f"{1:032x}")
    bench.hub.max_payload_bytes = 2500
    bench.hub.heard.clear()
    bench.deliver()
    assert "tombstone" in [record.kind for record in bench.hub.batches[0].records]
    assert bench.hub.batches[0].first_seq == 2
