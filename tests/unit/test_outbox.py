"""The outbox: numbered, counted, and deleted on the hub's word only."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.contracts.messages import GENESIS, Ack, Rejection, read_body
from edge_agent.contracts.result import Result, Tombstone
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import ISOLATE_AFTER, MAX_REFUSALS, Acknowledged, Outbox, append_record
from tests.simulators.records import MORNING, a_result

PAYLOAD = "ab" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as opened:
        yield opened


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


def _fill(database: Database, count: int, *, first: int = 1) -> None:
    with database.transaction() as connection:
        for number in range(first, first + count):
            append_record(connection, a_result(f"{number:032x}"), created=MORNING + timedelta(minutes=number))


def _publish(outbox: Outbox, *seqs: int, taken: bool = True) -> None:
    records = [record for record in outbox.batch(10**9) if record.seq in seqs]
    in_flight: set[int] = set()
    while len(records) < len(seqs):  # a row that travels alone comes in a later batch
        in_flight |= {record.seq for record in outbox.batch(10**9, in_flight=in_flight)}
        records += [r for r in outbox.batch(10**9, in_flight=in_flight) if r.seq in seqs]
    assert outbox.note_attempt(records, payload_sha256=PAYLOAD)
    if taken:
        outbox.note_taken(seqs)


def _ack(outbox: Outbox, high_water: int, *, gaps: tuple[tuple[int, int], ...] = (), **refused: str) -> Ack:
    rejected = tuple(Rejection(seq=int(name[1:]), reason=reason) for name, reason in refused.items())
    return Ack(epoch=outbox.ledger().epoch, high_water=high_water, gaps=gaps, rejected=rejected)


def _counts(outbox: Outbox) -> tuple[int, int, int, int, int]:
    counts = outbox.status()
    return counts.queued, counts.sent, counts.stored, counts.rejected, counts.quarantined


def _seqs(outbox: Outbox, limit_bytes: int = 100_000, **kwargs: set[int]) -> list[int]:
    return [record.seq for record in outbox.batch(limit_bytes, **kwargs)]


def test_rows_are_numbered_from_one_without_gaps(outbox: Outbox, database: Database) -> None:
    """Seqs ascend by one in the order of appending, and the records are what the wire accepts."""
    _fill(database, 3)
    records = outbox.batch(100_000)
    assert [record.seq for record in records] == [1, 2, 3]
    assert [read_body(record).record_id for record in records] == [f"{n:032x}" for n in (1, 2, 3)]
    assert outbox.ledger().last_seq == 3
    assert outbox.ledger().previous_hash == GENESIS


def test_an_undone_transaction_uses_no_number(outbox: Outbox, database: Database) -> None:
    """When the caller's transaction fails, neither the row nor its seq exists."""
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        append_record(connection, a_result("1" * 32), created=MORNING)
        raise ZeroDivisionError
    _fill(database, 1)
    assert _seqs(outbox) == [1]


def test_that_the_hub_took_a_result_back_is_kept(outbox: Outbox, database: Database) -> None:
    """The row goes, the confirmation stays; a result that was stored is none."""
    _fill(database, 2)
    _publish(outbox, 1, 2)
    outbox.acknowledge(_ack(outbox, 2))
    assert database.rows("SELECT record_id FROM hub_deletions") == []
    outbox.withdraw(f"{1:032x}")
    _publish(outbox, 3)
    assert database.rows("SELECT record_id FROM hub_deletions") == []
    outbox.acknowledge(_ack(outbox, 3))
    assert database.rows("SELECT count(*) FROM outbox") == [(0,)]
    assert database.rows("SELECT record_id FROM hub_deletions") == [(f"{1:032x}",)]


def test_numbers_are_not_used_again(outbox: Outbox, database: Database) -> None:
    """After every row was stored and deleted, the next row still gets the next number."""
    _fill(database, 2)
    _publish(outbox, 1, 2)
    outbox.acknowledge(_ack(outbox, 2))
    _fill(database, 1, first=3)
    assert _seqs(outbox) == [3]
    assert _counts(outbox) == (1, 0, 2, 0, 0)


def test_the_brokers_success_deletes_nothing(outbox: Outbox, database: Database) -> None:
    """A row that the broker took is counted as sent and stays, whatever time passes."""
    _fill(database, 2)
    _publish(outbox, 1, 2)
    assert _counts(outbox) == (0, 2, 0, 0, 0)
    assert database.rows("SELECT count(*) FROM outbox") == [(2,)]


def test_a_row_without_the_brokers_success_stays_queued(outbox: Outbox, database: Database) -> None:
    """A publish that nobody answered leaves the row queued, so it will be sent again."""
    _fill(database, 1)
    _publish(outbox, 1, taken=False)
    assert _counts(outbox) == (1, 0, 0, 0, 0)
    assert _seqs(outbox) == [1]


def test_an_acknowledged_row_is_deleted_and_counted(outbox: Outbox, database: Database) -> None:
    """Rows up to the high water go, gaps below it and rows above it stay."""
    _fill(database, 6)
    _publish(outbox, 1, 2, 3, 4, 5, 6)
    assert outbox.acknowledge(_ack(outbox, 5, gaps=((2, 3),))) == Acknowledged(stored=3)
    assert database.rows("SELECT seq FROM outbox ORDER BY seq") == [(2,), (3,), (6,)]
    assert _counts(outbox) == (0, 3, 3, 0, 0)
    assert outbox.ledger().high_water == 5


def test_the_hubs_word_is_enough_without_the_brokers(outbox: Outbox, database: Database) -> None:
    """A row whose PUBACK was lost is deleted when the hub says that it has it."""
    _fill(database, 1)
    _publish(outbox, 1, taken=False)
    outbox.acknowledge(_ack(outbox, 1))
    assert _counts(outbox) == (0, 0, 1, 0, 0)


def test_an_answer_to_another_epoch_is_ignored(outbox: Outbox, database: Database) -> None:
    """An acknowledgement of another epoch deletes nothing."""
    _fill(database, 1)
    _publish(outbox, 1)
    assert outbox.acknowledge(Ack(epoch="0" * 16, high_water=9)) == Acknowledged()
    assert _counts(outbox) == (0, 1, 0, 0, 0)


def test_what_the_hub_lacks_is_queued_again(outbox: Outbox, database: Database) -> None:
    """After a reconnect, rows that were sent and not stored are queued again."""
    _fill(database, 3)
    _publish(outbox, 1, 2, 3)
    outbox.acknowledge(_ack(outbox, 1))
    outbox.requeue()
    assert _seqs(outbox) == [2, 3]


def test_a_refused_row_is_kept_with_its_reason(outbox: Outbox, database: Database) -> None:
    """A rejected row is counted as rejected, keeps its reason, and its neighbours are stored."""
    _fill(database, 3)
    _publish(outbox, 1, 2, 3)
    assert outbox.acknowledge(_ack(outbox, 3, s2="invalid_body")) == Acknowledged(stored=2, rejected=1)
    assert _counts(outbox) == (0, 0, 2, 1, 0)
    assert database.rows("SELECT seq, reason FROM outbox") == [(2, "invalid_body")]


def test_a_refusal_told_twice_counts_once(outbox: Outbox, database: Database) -> None:
    """The hub repeats old refusals at every connection; only a row sent anew can be refused anew."""
    _fill(database, 1)
    _publish(outbox, 1)
    for _ in range(MAX_REFUSALS + 2):
        outbox.acknowledge(_ack(outbox, 1, s1="invalid_body"))
        outbox.requeue()
    assert _counts(outbox) == (1, 0, 0, 0, 0)
    assert database.rows("SELECT refusals FROM outbox") == [(1,)]


def test_a_poison_row_is_put_aside(outbox: Outbox, database: Database) -> None:
    """After the last refusal a row is quarantined: kept, counted, never sent again; the others flow on."""
    _fill(database, 1)
    for _ in range(MAX_REFUSALS):
        assert _seqs(outbox) == [1]
        _publish(outbox, 1)
        outbox.acknowledge(_ack(outbox, 1, s1="invalid_body"))
        outbox.requeue()
    _fill(database, 1, first=2)
    assert _counts(outbox) == (1, 0, 0, 0, 1)
    assert _seqs(outbox) == [2]


def test_a_newer_hub_may_accept_what_was_refused(outbox: Outbox, database: Database) -> None:
    """A refused row that is sent again and stored leaves the outbox like any other."""
    _fill(database, 1)
    _publish(outbox, 1)
    outbox.acknowledge(_ack(outbox, 1, s1="unknown_kind"))
    outbox.requeue()
    _publish(outbox, 1)
    outbox.acknowledge(_ack(outbox, 1))
    assert _counts(outbox) == (0, 0, 1, 0, 0)


def test_a_batch_stays_inside_its_limit(outbox: Outbox, database: Database) -> None:
    """Records are added until the limit; one record alone always goes, however small the limit."""
    _fill(database, 50)
    one = len(outbox.batch(100_000)[0].model_dump_json())
    assert 2 <= len(outbox.batch(5 * one)) <= 5
    assert _seqs(outbox, 1) == [1]


def test_rows_in_flight_are_left_out(outbox: Outbox, database: Database) -> None:
    """A published row without the broker's answer yet is not put into a second batch."""
    _fill(database, 3)
    assert _seqs(outbox, in_flight={1, 2}) == [3]
    assert _seqs(outbox, in_flight={1, 2, 3}) == []


def test_a_withdrawal_overtakes_results(outbox: Outbox, database: Database) -> None:
    """With room for two records the oldest and the tombstone go, so neither waits for the other."""
    _fill(database, 20)
    _publish(outbox, 7)
    outbox.requeue()
    outbox.withdraw(f"{7:032x}")
    one = len(outbox.batch(1)[0].model_dump_json())
    assert _seqs(outbox, 512 + 2 * (one + 40)) == [1, 21]


def test_a_withdrawn_row_that_may_have_left_keeps_its_number(outbox: Outbox, database: Database) -> None:
    """A row that was published once keeps its content under its number (another would be a conflict)."""
    _fill(database, 1)
    _publish(outbox, 1, taken=False)
    outbox.withdraw(f"{1:032x}")
    bodies = [read_body(record) for record in outbox.batch(100_000)]
    assert [type(body) for body in bodies] == [Result, Tombstone]
    assert {body.record_id for body in bodies} == {f"{1:032x}"}


def test_a_withdrawal_while_a_batch_is_packed_stops_the_batch(outbox: Outbox, database: Database) -> None:
    """A row that was withdrawn after it was read must not be published: its content would leave all the same."""
    _fill(database, 2)
    records = outbox.batch(100_000)
    outbox.withdraw(f"{2:032x}")
    assert not outbox.note_attempt(records, payload_sha256=PAYLOAD)
    assert outbox.ledger().previous_hash == GENESIS
    again = outbox.batch(100_000)
    assert [record.kind for record in again] == ["result", "tombstone"]
    assert outbox.note_attempt(again, payload_sha256=PAYLOAD)


def test_a_withdrawal_after_deletion_still_goes(outbox: Outbox, database: Database) -> None:
    """A result that the hub holds and that was deleted here can still be withdrawn, once."""
    _fill(database, 1)
    _publish(outbox, 1)
    outbox.acknowledge(_ack(outbox, 1))
    outbox.withdraw(f"{1:032x}")
    outbox.withdraw(f"{1:032x}")
    (record,) = outbox.batch(100_000)
    assert (record.seq, record.kind) == (2, "tombstone")


def test_a_row_that_never_gets_an_answer_travels_alone(outbox: Outbox, database: Database) -> None:
    """A row published often without an answer is not batched with others, and the others go without it."""
    _fill(database, 4)
    for _ in range(ISOLATE_AFTER):
        _publish(outbox, 2, taken=False)
    assert _seqs(outbox) == [1, 3, 4]
    assert _seqs(outbox, in_flight={1, 3, 4}) == [2]
    _publish(outbox, 1)
    outbox.acknowledge(_ack(outbox, 1))
    assert _seqs(outbox) == [2]


def test_an_older_copy_of_the_store_gives_up_its_epoch(outbox: Outbox, database: Database) -> None:
    """When the hub has rows under numbers that this copy never sent, nothing is deleted and all is renumbered."""
    _fill(database, 2)
    before = outbox.ledger().epoch
    assert outbox.acknowledge(_ack(outbox, 2)) == Acknowledged(is_foreign=True, is_renumbered=True)
    assert outbox.ledger().epoch != before
    assert _seqs(outbox) == [1, 2]
    assert _counts(outbox) == (2, 0, 0, 0, 0)


def test_an_acknowledgement_beyond_the_last_number_gives_up_the_epoch(outbox: Outbox, database: Database) -> None:
    """A high water above every number allotted here can only belong to another copy."""
    _fill(database, 3)
    _publish(outbox, 1)
    outbox.acknowledge(_ack(outbox, 1))
    assert outbox.acknowledge(_ack(outbox, 9)) == Acknowledged(is_foreign=True, is_renumbered=True)
    assert _seqs(outbox) == [1, 2]
    assert (outbox.ledger().last_seq, outbox.ledger().high_water) == (2, 0)


def test_a_second_claim_on_one_connection_changes_nothing(outbox: Outbox, database: Database) -> None:
    """Where the epoch was given up already, foreign numbers delete, renumber and queue nothing."""
    _fill(database, 2)
    _publish(outbox, 1)
    before = outbox.ledger()
    assert outbox.acknowledge(_ack(outbox, 9), may_renumber=False) == Acknowledged(is_foreign=True)
    assert outbox.ledger() == before
    assert _counts(outbox) == (1, 1, 0, 0, 0)


def test_a_conflict_gives_up_the_epoch(outbox: Outbox, database: Database) -> None:
    """When the hub holds other content under a number of ours, the row is kept and gets a new number."""
    _fill(database, 2)
    _publish(outbox, 1, 2)
    assert outbox.acknowledge(_ack(outbox, 2, s1="conflict")).is_renumbered
    assert _counts(outbox) == (2, 0, 0, 0, 0)


def test_an_interrupted_deletion_is_finished_at_the_next_start(outbox: Outbox, database: Database) -> None:
    """A row left in 'stored' by a power cut is deleted and still counted once."""
    _fill(database, 1)
    with database.transaction() as connection:
        connection.execute("UPDATE outbox SET state = 'stored', attempts = 1")
    assert _counts(outbox) == (0, 0, 1, 0, 0)
    assert _counts(Outbox(database)) == (0, 0, 1, 0, 0)
    assert database.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_the_chain_names_the_last_payload(outbox: Outbox, database: Database) -> None:
    """The ledger remembers the digest of what was published last, for the next batch's header."""
    _fill(database, 1)
    _publish(outbox, 1, taken=False)
    assert outbox.ledger().previous_hash == PAYLOAD


def test_two_stores_never_share_an_epoch(tmp_path: Path) -> None:
    """A new database is a new epoch: its numbers cannot be taken for the lost one's."""
    epochs = set()
    for name in ("a", "b"):
        with Database(tmp_path / name, StoreKey("1" * 64)) as database:
            epochs.add(Outbox(database).ledger().epoch)
    assert len(epochs) == 2
