"""Rules of the sampled signs: labels follow from signs, and a skin tone can never stand for a syndrome."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable

import pytest

from calibration.reference.agents_spec import PLAN_OF, REASON_VALUES, REC_VALUES, REP_VALUES
from calibration.reference.cases import SPLITS, TONES, RenderedCase, text_case, view_labels
from calibration.reference.signs import Signs, leader, mechanism_of, syndrome_of, syndrome_points
from edge_agent.agents.prompts import GENERAL_SIGNS, render_intake

PLAIN = Signs(
    applicability="lesion_visible",
    family="papulosquamous",
    colour="grey_brown",
    scale_type="silvery_lamellar",
    induration=1,
    border="well_defined",
    shape="nummular",
    arrangement="scattered",
)
NOTHING_SAID: dict[str, object] = {
    "duration": "one_to_three_months",
    "new_lesions_two_weeks": "unknown",
    "tongue": {"body_colour": "not_examined", "body_feature": [], "coating_colour": "not_examined"},
    "pulse": ["not_examined"],
    "general": dict.fromkeys(GENERAL_SIGNS, "no"),
}


@pytest.fixture(scope="module")
def cases() -> list[RenderedCase]:
    return [text_case("train", index) for index in range(6000)]


# One row per line of the points table: what is changed, which syndrome gains, how many points (vocabulary section 16).
POINTS: list[tuple[dict[str, object], dict[str, object], str, int]] = [
    ({"colour": "bright_red"}, {}, "blood_heat", 2),
    ({}, {"new_lesions_two_weeks": "yes"}, "blood_heat", 2),
    ({"shape": "guttate"}, {}, "blood_heat", 1),
    ({}, {"tongue": {"body_colour": "red"}}, "blood_heat", 1),
    ({}, {"tongue": {"coating_colour": "yellow"}}, "blood_heat", 1),
    ({}, {"pulse": ["rapid", "slippery"]}, "blood_heat", 1),
    ({}, {"general": {"thirst": "yes", "dark_urine": "yes"}}, "blood_heat", 1),
    ({"colour": "pale_red"}, {}, "blood_dryness", 2),
    ({}, {"new_lesions_two_weeks": "no", "duration": "three_to_twelve_months"}, "blood_dryness", 1),
    ({"scale_type": "fine_branny"}, {}, "blood_dryness", 1),
    ({}, {"tongue": {"body_colour": "pale_red"}}, "blood_dryness", 1),
    ({}, {"tongue": {"coating_colour": "none_or_peeled"}}, "blood_dryness", 1),
    ({}, {"tongue": {"coating_texture": ["thin"]}}, "blood_dryness", 1),
    ({}, {"pulse": ["deep"]}, "blood_dryness", 1),
    ({}, {"general": {"dry_throat": "yes"}}, "blood_dryness", 1),
    ({"colour": "dark_red"}, {}, "blood_stasis", 2),
    ({"induration": 3}, {}, "blood_stasis", 1),
    ({"scale_type": "thick_adherent"}, {}, "blood_stasis", 1),
    ({}, {"duration": "more_than_one_year"}, "blood_stasis", 1),
    ({}, {"tongue": {"body_colour": "purple"}}, "blood_stasis", 2),
    ({}, {"tongue": {"body_feature": ["ecchymosis"]}}, "blood_stasis", 2),
    ({}, {"pulse": ["rough"]}, "blood_stasis", 1),
    ({}, {"tongue": {"sublingual_veins": "distended_tortuous"}}, "blood_stasis", 1),
]


@pytest.mark.parametrize(("sign", "said", "syndrome", "points"), POINTS)
def test_each_sign_counts_for_its_syndrome_only(
    sign: dict[str, object], said: dict[str, object], syndrome: str, points: int
) -> None:
    """A sign adds exactly its points to one syndrome and none to the others."""
    signs = dataclasses.replace(PLAIN, **sign)  # type: ignore[arg-type]
    expected = {"blood_heat": 0, "blood_dryness": 0, "blood_stasis": 0, syndrome: points}
    assert syndrome_points(signs, {**NOTHING_SAID, **said}) == expected


def test_one_general_sign_of_heat_is_not_enough() -> None:
    """Thirst alone gives no point; two of the four signs do."""
    intake = {**NOTHING_SAID, "general": {"thirst": "yes"}}
    assert syndrome_points(PLAIN, intake)["blood_heat"] == 0


def test_an_unexamined_tongue_and_pulse_give_no_points() -> None:
    """What nobody examined never counts for or against a syndrome."""
    assert set(syndrome_points(PLAIN, NOTHING_SAID).values()) == {0}


@pytest.mark.parametrize(
    ("points", "label"),
    [
        ({"a": 4, "b": 2, "c": 0}, "a"),
        ({"a": 4, "b": 3, "c": 0}, "insufficient_information"),
        ({"a": 3, "b": 0, "c": 0}, "insufficient_information"),
        ({"a": 0, "b": 1, "c": 6}, "c"),
    ],
)
def test_a_label_needs_points_and_a_lead(points: dict[str, int], label: str) -> None:
    """A syndrome is named at four points with a lead of two, else there is not enough information."""
    assert leader(points, least=4, lead=2) == label


def test_every_label_follows_from_the_signs(cases: list[RenderedCase]) -> None:
    """Syndrome and mechanism of an in-scope case are what the points rule says of its own signs and intake."""
    for case in cases:
        if case.in_scope:
            assert case.reasoning["syndrome"] == syndrome_of(case.signs, case.intake)
            assert case.representation["mechanism"] == mechanism_of(case.signs)


def test_out_of_scope_cases_are_never_given_a_syndrome(cases: list[RenderedCase]) -> None:
    """Another family, healthy skin and things carry no syndrome, mechanism or distribution."""
    for case in cases:
        if not case.in_scope:
            assert case.signs.family != "papulosquamous"
            assert case.reasoning == {
                "syndrome": "insufficient_information",
                "principle": "cannot_tell",
                "formula": "cannot_tell",
            }
            assert set(case.representation.values()) == {"cannot_tell", "insufficient_information"}


def _spread(cases: list[RenderedCase], label: Callable[[RenderedCase], str]) -> float:
    """Return the largest z-score of any label's share on one tone against its share on all tones."""
    inside = [case for case in cases if case.in_scope]
    overall = Counter(label(case) for case in inside)
    worst = 0.0
    for tone in TONES:
        here = [case for case in inside if case.tone == tone]
        counts = Counter(label(case) for case in here)
        for value, total in overall.items():
            p = total / len(inside)
            worst = max(worst, abs(counts[value] / len(here) - p) / math.sqrt(p * (1 - p) / len(here)))
    return worst


@pytest.mark.parametrize("what", ["syndrome", "mechanism"])
def test_a_tone_does_not_change_the_odds_of_a_label(cases: list[RenderedCase], what: str) -> None:
    """P(label | tone) is the same for every tone, within 3.7 standard errors (20 comparisons)."""

    def label(case: RenderedCase) -> str:
        return str(case.reasoning["syndrome"] if what == "syndrome" else case.representation["mechanism"])

    assert _spread(cases, label) < 3.7


def test_the_tone_check_notices_a_planted_shortcut(cases: list[RenderedCase]) -> None:
    """The same check fails when one tone's cases are relabelled, so it is able to fail."""
    assert _spread(cases, lambda c: "blood_stasis" if c.tone == 5 else str(c.reasoning["syndrome"])) > 3.7


def test_colour_is_off_the_red_scale_on_dark_skin_only(cases: list[RenderedCase]) -> None:
    """Inflammation is labelled grey_brown on tones 4 and 5 and never on tones 1 to 3."""
    for case in cases:
        if case.in_scope:
            assert (case.signs.colour == "grey_brown") == (case.tone >= 4)


def test_forty_percent_miss_tongue_or_pulse(cases: list[RenderedCase]) -> None:
    """In 40 % of in-scope cases at least one of tongue and pulse was not examined."""
    inside = [case.intake for case in cases if case.in_scope]
    missing = [i["pulse"] == ["not_examined"] or i["tongue"]["body_colour"] == "not_examined" for i in inside]
    assert 0.37 < sum(missing) / len(missing) < 0.43


def test_ten_to_twenty_percent_cannot_be_differentiated(cases: list[RenderedCase]) -> None:
    """Insufficient information is the right answer in 10-20 % of in-scope cases."""
    inside = [case for case in cases if case.in_scope]
    unknown = sum(case.reasoning["syndrome"] == "insufficient_information" for case in inside)
    assert 0.10 <= unknown / len(inside) <= 0.20


def test_no_value_dominates_a_field(cases: list[RenderedCase]) -> None:
    """Beyond applicability and family, no value is in more than 45 % of in-scope near views."""
    for name in ("colour", "scale_type", "induration", "border", "shape", "arrangement"):
        seen: Counter[object] = Counter()
        for case in cases:
            near = [shot for shot in case.shots if shot != "overview"] if case.in_scope else []
            seen.update(view_labels(case.signs, shot)[name] for shot in near)
        assert max(seen.values()) / sum(seen.values()) <= 0.45, name


def test_every_label_is_in_the_agents_vocabulary(cases: list[RenderedCase]) -> None:
    """No case asks an agent for a value that its grammar does not have."""
    for case in cases:
        for shot in case.shots:
            for name, value in view_labels(case.signs, shot).items():
                assert value in REC_VALUES[name]
        for name, value in case.representation.items():
            assert value in REP_VALUES[name]
        for name, value in case.reasoning.items():
            assert value in REASON_VALUES[name]
        assert (case.reasoning["principle"], case.reasoning["formula"]) == PLAN_OF[case.reasoning["syndrome"]]


def test_an_overview_tells_applicability_and_colour_only() -> None:
    """The fields that a picture of that distance cannot show are cannot_tell, induration None."""
    labels = view_labels(PLAIN, "overview")
    assert (labels.pop("applicability"), labels.pop("colour")) == ("lesion_visible", "grey_brown")
    assert labels.pop("induration") is None
    assert set(labels.values()) == {"cannot_tell"}


def test_without_an_overview_the_distribution_cannot_be_told(cases: list[RenderedCase]) -> None:
    """Distribution and symmetry are named exactly when an in-scope case has an overview."""
    for case in cases:
        if case.in_scope:
            named = case.representation["distribution"] != "cannot_tell"
            assert named == ("overview" in case.shots) == (case.representation["symmetry"] != "cannot_tell")


def test_in_scope_cases_have_a_near_view(cases: list[RenderedCase]) -> None:
    """The signs that decide a syndrome can be seen in at least one view."""
    assert all({"regional", "close_up"} & set(case.shots) for case in cases if case.in_scope)


def test_splits_never_share_a_case() -> None:
    """The same index in two splits is two different cases."""
    texts = [render_intake(text_case(split, index).intake) for split in SPLITS for index in range(200)]
    pairs = [tuple(texts[n * 200 : (n + 1) * 200]) for n in range(len(SPLITS))]
    assert len(set(pairs)) == len(SPLITS)


def test_the_same_case_is_drawn_twice_alike() -> None:
    """Sampling is a pure function of split and index."""
    assert text_case("test", 17) == text_case("test", 17)


def test_an_unknown_split_is_refused() -> None:
    """A misspelt split is a programmer's mistake, named with the right ones."""
    with pytest.raises(RuntimeError, match="train, calibration, test, ceiling"):
        text_case("training", 0)
