"""An earlier visit after its review: what a clinician found wrong lives on nowhere, and what they put in its place does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agents.report.earlier import PGA_GRADES, earlier_visit
from edge_agent.agents.report.review import NO_REVIEW, Correction, Review, Ruling
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.contracts.terms import Vocabulary
from edge_agent.kiosk.case_rooms import episodes_of
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.reported_visits import Told, add_visit, golden

MORNING = datetime(2026, 9, 20, 8, 30, tzinfo=UTC)
GRADES = ("erythema", "induration", "scale_amount")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield built


@pytest.fixture
def doctor(parts: KioskParts) -> Browser:
    return Browser(parts).signed_in("Dr Lin", Role.CLINICIAN)


def _told() -> dict[str, Any]:
    """Return a report that says something in each field that a later visit reads."""
    report = golden("psoriasis")
    row = {"value": "progressive", "is_decided": True, "is_withheld": False}
    report["representation"]["fields"]["stage"] = row
    report["representation"]["fields"]["phenotype"] = {**row, "value": "plaque"}
    report["reasoning"]["fields"]["syndrome"] = {**row, "value": "blood_heat"}
    return report


def _ruled(section: str, verdict: str, *values: Correction, is_signed: bool = True) -> Review:
    ruling = Ruling(section, verdict, "Dr Lin", MORNING, "wrong_lesion", values)
    return Review({section: ruling}, signed=MORNING if is_signed else None)


def test_without_a_decision_a_report_is_read_as_it_is() -> None:
    """Nothing was decided, or everything accepted: the report's own words stand."""
    report = _told()
    assert earlier_visit(report, NO_REVIEW) == PreviousVisit.from_report(report)
    assert earlier_visit(report, _ruled("severity", "accepted")) == PreviousVisit.from_report(report)


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize(
    ("section", "lost"),
    [
        ("representation", {"stage": None, "phenotype": None}),
        ("reasoning", {"syndrome": None}),
        ("findings", {"sites": ()}),
        ("severity", {"pasi": None, "severity_band": None}),
    ],
)
def test_what_was_rejected_is_not_known_any_more(section: str, lost: Mapping[str, Any], *, is_signed: bool) -> None:
    """Of each part its fields, signed or not; every other field stays, and so does what people entered."""
    before = PreviousVisit.from_report(_told())
    after = earlier_visit(_told(), _ruled(section, "rejected", is_signed=is_signed))
    assert {name: getattr(after, name) for name in lost} == lost
    assert {name: getattr(before, name) for name in lost} != lost
    kept = set(PreviousVisit.model_fields) - set(lost) - {"regions"}
    assert {name: getattr(after, name) for name in kept} == {name: getattr(before, name) for name in kept}
    assert [row.area_percent for row in after.regions] == [row.area_percent for row in before.regions]


def test_rejected_severity_leaves_no_grade_to_compare_with() -> None:
    """The areas that somebody entered stay; the grades that the index is made of go."""
    assert {getattr(row, name) for row in PreviousVisit.from_report(_told()).regions for name in GRADES} != {None}
    regions = earlier_visit(_told(), _ruled("severity", "rejected")).regions
    assert len(regions) == 4
    assert {getattr(row, name) for row in regions for name in GRADES} == {None}


@pytest.mark.parametrize(
    ("section", "field", "of", "value"),
    [
        ("representation", "stage", "stage", "remission"),
        ("representation", "phenotype", "phenotype", "guttate"),
        ("reasoning", "syndrome", "syndrome", "blood_stasis"),
    ],
)
def test_a_signed_correction_stands_in_its_place(section: str, field: str, of: str, value: str) -> None:
    """The clinician's value is what the next visit reads; before the signature nothing is."""
    own = Correction(field, of, value)
    assert earlier_visit(_told(), _ruled(section, "corrected", own)).pointers()[field] == value
    assert earlier_visit(_told(), _ruled(section, "corrected", own, is_signed=False)).pointers()[field] is None


def test_a_correction_that_says_nothing_is_unknown() -> None:
    """A clinician may answer that the stage cannot be told: nothing points at that."""
    own = Correction("stage", "stage", "cannot_tell")
    assert earlier_visit(_told(), _ruled("representation", "corrected", own)).stage is None


def test_the_clinicians_global_assessment_counts_as_its_grade() -> None:
    """Each id has the grade of the vocabulary; unsigned, the entered one that was found wrong is not told either."""
    terms = Vocabulary.load().lists["pga"].terms
    for name, term in terms.items():
        own = Correction("pga", "pga", name)
        assert earlier_visit(_told(), _ruled("severity", "corrected", own)).pga == term.facts["grade"]
        assert earlier_visit(_told(), _ruled("severity", "corrected", own, is_signed=False)).pga is None
    assert set(terms) == set(PGA_GRADES)


def _decide(doctor: Browser, section: str, verdict: str, **values: str) -> None:
    reason = "wrong_condition" if section == "reasoning" else "wrong_severity"
    form = {"section": section, "verdict": verdict, "reason": reason, "note": "x", **values}
    assert doctor.submit("/cases/one/decide", **form).status_code == 303


def _sign(doctor: Browser) -> None:
    assert doctor.submit("/cases/one/accept-open").status_code == 303
    assert doctor.submit("/cases/one/sign", confirmed="yes").status_code == 303


def test_the_next_visit_reads_what_stands(parts: KioskParts, doctor: Browser) -> None:
    """From the store: rejected severity and reasoning are not told, and the corrected stage is."""
    episode = add_visit(parts, "one", created=MORNING, report=_told())
    _decide(doctor, "severity", "rejected")
    _decide(doctor, "reasoning", "rejected")
    _decide(doctor, "representation", "corrected", value_stage="remission")
    _sign(doctor)
    found = episodes_of(parts).previous(episode)
    assert found is not None
    assert found.pointers() == {"stage": "remission", "phenotype": None, "syndrome": None, "severity_band": None}
    assert (found.pasi, found.bsa_percent) == (None, 6.0)


def test_decisions_that_cannot_be_read_let_nothing_of_their_visit_be_told(parts: KioskParts, doctor: Browser) -> None:
    """The visit before it is read instead, and the new one is not stopped."""
    episode = add_visit(parts, "zero", created=MORNING - timedelta(days=30), report=_told())
    add_visit(parts, "one", Told(episode_id=episode), created=MORNING, report=_told())
    _decide(doctor, "severity", "rejected")
    with parts.database.transaction() as connection:
        connection.execute("UPDATE decisions SET body = json_set(body, '$.verdict', 'perhaps')")
    found = episodes_of(parts).previous(episode)
    assert found is not None
    assert found.created == MORNING - timedelta(days=30)


def _first_row(page: str) -> str:
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", table.split("</tr>")[0])).lower()


def test_the_course_tells_what_stands(parts: KioskParts, doctor: Browser) -> None:
    """A refused index and a refused plan stand in no table and no drawing; the clinician's own assessment does."""
    add_visit(parts, "one", created=MORNING, report=_told())
    before = _first_row(doctor.get("/cases/one/episode").text)
    assert "8.4" in before and "emollient" in before
    _decide(doctor, "plan", "rejected")
    _decide(doctor, "severity", "corrected", value_pga="severe")
    _sign(doctor)
    page = doctor.get("/cases/one/episode").text
    row = _first_row(page)
    assert "8.4" not in page and "emollient" not in row
    assert re.search(r"\b6 not known 4 –", row), row


@pytest.mark.parametrize("refused", ["one", "two"])
def test_what_changed_is_told_of_severity_that_stands_alone(parts: KioskParts, doctor: Browser, refused: str) -> None:
    """Refused then or now, the index is compared no more; the surface, which people entered, is."""
    same = {"direction": "same", "reason": None, "before": 6.0, "now": 6.0, "difference": 0.0}
    pasi: dict[str, Any] = {
        **same,
        "before": 11.3,
        "now": 8.4,
        "regions": [],
        "response": None,
        "response_reason": None,
    }
    episode = add_visit(parts, "one", created=MORNING, report=_told())
    report = _told()
    report["change"] = {
        "previous": {"created": MORNING.isoformat(), "lineage": "test", "release": "1.0"},
        "days": 28, "pasi": {**pasi, "direction": "better"}, "bsa": same, "pga": same,
    }  # fmt: skip
    add_visit(parts, "two", Told(episode_id=episode), created=MORNING + timedelta(days=28), report=report)
    assert "11.3" in doctor.get("/cases/two/episode").text
    form = {"section": "severity", "verdict": "rejected", "reason": "wrong_severity", "note": "x"}
    assert doctor.submit(f"/cases/{refused}/decide", **form).status_code == 303
    page = doctor.get("/cases/two/episode").text
    assert "11.3" not in page
    assert "6 → 6" in page
