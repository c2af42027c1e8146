"""Change between visits: same regions, one lineage, and no number where nothing can be compared."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.representation import Described
from edge_agent.agents.severity.assess import severity_of
from edge_agent.agents.severity.change import Change, change
from edge_agent.agents.severity.pasi import REGIONS
from edge_agent.contracts.previous import PreviousRegion, PreviousVisit
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import CREATED
from tests.simulators.graded import SITE_OF, plaque, visit

LINEAGE = "one"
Grades = tuple[int, int, int]


def region(name: str, area: int = 3, grades: tuple[int | None, int | None, int | None] = (3, 3, 3)) -> PreviousRegion:
    erythema, induration, scale = grades
    return PreviousRegion.model_validate(
        {"region": name, "area_score": area, "erythema": erythema, "induration": induration, "scale_amount": scale}
    )


def before(**answers: Any) -> PreviousVisit:
    """Return a visit four weeks ago; all regions A 3 with 3, 3, 3: PASI 1.0 x 9 x 3 = 27.0."""
    told = {
        "created": CREATED - timedelta(days=28),
        "lineage": LINEAGE,
        "release": "1.0",
        "regions": tuple(region(name) for name in REGIONS),
        **answers,
    }
    return PreviousVisit(**told)


def views(grades: Grades = (1, 1, 1), regions: tuple[str, ...] = tuple(REGIONS)) -> list[Described]:
    return [plaque(n, site=SITE_OF[name], grades=grades) for n, name in enumerate(regions)]


def compared(
    then: PreviousVisit, described: list[Described] | None = None, *, lineage: str | None = LINEAGE, **answers: Any
) -> Change:
    now = views() if described is None else described
    case = visit(now, previous=then, **{"region_area_percent": dict.fromkeys(REGIONS, 40), **answers})
    found = change(case, severity_of(case, now), lineage=lineage)
    assert found is not None
    return found


def test_without_an_earlier_visit_there_is_no_change() -> None:
    """Nothing is said, not "same"."""
    case = visit()
    assert change(case, severity_of(case), lineage=LINEAGE) is None


def test_pasi_on_the_same_four_regions() -> None:
    """27.0 then; now A 3 with 1, 1, 1: 1.0 x 3 x 3 = 9.0. Difference -18.0, 66.7 % better: PASI 50."""
    found = compared(before())
    assert (found.pasi.before, found.pasi.now, found.pasi.difference) == (27.0, 9.0, -18.0)
    assert (found.pasi.direction, found.pasi.response, found.days) == ("better", "pasi_50", 28)
    assert found.pasi.regions == tuple(REGIONS)


def test_a_rise_is_worse() -> None:
    """27.0 then, 1.0 x 12 x 3 = 36.0 now."""
    found = compared(before(), views((4, 4, 4)))
    assert (found.pasi.direction, found.pasi.difference, found.pasi.response) == ("worse", 9.0, "below_pasi_50")


def test_only_regions_that_stand_in_both_visits_are_compared() -> None:
    """Then head and trunk, now trunk and lower: the trunk alone, 0.3 x 9 x 3 = 8.1 and 0.3 x 3 x 3 = 2.7."""
    then = before(regions=(region("head"), region("trunk"), region("upper", grades=(3, None, 3))))
    found = compared(then, views(regions=("trunk", "lower")))
    assert found.pasi.regions == ("trunk",)
    assert (found.pasi.before, found.pasi.now) == (8.1, 2.7)
    assert (found.pasi.response, found.pasi.response_reason) == (None, "regions_incomplete")


@pytest.mark.parametrize(
    ("then", "now", "answers", "lineage", "reason"),
    [
        (before(), None, {}, "another", "other_lineage"),
        (before(), None, {}, None, "no_lineage"),
        (before(lineage=None), None, {}, LINEAGE, "no_lineage"),
        (before(regions=()), None, {}, LINEAGE, "not_known_then"),
        (before(regions=(region("head", grades=(3, None, 3)),)), None, {}, LINEAGE, "not_known_then"),
        (before(), None, {"region_area_percent": {}}, LINEAGE, "not_known_now"),
        (before(regions=(region("head"),)), views(regions=("lower",)), {}, LINEAGE, "no_common_region"),
        (before(), None, {"age_years": 12}, LINEAGE, "minor"),
        (before(), None, {"age_years": None}, LINEAGE, "age_unknown"),
        (before(created=CREATED), None, {}, LINEAGE, "previous_not_earlier"),
        (before(created=CREATED + timedelta(days=1)), None, {}, LINEAGE, "previous_not_earlier"),
    ],
)
def test_where_pasi_cannot_be_compared_there_is_a_reason_and_no_number(
    then: PreviousVisit, now: list[Described] | None, answers: dict[str, Any], lineage: str | None, reason: str
) -> None:
    """Nothing is left to plot."""
    told = compared(then, now, lineage=lineage, **answers).to_report()["pasi"]
    assert (told["direction"], told["reason"]) == ("not_comparable", reason)
    assert (told["before"], told["now"], told["difference"], told["regions"], told["response"]) == (
        None,
        None,
        None,
        [],
        None,
    )


def test_a_clear_region_then_and_now_counts_as_known() -> None:
    """Area 0 needs no picture: the other three regions decide, 0.9 x 9 x 3 = 24.3 and 0.9 x 3 x 3 = 8.1."""
    then = before(regions=(region("head", 0, (None, None, None)), *(region(name) for name in REGIONS[1:])))
    areas = {**dict.fromkeys(REGIONS, 40), "head": 0}
    found = compared(then, views(regions=("upper", "trunk", "lower")), region_area_percent=areas)
    assert (found.pasi.before, found.pasi.now, len(found.pasi.regions)) == (24.3, 8.1, 4)


@pytest.mark.parametrize(
    ("lower_now", "response"),
    [
        # Lower limbs alone, A 6 then with 4, 4, 4: 0.4 x 12 x 6 = 28.8.
        ((1, (2, 1, 0)), "pasi_90"),  # 0.4 x 3 x 1 = 1.2: 95.8 % better
        ((1, (4, 3, 0)), "pasi_90"),  # 2.8: 90.3 %
        ((2, (2, 2, 0)), "pasi_75"),  # 3.2: 88.9 %
        ((6, (1, 1, 1)), "pasi_75"),  # 7.2: 75 % exactly
        ((5, (2, 2, 0)), "pasi_50"),  # 8.0: 72.2 %
        ((6, (2, 2, 2)), "pasi_50"),  # 14.4: 50 % exactly
        ((5, (3, 3, 2)), "below_pasi_50"),  # 16.0: 44.4 %
    ],
)
def test_the_response_classes_have_the_published_edges(lower_now: tuple[int, Grades], response: str) -> None:
    """PASI 50, 75 and 90: at least so many per cent better; computed by hand beside each row."""
    clear = tuple(region(name, 0) for name in REGIONS[:3])
    then = before(regions=(*clear, region("lower", 6, (4, 4, 4))))
    area, grades = lower_now
    percent = {1: 5, 2: 20, 5: 80, 6: 95}[area]
    areas = {"head": 0, "upper": 0, "trunk": 0, "lower": percent}
    assert compared(then, views(grades, ("lower",)), region_area_percent=areas).pasi.response == response


@pytest.mark.parametrize(
    ("head", "pasi_then", "response", "reason"),
    [
        (region("head", 0), 4.8, None, "baseline_below_5"),
        (region("head", 1, (1, 1, 0)), 5.0, "pasi_90", None),
    ],
)
def test_no_response_class_on_a_small_baseline(
    head: PreviousRegion, pasi_then: float, response: str | None, reason: str | None
) -> None:
    """Lower limbs A 1 with 4, 4, 4: 0.4 x 12 x 1 = 4.8 < 5; with 0.1 x 2 x 1 of the head 5.0. Now all is clear."""
    then = before(regions=(head, region("upper", 0), region("trunk", 0), region("lower", 1, (4, 4, 4))))
    found = compared(then, [], region_area_percent=dict.fromkeys(REGIONS, 0))
    assert (found.pasi.before, found.pasi.now) == (pasi_then, 0.0)
    assert (found.pasi.response, found.pasi.response_reason) == (response, reason)


def test_a_difference_that_one_grade_could_make_names_no_direction() -> None:
    """Lower limbs at A 3: one grade moves 0.4 x 3 = 1.2. One grade less is "same", two are "better"."""
    clear = dict.fromkeys(REGIONS[:3], 0)
    then = before(regions=(*(region(name, 0) for name in REGIONS[:3]), region("lower")))
    areas = {**clear, "lower": 40}
    one = compared(then, views((3, 3, 2), ("lower",)), region_area_percent=areas)
    two = compared(then, views((3, 2, 2), ("lower",)), region_area_percent=areas)
    assert (one.pasi.direction, one.pasi.difference) == ("same", -1.2)
    assert (two.pasi.direction, two.pasi.difference) == ("better", -2.4)


@pytest.mark.parametrize(
    ("then", "now", "direction", "difference"),
    [
        (10, 4, "better", -6.0),
        (4, 10.5, "worse", 6.5),
        (4, 4, "same", 0.0),
        (4, 4.9, "same", 0.9),
        (4, 5, "worse", 1.0),
        (0.5, 0, "better", -0.5),
        (0, 0.5, "worse", 0.5),
    ],
)
def test_the_surface_is_compared_in_palms(then: float, now: float, direction: str, difference: float) -> None:
    """Less than one palm is no change, but a cleared skin and a relapse are named."""
    found = compared(before(bsa_percent=then), bsa_percent=now, region_area_percent={})
    assert (found.bsa.direction, found.bsa.difference) == (direction, difference)


def test_numbers_of_people_are_compared_across_lineages() -> None:
    """No model is in BSA and PGA; PASI stays out."""
    found = compared(before(bsa_percent=20, pga=4), lineage="another", bsa_percent=8, pga=2)
    assert (found.bsa.difference, found.pga.difference) == (-12.0, -2)
    assert (found.bsa.direction, found.pga.direction, found.pasi.direction) == ("better", "better", "not_comparable")


@pytest.mark.parametrize(
    ("then", "now", "reason"), [(None, 2, "not_known_then"), (2, None, "not_known_now"), (None, None, "not_known_then")]
)
def test_an_unknown_number_is_not_compared(then: int | None, now: int | None, reason: str) -> None:
    """Unknown is not 0."""
    found = compared(before(pga=then), pga=now)
    assert (found.pga.direction, found.pga.reason, found.pga.difference) == ("not_comparable", reason, None)


def test_a_visit_of_the_same_instant_compares_nothing_at_all() -> None:
    """A report of this very case, or a wrong clock: people's numbers stay out too."""
    found = compared(before(created=CREATED, bsa_percent=20, pga=4), bsa_percent=8, pga=2)
    assert found.days is None
    assert {found.bsa.reason, found.pga.reason, found.pasi.reason} == {"previous_not_earlier"}


@given(st.lists(st.tuples(st.integers(1, 6), *[st.integers(0, 4)] * 3), min_size=4, max_size=4))
def test_a_visit_compared_with_itself_is_the_same(rows: list[tuple[int, int, int, int]]) -> None:
    """Through the stored report's form and back: no difference in any number, whatever the grades are."""
    percent = {1: 5, 2: 10, 3: 30, 4: 50, 5: 70, 6: 90}
    described = [plaque(n, site=SITE_OF[name], grades=rows[n][1:]) for n, name in enumerate(REGIONS)]
    areas = {name: percent[rows[n][0]] for n, name in enumerate(REGIONS)}
    told = severity_of(visit(described, region_area_percent=areas), described).to_report()
    report = {
        "schema_version": 2,
        "created": (CREATED - timedelta(days=1)).isoformat(),
        "severity": told,
        "provenance": {"bundle": {"lineage": LINEAGE, "version": "1.0"}},
    }
    then = PreviousVisit.from_report(json.loads(json.dumps(report)))
    found = compared(then, described, region_area_percent=areas)
    assert (found.pasi.direction, found.pasi.difference) == ("same", 0.0)
    assert found.pasi.before == told["pasi"]["value"]


def test_every_id_has_words_and_the_section_is_json() -> None:
    """Ids come from severity.toml; the section goes through JSON unchanged."""
    lists = Vocabulary.load().lists
    for found in (
        compared(before()),
        compared(before(), lineage="another"),
        compared(before(regions=(region("trunk"),))),
        compared(before(created=CREATED)),
    ):
        section = found.to_report()
        assert json.loads(json.dumps(section)) == section
        for name in lists["change_measure"].terms:
            assert section[name]["direction"] in lists["change_direction"].terms
            assert section[name]["reason"] in {None, *lists["change_reason"].terms}
        told = {section["pasi"]["response"], section["pasi"]["response_reason"]}
        assert told <= {None, *lists["pasi_response"].terms}
