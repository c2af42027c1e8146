"""Decisions and signatures in the store: nothing leaves unsigned, a signature sends codes only, rows are only added."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contracts.result import Result
from edge_agent.errors import CaseError
from edge_agent.review.decisions import Decision
from edge_agent.review.second_reading import SecondReading
from edge_agent.review.sections import SECTIONS
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.reviews import ReviewStore
from tests.simulators.records import a_case, a_consent, a_result

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
GOLDEN = Path(__file__).parents[1] / "contract" / "golden"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as opened:
        yield opened


@pytest.fixture
def reviews(database: Database) -> ReviewStore:
    return ReviewStore(database)


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "psoriasis.json").read_text(encoding="utf-8"))
    return found


def reported(database: Database, *, sync: bool = True, waits: bool = True) -> CaseStore:
    """Store one case with its report and, with consent, its result."""
    cases = CaseStore(database)
    cases.add(a_case(consent=a_consent(sync=sync)), language="en", awaits_sign_off=waits)
    cases.finish("case-1", report(), a_result(cases.record_id("case-1")) if sync else None)
    return cases


def decide_all(reviews: ReviewStore, **triage: Any) -> None:
    for section in SECTIONS:
        told = {"section": section, "verdict": "accepted", "reason": "agree", "account": "lin", "decided": NOON}
        reviews.decide("case-1", Decision.model_validate({**told, **(triage if section == "triage" else {})}))


def queued(database: Database) -> list[dict[str, Any]]:
    return [json.loads(row[0]) for row in database.rows("SELECT body FROM outbox ORDER BY seq")]


def test_nothing_leaves_before_the_signature(database: Database, reviews: ReviewStore) -> None:
    """A report alone queues nothing; with all parts decided and signed its result goes, once."""
    reported(database)
    decide_all(reviews)
    assert queued(database) == []
    reviews.sign("case-1", account="lin", signed=NOON)
    assert len(queued(database)) == 1


def test_a_case_that_awaits_nobody_leaves_at_once(database: Database) -> None:
    """Cases without a clinician's screen behind them go as before."""
    reported(database, waits=False)
    assert len(queued(database)) == 1


def test_a_signed_result_holds_codes_and_the_clinicians_tier(database: Database, reviews: ReviewStore) -> None:
    """Decisions go as codes, the tier is the clinician's, and no name or word travels."""
    reported(database)
    tier = {"verdict": "corrected", "reason": "wrong_severity", "values": {"tier": "T3_urgent"}, "note": "very sore"}
    decide_all(reviews, **tier)
    done = reviews.sign("case-1", account="lin", signed=NOON)
    body = queued(database)[0]
    assert done.tier == body["triage_final"] == "T3_urgent"
    assert {"section": "triage", "decision": "corrected", "reason": "wrong_severity"} in body["decisions"]
    assert "lin" not in json.dumps(body)
    assert "sore" not in json.dumps(body)
    Result.model_validate_json(json.dumps(body))


def test_an_open_part_stops_the_signature(database: Database, reviews: ReviewStore) -> None:
    """A report with open parts is not signed, and nothing is queued."""
    reported(database)
    with pytest.raises(CaseError, match="wait for a decision"):
        reviews.sign("case-1", account="lin", signed=NOON)
    assert reviews.sign_off("case-1") is None
    assert queued(database) == []


def test_a_rejected_tier_is_not_signed_and_not_queued(database: Database, reviews: ReviewStore) -> None:
    """A tier that a clinician found wrong goes to nobody; with another named the signature goes through."""
    reported(database)
    decide_all(reviews, verdict="rejected", reason="wrong_severity")
    with pytest.raises(CaseError, match="no other was named"):
        reviews.sign("case-1", account="lin", signed=NOON)
    assert (reviews.sign_off("case-1"), queued(database)) == (None, [])
    decide_all(reviews, verdict="corrected", reason="wrong_severity", values={"tier": "T3_urgent"})
    assert reviews.sign("case-1", account="lin", signed=NOON).tier == "T3_urgent"


def test_a_signed_report_is_closed(database: Database, reviews: ReviewStore) -> None:
    """After the signature nobody decides or signs again."""
    reported(database)
    decide_all(reviews)
    reviews.sign("case-1", account="lin", signed=NOON)
    with pytest.raises(CaseError, match="signed"):
        decide_all(reviews)
    with pytest.raises(CaseError, match="signed"):
        reviews.sign("case-1", account="wang", signed=NOON)


def test_an_earlier_decision_stays_readable(database: Database, reviews: ReviewStore) -> None:
    """A second thought is added, not written over the first."""
    reported(database)
    decide_all(reviews)
    decide_all(reviews)
    assert len(reviews.decisions("case-1")) == 2 * len(SECTIONS)


def test_without_consent_a_signature_sends_nothing(database: Database, reviews: ReviewStore) -> None:
    """The person refused the de-identified result: the signature is kept, nothing is queued."""
    reported(database, sync=False)
    decide_all(reviews)
    reviews.sign("case-1", account="lin", signed=NOON)
    assert queued(database) == []


def test_a_result_withdrawn_before_the_signature_never_leaves(database: Database, reviews: ReviewStore) -> None:
    """Nothing of it was sent, so not even a tombstone is needed."""
    cases = reported(database)
    cases.withdraw("case-1")
    decide_all(reviews)
    reviews.sign("case-1", account="lin", signed=NOON)
    assert queued(database) == []


def test_a_result_withdrawn_after_the_signature_is_called_back(database: Database, reviews: ReviewStore) -> None:
    """What was queued and never sent becomes its own tombstone."""
    cases = reported(database)
    decide_all(reviews)
    reviews.sign("case-1", account="lin", signed=NOON)
    cases.withdraw("case-1")
    assert [row[0] for row in database.rows("SELECT kind FROM outbox")] == ["tombstone"]


def test_a_case_without_a_report_is_not_decided(database: Database, reviews: ReviewStore) -> None:
    """There is nothing to decide on yet, and an unknown case is named."""
    CaseStore(database).add(a_case(consent=a_consent()), language="en", awaits_sign_off=True)
    with pytest.raises(CaseError, match="no report yet"):
        decide_all(reviews)
    with pytest.raises(CaseError, match="no case case-9"):
        reviews.sign("case-9", account="lin", signed=NOON)


def test_second_readings_come_back_in_order(database: Database, reviews: ReviewStore) -> None:
    """Each reading is kept with its scores and words."""
    reported(database)
    first = SecondReading(account="wang", read=NOON, agrees=True, physician={"readability": 8})
    second = SecondReading(account="zhao", read=NOON, agrees=False, note="nails not seen")
    for one in (first, second):
        reviews.add_second_reading("case-1", one)
    assert reviews.second_readings("case-1") == (first, second)
