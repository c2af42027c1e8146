"""Severity of a visit: what is computed, what is missing, and that unknown never reads as mild."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.plan.pest import pest_score
from edge_agent.agents.representation import Described
from edge_agent.agents.severity.assess import Severity, severity_of
from edge_agent.agents.severity.pasi import REGIONS
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import form
from tests.simulators.graded import SITE_OF, plaque, said, visit

ALL_AREAS = {"head": 0, "upper": 0, "trunk": 35, "lower": 0}
BANDS = [None, "mild", "moderate", "severe"]


def graded(*described: Described, is_in_scope: bool = True, **answers: Any) -> Severity:
    return severity_of(visit(described, **answers), described, is_in_scope=is_in_scope)


def four(grades: tuple[int | None, int | None, int | None]) -> list[Described]:
    return [plaque(n, site=SITE_OF[region], grades=grades) for n, region in enumerate(REGIONS)]


def test_pasi_of_one_affected_region() -> None:
    """Trunk 35 % (A 3) with E3 I2 D2: 0.3 x 7 x 3 = 6.3 by hand; the clear regions count 0."""
    found = graded(plaque(grades=(3, 2, 2)), region_area_percent=ALL_AREAS)
    assert found.pasi.value == 6.3
    assert found.pasi.missing == () and found.local_score == ()


def test_pasi_at_its_maximum_is_72() -> None:
    """All regions wholly affected and graded 4."""
    found = graded(*four((4, 4, 4)), region_area_percent=dict.fromkeys(REGIONS, 100))
    assert found.pasi.value == 72.0


@given(
    st.dictionaries(st.sampled_from(REGIONS), st.floats(0, 100)),
    st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 4))] * 3), min_size=4, max_size=4),
)
def test_pasi_is_shown_only_when_nothing_is_missing(
    areas: dict[str, float], grades: list[tuple[int | None, int | None, int | None]]
) -> None:
    """A value and a missing part never stand together, one of the two always does, and the bounds hold."""
    views = [plaque(n, site=SITE_OF[region], grades=grades[n]) for n, region in enumerate(REGIONS)]
    found = graded(*views, region_area_percent=areas)
    assert (found.pasi.value is None) == bool(found.pasi.missing)
    assert found.pasi.value is None or 0 <= found.pasi.value <= 72


@pytest.mark.parametrize(
    ("views", "areas", "missing"),
    [
        ([plaque()], {**ALL_AREAS, "upper": 5}, [("region_not_seen", "upper")]),
        ([plaque()], {"head": 0, "trunk": 35, "lower": 0}, [("area_not_entered", "upper")]),
        ([plaque()], {"head": 0, "upper": 0, "lower": 0}, [("area_not_entered", "trunk")]),
        ([plaque(grades=(2, None, 2))], ALL_AREAS, [("induration_not_graded", "trunk")]),
        (
            [plaque(grades=(None, 2, None))],
            ALL_AREAS,
            [("erythema_not_graded", "trunk"), ("scale_amount_not_graded", "trunk")],
        ),
        ([plaque(site=None)], ALL_AREAS, [("region_not_seen", "trunk")]),
        ([plaque(site="fingernail")], ALL_AREAS, [("region_not_seen", "trunk")]),
        ([plaque(shot="nail")], ALL_AREAS, [("region_not_seen", "trunk")]),
    ],
)
def test_what_is_missing_is_named_with_its_region(
    views: list[Described], areas: dict[str, float], missing: list[tuple[str, str]]
) -> None:
    """Section 4: "PASI not computable: region X not seen"; no missing part is taken as 0."""
    found = graded(*views, region_area_percent=areas)
    assert found.pasi.value is None
    assert list(found.pasi.missing) == missing


def test_a_bundle_that_does_not_grade_redness_gives_missing_and_the_local_grades() -> None:
    """A value that the grammar fixed was looked at by nobody, even where it is a number."""
    fixed = said(0, is_decided=False)
    found = graded(plaque(grades=(None, 3, None), erythema=fixed), region_area_percent=ALL_AREAS)
    assert found.pasi.missing == (("erythema_not_graded", "trunk"), ("scale_amount_not_graded", "trunk"))
    assert [(row.erythema, row.induration, row.scale_amount) for row in found.local_score] == [(None, 3, None)]


@pytest.mark.parametrize(
    "fields",
    [
        {"erythema": said(3, is_withheld=True)},
        {"erythema": said(True)},
        {"erythema": said("3")},
        {"erythema": said(5)},
        {"erythema": said(-1)},
    ],
)
def test_only_a_kept_whole_grade_from_0_to_4_counts(fields: dict[str, Any]) -> None:
    """Withheld, boolean, text and out of range are not graded."""
    found = graded(plaque(**fields), region_area_percent=ALL_AREAS)
    assert found.pasi.missing == (("erythema_not_graded", "trunk"),)


@pytest.mark.parametrize(
    "fields",
    [
        {"family": said("eczematous")},
        {"family": said("cannot_tell", is_withheld=True)},
        {"applicability": said("normal_skin")},
    ],
)
def test_a_view_of_something_else_grades_no_region(fields: dict[str, Any]) -> None:
    """PASI is a score of psoriasis-like lesions."""
    found = graded(plaque(**fields), region_area_percent=ALL_AREAS)
    assert found.pasi.missing == (("region_not_seen", "trunk"),)
    assert found.local_score == ()


def test_the_highest_near_grade_stands_per_sign() -> None:
    """Maximum of the near views; an overview is used only where no nearer view tells the sign (trunk: A 3).

    E max(1, 3) = 3, I max(2, 1) = 2, D from the overview 4: 0.3 x 9 x 3 = 8.1.
    """
    views = [
        plaque(0, grades=(1, 2, None)),
        plaque(1, shot="regional", grades=(3, 1, None)),
        plaque(2, shot="overview", grades=(4, 4, 4)),
    ]
    assert graded(*views, region_area_percent=ALL_AREAS).pasi.value == 8.1


@pytest.mark.parametrize("shot", ["overview", "follow_up_match", None])
def test_thickness_needs_a_near_view(shot: str | None) -> None:
    """Section 2 field 9: only from a close-up or a regional picture, else null."""
    found = graded(plaque(shot=shot), region_area_percent=ALL_AREAS)
    assert found.pasi.missing == (("induration_not_graded", "trunk"),)
    assert found.local_score[0].induration is None and found.local_score[0].erythema == 2


@pytest.mark.parametrize(
    ("age", "reason"), [({"age_years": 17}, "minor"), ({"age_years": None, "age_months": 5}, "minor")]
)
def test_minors_have_surface_and_pga_only(age: dict[str, Any], reason: str) -> None:
    """PASI is not validated under 18; neither it nor its parts are shown."""
    found = graded(*four((4, 4, 4)), region_area_percent=dict.fromkeys(REGIONS, 100), bsa_percent=100, pga=4, **age)
    assert (found.pasi.value, found.pasi.reason, found.pasi.regions, found.local_score) == (None, reason, (), ())
    assert (found.bsa_percent, found.pga, found.band) == (100, 4, "severe")


def test_an_unknown_age_is_not_taken_for_an_adults() -> None:
    """Three-valued: without an age nobody can say that PASI holds."""
    found = graded(plaque(), region_area_percent=ALL_AREAS, age_years=None)
    assert (found.pasi.value, found.pasi.reason) == (None, "age_unknown")


def test_pasi_of_the_18th_birthday() -> None:
    """18 is an adult."""
    assert graded(plaque(), region_area_percent=ALL_AREAS, age_years=18).pasi.value == 5.4


def test_out_of_scope_has_no_pasi_but_a_clear_body_is_0() -> None:
    """No score of psoriasis for another disease; a body that a person entered as clear needs no model."""
    assert graded(plaque(), is_in_scope=False, region_area_percent=ALL_AREAS).pasi.reason == "not_in_scope"
    clear = graded(is_in_scope=False, region_area_percent=dict.fromkeys(REGIONS, 0))
    assert (clear.pasi.value, clear.pasi.reason) == (0.0, None)


@pytest.mark.parametrize(
    ("tone", "caution"),
    [
        ({}, None), ({"fitzpatrick": 4}, False), ({"fitzpatrick": 5}, True), ({"monk": 6}, False), ({"monk": 7}, True),
        ({"fitzpatrick": 3, "monk": 8}, True),
    ],
)  # fmt: skip
def test_darker_tones_carry_a_caution(tone: dict[str, Any], caution: bool | None) -> None:
    """Fitzpatrick 5-6 or Monk 7-10: redness is under-read; without an entered tone nobody knows."""
    told = graded(plaque(grades=(2, None, 2)), **tone).to_report()
    assert told["pasi"]["tone_caution"] is caution
    assert [row["tone_caution"] for row in told["local_score"]] == [caution]


@pytest.mark.parametrize(
    ("answers", "band"),
    [
        ({}, None),
        ({"bsa_percent": 0}, "mild"),
        ({"bsa_percent": 2.99}, "mild"),
        ({"bsa_percent": 3}, "moderate"),
        ({"bsa_percent": 10}, "moderate"),
        ({"bsa_percent": 10.01}, "severe"),
        ({"region_area_percent": {"trunk": 34}}, "severe"),
        ({"region_area_percent": {"trunk": 33}}, "moderate"),
        ({"region_area_percent": {"trunk": 9}}, None),
        ({"bsa_percent": 2, "region_area_percent": {"lower": 50}}, "severe"),
    ],
)
def test_the_band_of_the_surface(answers: dict[str, Any], band: str | None) -> None:
    """Section 4: mild < 3, moderate 3-10, severe > 10 %; regions raise where BSA is absent or contradicted.

    34 % of the trunk are 10.2 % of the body, 33 % are 9.9 %, 50 % of the lower limbs are 20 %.
    """
    assert graded(**answers).band == band


@pytest.mark.parametrize("site", ["face", "palm", "sole", "genital", "fingernail", "toenail"])
def test_a_high_impact_site_with_impact_7_is_severe(site: str) -> None:
    """Whatever the surface is, and also where it is unknown."""
    assert graded(plaque(site=site), impact_nrs=7, bsa_percent=1).band == "severe"
    assert graded(plaque(site=site), impact_nrs=7).band == "severe"
    assert graded(plaque(site=site), impact_nrs=6, bsa_percent=1).band == "mild"
    assert graded(plaque(site="back"), impact_nrs=10, bsa_percent=1).band == "mild"


def test_a_pasi_of_10_is_severe_at_a_small_surface() -> None:
    """Each region below 10 % (A 1) and graded 4, 3, 3: (0.1 + 0.2 + 0.3 + 0.4) x 10 = 10.0."""
    found = graded(*four((4, 3, 3)), region_area_percent=dict.fromkeys(REGIONS, 2), bsa_percent=2)
    assert (found.pasi.value, found.band, found.is_at_least) == (10.0, "severe", False)


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        ({}, ("bsa_percent", "pasi", "impact_nrs", "body_site")),
        ({"bsa_percent": 1}, ("pasi", "impact_nrs", "body_site")),
        ({"bsa_percent": 1, "impact_nrs": 6}, ("pasi",)),
        ({"bsa_percent": 1, "impact_nrs": 7}, ("pasi", "body_site")),
        ({"bsa_percent": 1, "impact_nrs": 2, "age_years": 10}, ()),
        ({"bsa_percent": 11}, ()),
    ],
)
def test_a_band_says_at_least_while_an_unknown_part_could_raise_it(
    answers: dict[str, Any], missing: tuple[str, ...]
) -> None:
    """The open parts are named; a minor's PASI can never be known and is not called open."""
    found = graded(**answers)
    assert found.missing == missing
    assert found.is_at_least == (found.band is not None and bool(missing))


@given(
    bsa=st.one_of(st.none(), st.floats(0, 100)),
    impact=st.one_of(st.none(), st.integers(0, 10)),
    site=st.sampled_from([None, "back", "face", "palm"]),
    areas=st.dictionaries(st.sampled_from(REGIONS), st.floats(0, 100)),
)
def test_answering_less_never_makes_a_visit_less_severe_than_it_says(
    bsa: float | None, impact: int | None, site: str | None, areas: dict[str, float]
) -> None:
    """Taking an answer away either leaves the band, or opens it: no band, or "at least" one that is not higher."""
    views = [plaque(site=site, shot="close_up")]
    full = graded(*views, bsa_percent=bsa, impact_nrs=impact, region_area_percent=areas)
    less = graded(*views, bsa_percent=bsa, impact_nrs=None, region_area_percent=areas)
    if BANDS.index(less.band) < BANDS.index(full.band):
        assert less.band is None or less.is_at_least
        assert "impact_nrs" in less.missing


@pytest.mark.parametrize(
    ("bsa", "areas", "is_warned"),
    [
        (14, {"head": 50, "upper": 10, "trunk": 10, "lower": 10}, False),
        (18, {"head": 50, "upper": 10, "trunk": 10, "lower": 10}, False),
        (30, {"head": 50, "upper": 10, "trunk": 10, "lower": 10}, True),
        (2, {"head": 50, "upper": 10, "trunk": 10, "lower": 10}, True),
        (40, {"lower": 25}, False),
        (3, {"lower": 25}, True),
        (90, {"lower": 25}, False),
        (None, {"lower": 25}, False),
        (50, {}, False),
    ],
)
def test_a_surface_far_from_its_regions_is_named_and_left_as_it_is(
    bsa: float | None, areas: dict[str, float], is_warned: bool
) -> None:
    """Further apart than 2 points and a third; 25 % of the lower limbs alone allow 10 to 70 % of the body."""
    found = graded(bsa_percent=bsa, region_area_percent=areas)
    assert (("bsa_differs_from_regions", None) in found.warnings) == is_warned
    assert found.bsa_percent == bsa


def test_the_shares_of_an_adult_say_nothing_of_a_child() -> None:
    """A child's head is more than a tenth of the skin: no implied surface, no band and no warning from regions."""
    areas = dict.fromkeys(REGIONS, 100)
    found = graded(bsa_percent=2, region_area_percent=areas, age_years=4, impact_nrs=0)
    assert (found.bsa_implied_percent, found.warnings, found.band) == (None, (), "mild")
    assert graded(region_area_percent=areas, age_years=4).band is None
    assert graded(region_area_percent=areas).bsa_implied_percent == 100.0


def test_a_lesion_in_a_region_entered_as_clear_is_named() -> None:
    """The person's 0 stands, and so does the contradiction."""
    found = graded(plaque(site="scalp"), region_area_percent=dict.fromkeys(REGIONS, 0))
    assert found.pasi.value == 0.0
    assert found.warnings == (("lesion_seen_where_area_is_zero", "head"),)


def test_an_affected_region_graded_clear_is_named() -> None:
    """A PASI of 0 over an affected skin is not taken for granted."""
    found = graded(plaque(grades=(0, 0, 0)), region_area_percent=ALL_AREAS)
    assert found.warnings == (("area_entered_but_graded_clear", "trunk"),)


def test_the_numbers_of_people_are_copied() -> None:
    """PGA and the four ratings as they were entered; what was not asked stays null."""
    told = graded(pga=0, itch_nrs=8, impact_nrs=0).to_report()
    assert told["pga"] == 0
    assert told["nrs"] == {"itch": 8, "pain": None, "sleep": None, "impact": 0}


def test_every_id_of_a_section_has_words_and_the_section_is_json() -> None:
    """Ids come from severity.toml; the section goes through JSON unchanged."""
    lists = Vocabulary.load().lists
    told = [
        graded(*four((0, 0, 0)), region_area_percent=dict.fromkeys(REGIONS, 30), bsa_percent=90).to_report(),
        graded(plaque(shot=None, grades=(None, None, None)), region_area_percent={**ALL_AREAS, "head": 3}).to_report(),
        graded(age_years=3).to_report(),
        graded(age_years=None).to_report(),
        graded(is_in_scope=False).to_report(),
        graded(plaque(site="scalp"), region_area_percent=dict.fromkeys(REGIONS, 0)).to_report(),
    ]
    for section in told:
        assert json.loads(json.dumps(section)) == section
        assert set(section["missing"]) <= set(lists["severity_input"].terms)
        assert {row["id"] for row in section["pasi"]["missing"]} <= set(lists["pasi_missing"].terms)
        assert section["pasi"]["reason"] in {None, *lists["pasi_reason"].terms}
        assert {row["id"] for row in section["warnings"]} <= set(lists["severity_warning"].terms)
        assert set(section["nrs"]) == set(lists["nrs"].terms)
    grades = [term.facts["grade"] for term in lists["pga"].terms.values()]
    assert grades == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("yes", "no", "score"),
    [(5, 0, 5), (3, 0, 3), (3, 2, 3), (2, 3, 2), (0, 5, 0), (1, 3, 1), (2, 2, None), (0, 0, None)],
)
def test_the_joint_score_is_known_only_where_open_answers_cannot_cross_3(yes: int, no: int, score: int | None) -> None:
    """Five questions; three yes are enough, three no too; in between the score is unknown."""
    items = ("pest_swollen_joint", "pest_told_arthritis", "pest_nail_pits", "pest_heel_pain", "pest_swollen_digit")
    told = ["yes"] * yes + ["no"] * no + ["not_examined"] * (5 - yes - no)
    assert pest_score(form(pest=dict(zip(items, told, strict=True)))) == score
