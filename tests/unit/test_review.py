"""What a clinician decides about a report: which parts, with which reasons, by whom, and what the tier is then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from edge_agent.review.decisions import Decision, check_decision, final_tier, may_decide, on_the_wire, open_sections
from edge_agent.review.second_reading import DERMEVAL_DIMENSIONS, PHYSICIAN_ITEMS, SecondReading, check_reader
from edge_agent.review.sections import CORRECTABLE, SECTIONS, SHOWN_IN, decidable
from edge_agent.review.worklist import Due, Row, due, in_order

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load()


def golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def decision(section: str = "findings", verdict: str = "accepted", **more: Any) -> Decision:
    told = {"reason": "agree" if verdict == "accepted" else "wrong_lesion", "account": "lin", "decided": NOON, **more}
    return Decision.model_validate({"section": section, "verdict": verdict, **told})


def test_a_psoriasis_report_has_every_part() -> None:
    """Where all three agents spoke, all six parts wait for a decision, in the report's order."""
    assert decidable(golden("psoriasis")) == SECTIONS


def test_what_was_never_said_is_not_decided() -> None:
    """An emergency stops before Rep and Reason: their parts are not offered, the triage always is."""
    parts = decidable(golden("sjs"))
    assert "reasoning" not in parts
    assert "triage" in parts


@pytest.mark.parametrize("section", SECTIONS)
def test_every_part_has_a_place_and_known_lists(section: str, vocabulary: Vocabulary) -> None:
    """A correction's lists exist in the vocabulary, and the part is shown in a section of the report."""
    assert all(name in vocabulary.lists for name in CORRECTABLE[section].values())  # type: ignore[index]
    assert vocabulary.has(SHOWN_IN[section], of="word")  # type: ignore[index]


@pytest.mark.parametrize(
    ("verdict", "more", "told"),
    [
        ("accepted", {"reason": "wrong_site"}, "agree"),
        ("rejected", {"reason": "agree"}, "agree"),
        ("corrected", {}, "say what is right"),
        ("corrected", {"note": "   "}, "say what is right"),
        ("rejected", {"reason": "other_local_text"}, "needs a note"),
        ("accepted", {"note": "thick scale"}, "no correction"),
        ("rejected", {"decided": datetime(2026, 3, 2)}, "time zone"),  # noqa: DTZ001
    ],
)
def test_a_decision_that_does_not_fit_its_reason(verdict: str, more: dict[str, Any], told: str) -> None:
    """Verdict, reason and correction must say one thing."""
    with pytest.raises(ValidationError, match=told):
        decision(verdict=verdict, **more)


def test_only_a_clinician_decides() -> None:
    """A worker decides nothing; a TCM practitioner decides on the reasoning alone."""
    assert not any(may_decide(section, {"worker", "maintainer"}) for section in SECTIONS)
    assert [section for section in SECTIONS if may_decide(section, {"tcm_practitioner"})] == ["reasoning"]
    assert all(may_decide(section, {"clinician"}) for section in SECTIONS)


def test_a_value_outside_the_list_is_refused(vocabulary: Vocabulary) -> None:
    """A correction names an id of its own field's list."""
    report = golden("psoriasis")
    wrong = decision("representation", "corrected", values={"stage": "blood_heat"})
    with pytest.raises(CaseError, match="'blood_heat' is no value of stage"):
        check_decision(wrong, report=report, roles={"clinician"}, vocabulary=vocabulary)
    foreign = decision("plan", "corrected", values={"stage": "remission"})
    with pytest.raises(CaseError, match="plan has no stage"):
        check_decision(foreign, report=report, roles={"clinician"}, vocabulary=vocabulary)


def test_a_part_that_is_not_there_is_refused(vocabulary: Vocabulary) -> None:
    """Nobody accepts what was never said."""
    with pytest.raises(CaseError, match="does not hold"):
        check_decision(decision("reasoning"), report=golden("sjs"), roles={"clinician"}, vocabulary=vocabulary)


def test_the_last_decision_on_a_part_counts() -> None:
    """A second thought replaces the first in what is sent, and both are kept by the caller."""
    report = golden("psoriasis")
    first = [decision(section) for section in SECTIONS]
    second = decision("findings", "rejected", reason="unreadable")
    told = {row.section: row.decision for row in on_the_wire(report, [*first, second])}
    assert told["findings"] == "rejected"
    assert told["plan"] == "accepted"


def test_an_open_part_is_named() -> None:
    """A report with an open part cannot be signed, and the error names the part."""
    report = golden("psoriasis")
    rows = [decision(section) for section in SECTIONS if section != "plan"]
    assert open_sections(report, rows) == ("plan",)
    with pytest.raises(CaseError, match="plan"):
        on_the_wire(report, rows)


def test_a_clinician_alone_lowers_a_tier() -> None:
    """The clinician's tier counts, up or down; without one the report's own stays."""
    report = golden("sjs")
    assert final_tier(report, [decision("triage")]) == report["triage"]["final"]
    lowered = decision("triage", "corrected", reason="not_applicable_here", values={"tier": "T4_routine"})
    assert final_tier(report, [lowered]) == "T4_routine"


@pytest.mark.parametrize(("verdict", "note"), [("rejected", ""), ("corrected", "sooner than this")])
def test_a_tier_that_was_found_wrong_needs_another(verdict: str, note: str) -> None:
    """The program's tier is never made final by a decision against it, also not by one in words alone."""
    wrong = decision("triage", verdict, note=note)
    with pytest.raises(CaseError, match="choose the right one"):
        final_tier(golden("psoriasis"), [wrong])
    named = decision("triage", "rejected", values={"tier": "T2_same_day"})
    assert final_tier(golden("psoriasis"), [wrong, named]) == "T2_same_day"


def test_nothing_but_codes_leaves() -> None:
    """The wire's decision holds section, verdict and reason: no name, no note, no time."""
    row = decision("findings", "corrected", note="silvery scale on the elbow").on_the_wire()
    assert row.model_dump() == {"section": "findings", "decision": "corrected", "reason": "wrong_lesion"}


def reading(**more: Any) -> SecondReading:
    return SecondReading.model_validate({"account": "wang", "read": NOON, "agrees": True, **more})


def test_a_total_needs_all_six_items() -> None:
    """A missing item is not a zero: the total out of 60 stays unknown."""
    whole = dict.fromkeys(PHYSICIAN_ITEMS, 7)
    assert reading(physician=whole).physician_total == 42
    assert reading(physician=dict(list(whole.items())[1:])).physician_total is None


@pytest.mark.parametrize(
    "scores",
    [
        {"physician": {PHYSICIAN_ITEMS[0]: 11}},
        {"dermeval": {DERMEVAL_DIMENSIONS[0]: 0}},
        {"dermeval": {"politeness": 3}},
        {"agrees": False},
    ],
)
def test_a_reading_outside_its_scale(scores: dict[str, Any]) -> None:
    """0 to 10 and 1 to 5, known items only, and who disagrees says why."""
    with pytest.raises(ValidationError):
        reading(**scores)


def test_nobody_reads_their_own_report_twice() -> None:
    """The second reader is another person, and a reader by role."""
    with pytest.raises(CaseError, match="another person"):
        check_reader("lin", roles={"clinician"}, first_readers={"lin"})
    with pytest.raises(CaseError, match="clinician"):
        check_reader("maria", roles={"worker"}, first_readers={"lin"})
    check_reader("wang", roles={"tcm_practitioner"}, first_readers={"lin"})


def row(name: str, *, tier: str | None = "T4_routine", hours: float | None = 1.0, is_signed: bool = False) -> Row:
    deadline = None if hours is None else NOON + timedelta(hours=hours)
    return Row(name, "ref", NOON, "reported", tier, deadline, is_signed, ())


def test_the_list_is_sorted_by_what_is_due() -> None:
    """Emergencies first whatever their date, then by deadline, then undated ones; signed ones last."""
    rows = [
        row("signed", hours=-9, is_signed=True),
        row("undated", hours=None),
        row("later", hours=50),
        row("overdue", hours=-1),
        row("emergency", tier="T1_emergency", hours=60),
    ]
    assert [one.case_id for one in in_order(rows)] == ["emergency", "overdue", "later", "undated", "signed"]


@pytest.mark.parametrize(("hours", "told"), [(-1, Due.OVERDUE), (0, Due.OVERDUE), (3, Due.SOON), (5, Due.LATER)])
def test_due_is_said_in_words(hours: float, told: Due) -> None:
    """Overdue from the deadline on, soon within four hours before it."""
    assert due(row("a", hours=hours), NOON) is told


def test_a_signed_case_is_due_no_more() -> None:
    """A signature ends the waiting."""
    assert due(row("a", hours=-5, is_signed=True), NOON) is Due.UNDATED
