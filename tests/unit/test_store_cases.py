"""Cases in the store: durable, resumable, reported once, and never synced without consent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from edge_agent.contracts.intake import Intake
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import CaseError, InferenceError, StoreFull
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.store.pictures import encode_png
from edge_agent.store.states import CASE_RESUME, CASE_TRANSITIONS, ROW_RESUME, ROW_TRANSITIONS, CaseState, RowState
from tests.simulators.records import a_case, a_consent, a_result

REPORT = {"case_id": "case-1", "scope": {"decision": "in_scope"}, "notices": ["不得用于临床"]}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> CaseStore:
    return CaseStore(database)


def test_a_case_comes_back_bit_equal(store: CaseStore) -> None:
    """Pictures, order, form, consent and time of a loaded case equal those stored."""
    case = a_case(consent=a_consent(), views=3)
    store.add(case, language="zh")
    loaded = store.load("case-1")
    assert [view.index for view in loaded.views] == [0, 1, 2]
    for stored, given in zip(loaded.views, case.views, strict=True):
        np.testing.assert_array_equal(stored.frame, given.frame)
        assert (stored.shot, stored.body_site, stored.laterality) == ("close_up", "elbow", None)
    assert (loaded.intake, loaded.consent, loaded.created) == (case.intake, case.consent, case.created)
    assert store.status("case-1").language == "zh"


def test_the_earlier_visit_comes_back(store: CaseStore) -> None:
    """What was attached survives a restart, and what was not attached stays absent."""
    visit = PreviousVisit(
        created=a_case().created - timedelta(days=9), lineage="a", bsa_percent=4.5, stage="progressive"
    )
    store.add(replace(a_case(), previous=visit), language="zh")
    store.add(a_case(case_id="case-2"), language="zh")
    assert store.load("case-1").previous == visit
    assert store.load("case-2").previous is None


def test_a_text_only_case_is_stored(store: CaseStore) -> None:
    """A case without pictures is a case: care without photographs is always possible."""
    store.add(a_case(views=0), language="en")
    assert store.load("case-1").views == ()


def test_the_same_id_is_not_stored_twice(store: CaseStore) -> None:
    """A second case with the same id is refused and the first one stays."""
    store.add(a_case(views=1), language="en")
    with pytest.raises(CaseError, match="case-1"):
        store.add(a_case(views=2), language="en")
    assert len(store.load("case-1").views) == 1


def test_pending_lists_unreported_cases_oldest_first(store: CaseStore) -> None:
    """Stored and interrupted cases are pending in order of arrival; reported and failed ones are not."""
    for name in ("d", "c", "b", "a"):
        store.add(a_case(name), language="en")
    store.mark_running("c")
    store.finish("b", REPORT, None)
    store.fail("d", InferenceError("the engine failed: run it again"))
    assert store.pending() == ["c", "a"]


def test_three_lost_attempts_are_enough(store: CaseStore) -> None:
    """The fourth and fifth start answer 'do not run'; the case stays pending until it is reported without the model."""
    store.add(a_case(), language="en")
    assert [store.mark_running("case-1") for _ in range(5)] == [True, True, True, False, False]
    assert store.status("case-1").attempts == 3
    assert store.pending() == ["case-1"]
    store.finish("case-1", REPORT, None)
    assert store.pending() == []
    with pytest.raises(RuntimeError, match="cannot run"):
        store.mark_running("case-1")


def test_a_failed_case_can_run_again(store: CaseStore) -> None:
    """Retry gives a failed case all its attempts back and forgets the error."""
    store.add(a_case(), language="en")
    store.mark_running("case-1")
    store.fail("case-1", InferenceError("the engine failed: run it again", seconds=3))
    assert (store.status("case-1").error or {})["seconds"] == 3
    store.retry("case-1")
    assert store.pending() == ["case-1"]
    assert store.status("case-1").attempts == 0
    assert store.status("case-1").error is None


def test_report_and_row_are_written_together(store: CaseStore, database: Database) -> None:
    """After finish the report is readable and one row is queued under the case's record id."""
    store.add(a_case(consent=a_consent()), language="en")
    assert store.report("case-1") is None
    result = a_result(store.record_id("case-1"))
    store.finish("case-1", REPORT, result)
    assert store.report("case-1") == REPORT
    (record,) = Outbox(database).batch(10_000)
    assert record.body["record_id"] == store.record_id("case-1")


def test_no_space_means_neither_report_nor_row(tmp_path: Path) -> None:
    """When the report does not fit, no row is queued either and the case is still pending."""
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32)), max_bytes=300_000) as database:
        store = CaseStore(database)
        store.add(a_case(consent=a_consent()), language="en")
        with pytest.raises(StoreFull):
            store.finish("case-1", {"text": "x" * 500_000}, a_result(store.record_id("case-1")))
        assert store.pending() == ["case-1"]
        assert Outbox(database).status().queued == 0
        assert Outbox(database).ledger().last_seq == 0


def test_no_space_means_no_case(tmp_path: Path) -> None:
    """A case whose pictures do not fit is refused whole: no id, no half of its pictures."""
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32)), max_bytes=300_000) as database:
        store = CaseStore(database)
        with pytest.raises(StoreFull):
            store.add(a_case(size_px=400), language="en")
        assert store.pending() == []
        assert database.rows("SELECT count(*) FROM pictures") == [(0,)]


@pytest.mark.parametrize("consent", [None, a_consent(sync=False)], ids=["test case", "sync refused"])
def test_without_consent_nothing_is_queued(store: CaseStore, database: Database, consent: object) -> None:
    """A result for a case that nobody allowed to sync is refused by the store itself; its report still goes in."""
    store.add(a_case(consent=consent), language="en")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="without consent"):
        store.finish("case-1", REPORT, a_result(store.record_id("case-1")))
    store.finish("case-1", REPORT, None)
    assert store.report("case-1") == REPORT
    assert database.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_a_result_must_carry_its_own_record_id(store: CaseStore) -> None:
    """A result under another id could never be withdrawn, so it is refused."""
    store.add(a_case(consent=a_consent()), language="en")
    with pytest.raises(RuntimeError, match="record id"):
        store.finish("case-1", REPORT, a_result("0" * 32))


def test_a_case_is_reported_once(store: CaseStore, database: Database) -> None:
    """A second report for the same case is a programmer's mistake and queues nothing."""
    store.add(a_case(consent=a_consent()), language="en")
    store.finish("case-1", REPORT, a_result(store.record_id("case-1")))
    with pytest.raises(RuntimeError, match="reported"):
        store.finish("case-1", REPORT, a_result(store.record_id("case-1")))
    assert Outbox(database).status().queued == 1


def test_record_ids_are_random(store: CaseStore) -> None:
    """Equal cases get different record ids: nothing about a case can be computed from its id."""
    store.add(a_case("a"), language="en")
    store.add(a_case("b"), language="en")
    assert store.record_id("a") != store.record_id("b")
    assert store.record_id("a") == store.record_id("a")


def test_withdrawn_before_the_report_never_queues(store: CaseStore, database: Database) -> None:
    """A withdrawal while the case still runs lets the report be stored and keeps the result here."""
    store.add(a_case(consent=a_consent()), language="en")
    store.withdraw("case-1")
    store.finish("case-1", REPORT, a_result(store.record_id("case-1")))
    assert store.report("case-1") == REPORT
    assert Outbox(database).batch(10_000) == ()


def test_withdrawn_before_it_left_becomes_a_tombstone(store: CaseStore, database: Database) -> None:
    """A queued result that never left is replaced by its own tombstone: its content never leaves."""
    store.add(a_case(consent=a_consent()), language="en")
    store.finish("case-1", REPORT, a_result(store.record_id("case-1")))
    store.withdraw("case-1")
    store.withdraw("case-1")
    (record,) = Outbox(database).batch(10_000)
    assert record.kind == "tombstone"
    assert record.body == {"record_id": store.record_id("case-1")}


def test_counts_leave_out_test_cases(store: CaseStore) -> None:
    """Cases without a consent record are never counted (policy R14)."""
    store.add(a_case("a", consent=a_consent()), language="en")
    store.add(a_case("b", consent=a_consent()), language="en")
    store.add(a_case("c"), language="en")
    store.finish("b", REPORT, None)
    assert store.counts() == {
        CaseState.STORED: 1,
        CaseState.RUNNING: 0,
        CaseState.REPORTED: 1,
        CaseState.FAILED: 0,
    }


def test_an_unknown_case_is_a_case_error(store: CaseStore) -> None:
    """Every question about a case that is not there names it in one line."""
    for ask in (store.load, store.report, store.status, store.record_id, store.mark_running, store.withdraw):
        with pytest.raises(CaseError, match="nowhere"):
            ask("nowhere")


def test_every_state_has_a_named_resume() -> None:
    """Each state of both machines says what the next start does, and only an end has no way out."""
    assert set(CASE_RESUME) == set(CaseState)
    assert set(ROW_RESUME) == set(RowState)
    assert set(CaseState) - {state for state, _ in CASE_TRANSITIONS} == {CaseState.REPORTED}
    assert set(RowState) - {state for state, _ in ROW_TRANSITIONS} == {RowState.STORED, RowState.QUARANTINED}


def test_stored_pictures_carry_no_metadata() -> None:
    """The PNG holds only header, pixels and end: no EXIF, text or time chunk."""
    data = encode_png(np.zeros((3, 2, 3), np.uint8))
    kinds, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kinds.append(data[at + 4 : at + 8])
        at += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_an_intake_with_everything_survives(store: CaseStore) -> None:
    """A form with Chinese text, lists and nested records is read back equal."""
    intake = Intake.model_validate_json(
        '{"local_reference": "村卫生室 7", "age_years": 61, "pulse": ["rapid"], "tcm_examiner": "tcm_practitioner",'
        ' "danger_signs": {"jaundice": "no"}, "general": {"thirst": "yes"}, "vital_signs": {"temp_c": 37.5}}'
    )
    store.add(a_case(intake=intake), language="zh")
    assert store.load("case-1").intake == intake
