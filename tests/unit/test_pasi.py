"""The index against its published formula and bounds; no expected value comes from the code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.severity.pasi import (
    REGION_OF_SITE,
    REGIONS,
    WEIGHT_TENTHS,
    RegionScore,
    area_score,
    implied_bsa,
    total_tenths,
)
from edge_agent.contracts.intake_values import AffectedRegion
from edge_agent.contracts.terms import Vocabulary

GRADE = st.integers(0, 4)
AREA = st.integers(0, 6)
REGION = st.sampled_from(REGIONS)
FOUR = st.tuples(*[st.tuples(AREA, GRADE, GRADE, GRADE)] * 4)
# The published maxima per region: weight x (4+4+4) x 6.
MAXIMUM_TENTHS = {"head": 72, "upper": 144, "trunk": 216, "lower": 288}


def scored(region: AffectedRegion, row: tuple[int, int, int, int]) -> RegionScore:
    area, erythema, induration, scale = row
    return RegionScore(region, None, area, erythema, induration, scale)


def index(rows: tuple[tuple[int, int, int, int], ...]) -> int:
    total = total_tenths(scored(region, row) for region, row in zip(REGIONS, rows, strict=True))
    assert total is not None
    return total


@pytest.mark.parametrize(
    ("percent", "score"),
    [
        (0, 0), (0.01, 1), (1, 1), (9, 1), (9.99, 1), (10, 2), (29, 2), (29.5, 2), (29.99, 2), (30, 3), (49.99, 3),
        (50, 4), (69.99, 4), (70, 5), (89.99, 5), (90, 6), (100, 6),
    ],
)  # fmt: skip
def test_area_bands_have_the_published_edges(percent: float, score: int) -> None:
    """0; <10; 10-<30; 30-<50; 50-<70; 70-<90; 90-100, as the table of [S 6] writes them."""
    assert area_score(percent) == score


@pytest.mark.parametrize("percent", [-0.01, 100.01, float("nan"), float("inf")])
def test_a_share_outside_the_region_is_a_mistake(percent: float) -> None:
    """The form refuses it; here it never becomes a score."""
    with pytest.raises(RuntimeError):
        area_score(percent)


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_larger_area_never_scores_less(one: float, other: float) -> None:
    """Bands are ordered and leave no gap."""
    low, high = sorted((one, other))
    assert area_score(low) <= area_score(high)


def test_everything_at_its_maximum_is_72() -> None:
    """The published upper bound."""
    assert index(((6, 4, 4, 4),) * 4) == 720


def test_the_weights_are_those_of_the_formula_and_sum_to_one() -> None:
    """0.1 head, 0.2 upper limbs, 0.3 trunk, 0.4 lower limbs."""
    assert dict(WEIGHT_TENTHS) == {"head": 1, "upper": 2, "trunk": 3, "lower": 4}


def test_a_visit_computed_by_hand() -> None:
    """The steps (a)-(f) of the table of [S 6] on one invented visit, worked by hand.

    Head 5 % (A 1), E2 I1 D2: 0.1 x 5 x 1 = 0.5. Upper 12 % (A 2), E2 I2 D3: 0.2 x 7 x 2 = 2.8.
    Trunk 35 % (A 3), E3 I2 D2: 0.3 x 7 x 3 = 6.3. Lower 20 % (A 2), E3 I3 D3: 0.4 x 9 x 2 = 7.2. Sum 16.8.
    """
    areas = [area_score(percent) for percent in (5, 12, 35, 20)]
    assert areas == [1, 2, 3, 2]
    grades = ((2, 1, 2), (2, 2, 3), (3, 2, 2), (3, 3, 3))
    assert index(tuple((area, *row) for area, row in zip(areas, grades, strict=True))) == 168


@given(FOUR)
def test_the_index_stays_within_0_and_72_and_follows_the_formula(rows: tuple[tuple[int, int, int, int], ...]) -> None:
    """Against the formula as it is printed, in floating point and written out here a second time."""
    (ah, eh, ih, dh), (au, eu, iu, du), (at, et, it, dt), (al, el, il, dl) = rows
    printed = 0.1 * (eh + ih + dh) * ah + 0.2 * (eu + iu + du) * au
    printed += 0.3 * (et + it + dt) * at + 0.4 * (el + il + dl) * al
    assert 0 <= index(rows) <= 720
    assert index(rows) / 10 == pytest.approx(printed, abs=1e-9)


@given(REGION, AREA, GRADE, GRADE, GRADE)
def test_no_region_exceeds_its_maximum(region: AffectedRegion, area: int, e: int, i: int, d: int) -> None:
    """7.2, 14.4, 21.6 and 28.8."""
    part = scored(region, (area, e, i, d)).tenths
    assert part is not None and 0 <= part <= MAXIMUM_TENTHS[region]


@given(FOUR, st.integers(0, 3), st.integers(0, 3))
def test_more_of_anything_never_lowers_the_index(
    rows: tuple[tuple[int, int, int, int], ...], region: int, part: int
) -> None:
    """Monotone in every area score and every grade."""
    row = list(rows[region])
    row[part] = min(row[part] + 1, 6 if part == 0 else 4)
    more = (*rows[:region], (row[0], row[1], row[2], row[3]), *rows[region + 1 :])
    assert index(more) >= index(rows)


@given(FOUR)
def test_a_clear_body_is_0_and_only_a_clear_one(rows: tuple[tuple[int, int, int, int], ...]) -> None:
    """The published lower bound: no area or no grade anywhere."""
    is_clear = all(area == 0 or erythema + induration + scale == 0 for area, erythema, induration, scale in rows)
    assert (index(rows) == 0) == is_clear


@pytest.mark.parametrize("missing", ["area_score", "erythema", "induration", "scale_amount"])
def test_one_unknown_part_leaves_the_whole_unknown(missing: str) -> None:
    """Unknown is never counted as 0."""
    known = {"area_score": 1, "erythema": 2, "induration": 2, "scale_amount": 2, missing: None}
    rows = [RegionScore(region, None, 0) for region in REGIONS[1:]]
    assert total_tenths([RegionScore("head", None, **known), *rows]) is None


def test_a_region_without_area_needs_no_grades() -> None:
    """Whoever enters 0 % has looked: the part is 0."""
    assert RegionScore("lower", 0.0, 0).tenths == 0


def test_the_sites_lie_in_the_regions_of_the_vocabulary() -> None:
    """The code's table is the one of the vocabulary's body sites; nails and "other" lie nowhere."""
    sites = Vocabulary.load().lists["body_site"].terms
    listed = {name: term.facts["pasi_region"] for name, term in sites.items() if "pasi_region" in term.facts}
    assert dict(REGION_OF_SITE) == listed
    assert not {"fingernail", "toenail", "other"} & set(listed)


@pytest.mark.parametrize(
    ("areas", "bounds"),
    [
        ({}, (0, 100)),
        ({"head": 50, "upper": 10, "trunk": 10, "lower": 10}, (14, 14)),
        ({"lower": 25}, (10, 70)),
        ({"head": 100, "upper": 100, "trunk": 100, "lower": 100}, (100, 100)),
    ],
)
def test_regions_imply_the_surface_by_their_share_of_the_skin(
    areas: dict[AffectedRegion, float], bounds: tuple[float, float]
) -> None:
    """Head 10, upper 20, trunk 30, lower 40 % of the body; what is not entered lies anywhere between."""
    assert implied_bsa(areas) == pytest.approx(bounds)
