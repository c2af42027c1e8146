"""Rules of the hub's storage, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog

from edge_agent.contracts.messages import Ack, Record, make_record
from edge_agent.contracts.result import Result, Tombstone
from edge_agent.errors import HubError, UplinkRefused
from fleet import tables
from fleet.database import open_database
from fleet.ingest import Ingester
from fleet.status import read_status
from tests.simulators.device import Device, make_result, poison_record
from tests.simulators.postgres import Postgres, find_postgres

NOW_S = 1_790_000_000


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL for this module, or a skip with the reason."""
    if find_postgres() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra: fleet)")
    with Postgres() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty hub database."""
    if request.param == "sqlite":
        engine = open_database(f"sqlite:///{tmp_path}/hub.db")
    else:
        engine = open_database(request.getfixturevalue("postgres_url"))
        with engine.begin() as connection:
            for table in tables.metadata.sorted_tables:
                connection.execute(sa.delete(table))
    yield engine
    engine.dispose()


@pytest.fixture
def ingester(engine: sa.Engine) -> Ingester:
    """An ingester with a clock that stands still."""
    return Ingester(engine, clock=lambda: NOW_S, log=structlog.get_logger())


@pytest.fixture
def device() -> Device:
    """A device that nobody has heard of."""
    return Device()


def send(ingester: Ingester, device: Device, bodies: dict[int, Result | Tombstone | Record]) -> Ack:
    """Send one batch and return the ack."""
    return ingester.receive(device.topic, device.batch(bodies)).ack


def rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, object]]:
    """Return all rows of a table."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def test_result_is_stored_field_by_field(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """A stored result holds every field of the message and no other but the central region code."""
    result = make_result(red_flag_ids=("RF-18",), quality_refusals={"glare": 2}, verifiability_percent=75)
    ack = send(ingester, device, {1: result})
    assert ack == Ack(epoch=device.epoch, high_water=1)
    assert rows(engine, tables.results) == [result.model_dump(mode="json") | {"region_code": None}]


def test_results_know_no_device_and_the_ledger_no_result(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """No value of a result row is in the ledger, and no device, epoch or time is in the result row."""
    result = make_result()
    send(ingester, device, {1: result})
    (entry,) = rows(engine, tables.ledger)
    (row,) = rows(engine, tables.results)
    assert entry["device"] == device.device
    assert result.record_id not in str(entry)
    for secret in (device.device, device.epoch, str(NOW_S)):
        assert secret not in str(row)


def test_same_batch_twice_is_stored_once(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """A redelivered payload changes nothing and gets the same answer."""
    payload = device.batch({1: make_result(), 2: make_result()})
    first, second = (ingester.receive(device.topic, payload) for _ in range(2))
    assert first.ack == second.ack
    assert (second.stored.results, second.stored.duplicates) == (0, 2)
    assert len(rows(engine, tables.results)) == 2


def test_gaps_are_told_and_close(ingester: Ingester, device: Device) -> None:
    """Missing seqs are reported as ranges until they arrive, in any order."""
    assert send(ingester, device, {3: make_result(), 7: make_result()}).gaps == ((1, 2), (4, 6))
    assert send(ingester, device, {5: make_result()}).gaps == ((1, 2), (4, 4), (6, 6))
    assert send(ingester, device, {1: make_result(), 2: make_result()}).gaps == ((4, 4), (6, 6))
    last = send(ingester, device, {4: make_result(), 6: make_result(), 8: make_result()})
    assert (last.high_water, last.gaps) == (8, ())


def test_hello_is_answered_with_what_is_stored(ingester: Ingester, device: Device) -> None:
    """A device that missed its ack learns from a hello what it may delete."""
    send(ingester, device, {1: make_result(), 3: make_result()})
    ack = ingester.receive(device.topic, device.hello(last_seq=4)).ack
    assert (ack.high_water, ack.gaps) == (3, ((2, 2),))


def test_epochs_do_not_mix(ingester: Ingester, device: Device) -> None:
    """After re-enrolment the same seq is another row."""
    send(ingester, device, {1: make_result()})
    reborn = Device(device.device)
    assert ingester.receive(reborn.topic, reborn.hello()).ack.high_water == 0
    assert send(ingester, reborn, {1: make_result()}).rejected == ()


def test_result_sent_again_in_a_new_epoch_is_stored_once(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """A device that lost its ledger may send a result again: acknowledged, kept once."""
    result = make_result()
    send(ingester, device, {1: result})
    reborn = Device(device.device)
    assert send(ingester, reborn, {1: result}).is_stored(1)
    assert len(rows(engine, tables.results)) == 1


def test_taken_record_id_is_rejected(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """Another result under a stored record id is refused; the first stays."""
    result = make_result()
    send(ingester, device, {1: result})
    ack = send(ingester, device, {2: make_result(result.record_id, sex="male")})
    assert [(row.seq, row.reason) for row in ack.rejected] == [(2, "record_id_taken")]
    assert [row["sex"] for row in rows(engine, tables.results)] == ["female"]


def test_conflict_is_kept_told_and_counted(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """A seq that arrives again with other content is a conflict: the first stays, every later ack tells."""
    first, second = make_result(), make_result()
    send(ingester, device, {1: first})
    with structlog.testing.capture_logs() as logs:
        ack = send(ingester, device, {1: second, 2: make_result()})
    assert [(row.seq, row.reason) for row in ack.rejected] == [(1, "conflict")]
    assert not ack.is_stored(1)
    assert ack.is_stored(2)
    assert [entry["log_level"] for entry in logs if entry["event"] == "conflict"] == ["error"]
    assert {row["record_id"] for row in rows(engine, tables.results)} >= {first.record_id}
    assert second.record_id not in {row["record_id"] for row in rows(engine, tables.results)}
    (clash,) = rows(engine, tables.conflicts)
    assert clash["received_sha256"] == make_record(1, second).sha256
    assert ingester.receive(device.topic, device.hello()).ack.rejected == ack.rejected


def test_poison_stops_no_other_record(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """A record with an unknown field is rejected with a reason; its neighbours are stored."""
    ack = send(ingester, device, {1: make_result(), 2: poison_record(2, narrative="Zhang Wei"), 3: make_result()})
    assert [(row.seq, row.reason) for row in ack.rejected] == [(2, "invalid_body")]
    assert (ack.is_stored(1), ack.is_stored(2), ack.is_stored(3)) == (True, False, True)
    assert ack.gaps == ()
    assert "Zhang" not in str([rows(engine, table) for table in tables.metadata.sorted_tables])


def test_rejected_record_may_be_stored_later(ingester: Ingester, device: Device) -> None:
    """A seq that was rejected is stored when it comes with a body that this hub understands."""
    send(ingester, device, {1: poison_record(1, new_field=1)})
    ack = send(ingester, device, {1: make_result()})
    assert ack.rejected == ()
    assert ack.is_stored(1)


@pytest.mark.parametrize("order", ["after", "before", "together"])
def test_tombstone_removes_the_result(engine: sa.Engine, ingester: Ingester, device: Device, order: str) -> None:
    """A withdrawn result is gone and stays gone, whenever the tombstone arrives and however often."""
    result = make_result()
    tombstone = Tombstone(record_id=result.record_id)
    if order == "after":
        send(ingester, device, {1: result})
        send(ingester, device, {2: tombstone})
    elif order == "before":
        send(ingester, device, {2: tombstone})
        send(ingester, device, {1: result})
    else:
        send(ingester, device, {1: result, 2: tombstone})
    ack = send(ingester, device, {3: tombstone})
    assert rows(engine, tables.results) == []
    assert [row["record_id"] for row in rows(engine, tables.tombstones)] == [result.record_id]
    assert (ack.high_water, ack.gaps, ack.rejected) == (3, (), ())


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda d: (d.topic, b"\x07" + d.hello()[1:]), "bad_version"),
        (lambda d: (d.topic, b"\x01not zstd"), "bad_frame"),
        (lambda d: (d.topic, bytes(400_000)), "too_large"),
        (lambda d: (Device().topic, d.batch({1: make_result()})), "wrong_device"),
        (lambda d: ("derm-edge/v1/kiosk/up", d.hello()), "bad_topic"),
    ],
)
def test_refused_payload_is_counted_and_stores_nothing(
    engine: sa.Engine, ingester: Ingester, device: Device, make: object, reason: str
) -> None:
    """What cannot be read, or speaks for another device, is counted by reason and leaves no other trace."""
    assert callable(make)
    topic, payload = make(device)
    for _ in range(2):
        with pytest.raises(UplinkRefused):
            ingester.receive(topic, payload)
    status = read_status(engine)
    assert status.refused_payloads == {reason: 2}
    assert status.devices == ()


def test_missing_is_expected_minus_received(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """The status says how many rows a device has announced and the hub does not have."""
    send(ingester, device, {1: make_result(), 2: poison_record(2, x=1), 4: make_result()})
    ingester.receive(device.topic, device.hello(last_seq=10))
    status = read_status(engine)
    (line,) = status.devices
    assert (line.expected, line.received, line.rejected, line.missing) == (10, 2, 1, 7)
    assert (status.stored, status.missing, status.rejected) == (2, 7, 1)


def test_lost_rows_raise_an_alarm(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """A device that has seen a higher high water than the hub now has tells that the hub lost rows."""
    send(ingester, device, {1: make_result()})
    with structlog.testing.capture_logs() as logs:
        ingester.receive(device.topic, device.hello(high_water_seen=1, last_seq=1))
        assert logs == []
        ingester.receive(device.topic, device.hello(high_water_seen=5, last_seq=5))
    assert [entry["event"] for entry in logs] == ["hub_lost_rows"]
    assert read_status(engine).missing == 4


def test_broken_chain_is_counted_not_refused(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """A batch whose predecessor never arrived is stored, and the break is counted; a redelivery is no break."""
    first = device.batch({1: make_result()})
    ingester.receive(device.topic, first)
    ingester.receive(device.topic, first)
    assert read_status(engine).devices[0].chain_breaks == 0
    device.batch({2: make_result()})
    assert send(ingester, device, {3: make_result()}).is_stored(3)
    assert read_status(engine).devices[0].chain_breaks == 1


def test_failed_transaction_leaves_nothing(engine: sa.Engine, ingester: Ingester, device: Device) -> None:
    """If the results cannot be written, the ledger has no row either, and there is no answer."""
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE results RENAME TO results_away"))
    payload = device.batch({1: make_result()})
    try:
        with pytest.raises(HubError):
            ingester.receive(device.topic, payload)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE results_away RENAME TO results"))
    assert rows(engine, tables.ledger) == []
    assert ingester.receive(device.topic, payload).ack.is_stored(1)


def test_batch_of_the_largest_count_is_stored(ingester: Ingester, device: Device) -> None:
    """A batch of 1,000 records is stored in one transaction."""
    ack = send(ingester, device, {seq: Tombstone(record_id=f"{seq:032x}") for seq in range(1, 1001)})
    assert (ack.high_water, ack.gaps) == (1000, ())
