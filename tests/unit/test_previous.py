"""An earlier visit from its stored report: what it said, nothing more, and a clear refusal of anything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.severity.assess import severity_of
from edge_agent.agents.severity.pasi import REGIONS
from edge_agent.contracts.previous import PreviousRegion, PreviousVisit
from edge_agent.contracts.record_files import load_previous
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from tests.simulators.cases import BLOOD_HEAT, CREATED, HEAT, INTEGRATED, PLAQUE, case, manifest
from tests.simulators.engine import ScriptedEngine
from tests.simulators.graded import SITE_OF, plaque, visit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SECTIONS = ("created", "severity", "recognition", "representation", "reasoning", "provenance")


def stored_report() -> dict[str, Any]:
    """Run the pipeline once, as an earlier visit was, and read its report back from JSON."""
    scripted = ScriptedEngine(
        {1: {**PLAQUE, "erythema": (3, 0.9)}},
        integrated={**INTEGRATED, "stage": ("progressive", 0.9)},
        pathogenesis=HEAT,
        assessment=BLOOD_HEAT,
    )
    report = CasePipeline(scripted, manifest(), Vocabulary.load(), device="TEST").run(case())
    read: dict[str, Any] = json.loads(json.dumps(report))
    return read


def test_a_stored_report_gives_its_visit() -> None:
    """Date, lineage, surface, band, stage, syndrome and the grades of its pictures; phenotype was not decided."""
    before = PreviousVisit.from_report(stored_report())
    assert (before.created, before.lineage, before.release) == (CREATED, "test", "1.0")
    assert (before.bsa_percent, before.severity_band) == (6.0, "moderate")
    assert before.pointers() == {
        "stage": "progressive",
        "phenotype": None,
        "syndrome": "blood_heat",
        "severity_band": "moderate",
    }
    assert [(row.erythema, row.induration, row.scale_amount) for row in before.sites] == [(3, 1, None)]


def test_a_report_with_the_full_severity_section_gives_its_regions() -> None:
    """What ``Severity.to_report`` writes is what ``from_report`` reads: areas, grades, PASI and PGA."""
    views = [plaque(n, site=SITE_OF[region], grades=(3, 2, 1)) for n, region in enumerate(REGIONS)]
    case_then = visit(views, region_area_percent=dict.fromkeys(REGIONS, 40), bsa_percent=40, pga=3)
    report = {**stored_report(), "schema_version": 2, "severity": severity_of(case_then, views).to_report()}
    before = PreviousVisit.from_report(json.loads(json.dumps(report)))
    assert before.regions[3] == PreviousRegion(
        region="lower", area_percent=40.0, area_score=3, erythema=3, induration=2, scale_amount=1
    )
    assert (before.pasi, before.pga, len(before.regions)) == (18.0, 3, 4)  # 1.0 x 6 x 3 by hand


def test_a_first_version_report_of_the_rules_alone_is_readable() -> None:
    """Little stands there: no bundle, no agents; everything that is not there stays unknown."""
    report = {
        "schema_version": 1,
        "created": "2026-01-05T08:00:00+00:00",
        "severity": {"band": None, "bsa_percent": None, "missing": ["bsa_percent"]},
        "recognition": [],
        "representation": None,
        "reasoning": None,
        "provenance": {"bundle": None},
    }
    before = PreviousVisit.from_report(report)
    assert before == PreviousVisit(created=datetime(2026, 1, 5, 8, tzinfo=UTC))
    assert set(before.pointers().values()) == {None}


@pytest.mark.parametrize("mark", [{"is_withheld": True}, {"is_decided": False}, {"value": "cannot_tell"}])
def test_what_the_report_did_not_say_is_not_said_now(mark: dict[str, Any]) -> None:
    """Withheld, undecided and "cannot tell" are all unknown."""
    report = stored_report()
    report["representation"]["fields"]["stage"].update(mark)
    assert PreviousVisit.from_report(report).stage is None


@pytest.mark.parametrize(
    "damage",
    [
        {"schema_version": 3},
        {"schema_version": True},
        {"schema_version": None},
        {"created": None},
        {"created": "yesterday"},
        {"created": "2026-03-04T09:30:00"},
        {"severity": {"bsa_percent": 140}},
        {"severity": {"pga": 5}},
        {"severity": {"pasi": {"value": 73}}},
        {"severity": {"pasi": {"by_region": [{"region": "tail"}]}}},
        {"severity": {"pasi": {"by_region": [{"region": "head"}, {"region": "head"}]}}},
        {"severity": "none"},
        {"recognition": [None]},
        {"representation": {"fields": {"stage": {"value": "Progressive; DROP"}}}},
        {"representation": {"fields": {"stage": {"value": "a b", "is_decided": True, "is_withheld": False}}}},
    ],
)
def test_a_damaged_report_is_refused_in_one_line(damage: dict[str, Any]) -> None:
    """The caller is told to choose another report or to go without."""
    with pytest.raises(CaseError, match="leave it out") as caught:
        PreviousVisit.from_report({**stored_report(), **damage})
    assert "\n" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(SECTIONS), JSON))
def test_no_garbage_ends_in_anything_but_a_refusal(sections: dict[str, Any]) -> None:
    """A file somebody chose by mistake is refused or read; it never breaks the program."""
    try:
        PreviousVisit.from_report({"schema_version": 1, **sections})
    except CaseError:
        return


@pytest.mark.parametrize("report", [None, [], "report", 3])
def test_something_that_is_no_object_is_refused(report: Any) -> None:
    """JSON of another kind."""
    with pytest.raises(CaseError):
        PreviousVisit.from_report(report)


@pytest.mark.parametrize(
    ("later", "is_usable"), [(-timedelta(days=28), True), (timedelta(0), False), (timedelta(1), False)]
)
def test_a_visit_not_dated_before_this_one_is_attached_but_not_read(later: timedelta, is_usable: bool) -> None:
    """A wrong clock does not stop the care; agents simply have no earlier visit."""
    before = PreviousVisit(created=CREATED + later)
    case_now = visit(previous=before)
    assert case_now.previous == before
    assert (case_now.earlier_visit == before) == is_usable
    assert is_usable or case_now.earlier_visit is None


def test_a_visit_survives_its_way_through_json() -> None:
    """It can be stored and sent between the processes of the device."""
    before = PreviousVisit.from_report(stored_report())
    assert PreviousVisit.model_validate_json(before.model_dump_json()) == before


def test_a_report_file_gives_its_visit(tmp_path: Path) -> None:
    """What ``derm-edge case --json`` printed is what ``--previous`` reads."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(stored_report(), ensure_ascii=False), encoding="utf-8")
    assert load_previous(path) == PreviousVisit.from_report(stored_report())


def test_a_file_of_nothing_but_brackets_is_refused(tmp_path: Path) -> None:
    """A hostile or damaged file exhausts the reader; that is a refusal like any other."""
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(CaseError, match=r"deep\.json: not JSON"):
        load_previous(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"age_years": 3}', '"report"', "12"])
def test_a_file_that_is_no_report_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """One line that says what to choose instead."""
    path = tmp_path / "form.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CaseError, match=r"form\.json|previous report"):
        load_previous(path)
