"""Rules of the sampled signs: labels follow from signs, and a skin tone can never stand for a syndrome."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable

import pytest

from calibration.reference.agents_spec import (
    BIOMEDICAL_VALUES,
    GENERAL,
    LIST_FIELDS,
    PLAN_OF,
    REASON_VALUES,
    REC_VALUES,
    REP_VALUES,
)
from calibration.reference.cases import SPLITS, TONES, RenderedCase, text_case
from calibration.reference.labels import reasoning_labels, view_labels
from calibration.reference.list_values import items
from calibration.reference.signs import (
    Signs,
    leader,
    mechanism_of,
    mechanism_points,
    mechanisms_of,
    syndrome_of,
    syndrome_points,
)

PLAIN = Signs(
    applicability="lesion_visible",
    family="papulosquamous",
    colours=("grey_brown",),
    scale_type="silvery_lamellar",
    scale_amount=2,
    erythema=2,
    induration=1,
    border="well_defined",
    shape="nummular",
    arrangement="scattered",
    secondary=("scale",),
    activity="stationary",
)
NOTHING_SAID: dict[str, object] = {
    "duration": "one_to_three_months",
    "new_lesions_two_weeks": "unknown",
    "tongue": {"body_colour": "not_examined", "body_feature": [], "coating_colour": "not_examined"},
    "pulse": ["not_examined"],
    "general": dict.fromkeys(GENERAL, "no"),
}


@pytest.fixture(scope="module")
def cases() -> list[RenderedCase]:
    return [text_case("train", index) for index in range(5000)]


# One row per line of the points table: what is changed, which syndrome gains, how many points (vocabulary section 16).
POINTS: list[tuple[dict[str, object], dict[str, object], str, int]] = [
    ({"colours": ("bright_red",)}, {}, "blood_heat", 2),
    ({}, {"new_lesions_two_weeks": "yes"}, "blood_heat", 2),
    ({"shape": "guttate"}, {}, "blood_heat", 1),
    ({"activity": "progressive"}, {}, "blood_heat", 1),
    ({"scale_amount": 3}, {}, "blood_heat", 1),
    ({}, {"tongue": {"body_colour": "red"}}, "blood_heat", 1),
    ({}, {"tongue": {"coating_colour": "yellow"}}, "blood_heat", 1),
    ({}, {"pulse": ["rapid", "slippery"]}, "blood_heat", 1),
    ({}, {"general": {"thirst": "yes", "dark_urine": "yes"}}, "blood_heat", 1),
    ({"colours": ("pale_red",)}, {}, "blood_dryness", 2),
    ({}, {"new_lesions_two_weeks": "no", "duration": "three_to_twelve_months"}, "blood_dryness", 1),
    ({"scale_type": "fine_branny"}, {}, "blood_dryness", 1),
    ({"secondary": ("scale", "fissure")}, {}, "blood_dryness", 1),
    ({}, {"tongue": {"body_colour": "pale_red"}}, "blood_dryness", 1),
    ({}, {"tongue": {"coating_colour": "none_or_peeled"}}, "blood_dryness", 1),
    ({}, {"tongue": {"coating_texture": ["thin"]}}, "blood_dryness", 1),
    ({}, {"pulse": ["deep"]}, "blood_dryness", 1),
    ({}, {"general": {"dry_throat": "yes"}}, "blood_dryness", 1),
    ({"colours": ("dark_red",)}, {}, "blood_stasis", 2),
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
            assert case.representation["mechanism"] == mechanisms_of(case.signs)
            assert case.representation["mechanism"][0] == mechanism_of(case.signs)


def is_psoriasis(case: RenderedCase) -> bool:
    """Say whether psoriasis-like lesions were drawn, whatever else another view shows."""
    return case.signs.family == "papulosquamous"


def test_out_of_scope_cases_are_never_given_a_syndrome(cases: list[RenderedCase]) -> None:
    """Another family, healthy skin and things carry no syndrome and no mechanism."""
    for case in cases:
        if not is_psoriasis(case):
            assert not case.in_scope
            assert case.reasoning["syndrome"] == "insufficient_information"
            assert (case.reasoning["principle"], case.reasoning["formula"]) == (("cannot_tell",), "cannot_tell")
            assert case.representation["mechanism"] == ("insufficient_information",)
            assert case.previous is None


@pytest.mark.parametrize(
    ("changes", "mechanism"),
    [
        ({"colours": ("bright_red",)}, ("blood_heat_internal",)),
        ({"colours": ("bright_red",), "secondary": ("scale", "crust")}, ("blood_heat_internal", "heat_toxin")),
        ({"scale_amount": 4, "secondary": ("crust",)}, ("blood_heat_internal", "heat_toxin")),  # no colour is needed
        ({"scale_type": "thick_adherent"}, ("blood_stasis",)),
        ({"induration": 4, "secondary": ("lichenification",)}, ("blood_stasis", "qi_stagnation")),
        ({"induration": 4, "secondary": ("crust",)}, ("blood_stasis",)),
        ({"scale_amount": 4, "secondary": ("lichenification",)}, ("blood_heat_internal",)),
        ({"secondary": ("fissure", "crust", "lichenification")}, ("blood_dryness_wind",)),
        ({"secondary": ("crust", "lichenification")}, ("insufficient_information",)),
    ],
)
def test_crusts_add_heat_toxin_and_thick_folds_qi_stagnation(
    changes: dict[str, object], mechanism: tuple[str, ...]
) -> None:
    """Worked by hand: each second mechanism stands only behind its own first one."""
    assert mechanisms_of(dataclasses.replace(PLAIN, **changes)) == mechanism  # type: ignore[arg-type]


def test_both_further_mechanisms_are_drawn(cases: list[RenderedCase]) -> None:
    """Each often enough to be learnt, and never alone or in front."""
    seen = Counter(case.representation["mechanism"] for case in cases if case.in_scope)
    assert seen["blood_heat_internal", "heat_toxin"] > 40
    assert seen["blood_stasis", "qi_stagnation"] > 40
    assert {name for row in seen for name in row[1:]} == {"heat_toxin", "qi_stagnation"}
    assert not {row[0] for row in seen} & {"heat_toxin", "qi_stagnation"}


def test_a_colour_off_the_red_scale_gives_no_points() -> None:
    """On dark skin the picture's colour says nothing about a mechanism."""
    for colour in ("violaceous", "grey_brown"):
        signs = dataclasses.replace(PLAIN, colours=(colour,))
        assert set(mechanism_points(signs).values()) == {0}
        assert set(syndrome_points(signs, NOTHING_SAID).values()) == {0}


def test_three_percent_of_the_visits_show_two_diseases(cases: list[RenderedCase]) -> None:
    """One near view of several shows another disease; such a visit counts as out of scope."""
    visits = [case for case in cases if is_psoriasis(case)]
    both = [case for case in visits if case.odd_view is not None]
    assert 0.02 < len(both) / len(visits) < 0.04
    for case in both:
        assert not case.in_scope
        near = [n for n, shot in enumerate(case.shots) if shot != "overview"]
        assert len(near) > 1
        assert case.odd_view in near
    assert all(case.odd_view is None for case in cases if not is_psoriasis(case))


def test_an_earlier_visit_changes_the_trend_and_nothing_else(cases: list[RenderedCase]) -> None:
    """The labels without it are the same but for the trend; a third of the visits have one."""
    inside = [case for case in cases if case.in_scope]
    known = [case for case in inside if case.previous is not None]
    assert 0.27 < len(known) / len(inside) < 0.33
    for case in known:
        syndrome = case.reasoning["syndrome"]
        first = reasoning_labels(case.signs, case.representation, syndrome, None)
        then = reasoning_labels(case.signs, case.representation, syndrome, case.previous)
        assert first | {"trend": None} == then | {"trend": None}
        assert first["trend"] == "first_visit" != then["trend"]


def test_an_earlier_visit_does_not_give_the_syndrome_away(cases: list[RenderedCase]) -> None:
    """It often says something else, so that who copies it is often wrong."""
    known = [case for case in cases if case.in_scope and case.previous is not None]
    same = sum(case.previous["syndrome"] == case.reasoning["syndrome"] for case in known if case.previous)
    assert 0.4 < same / len(known) < 0.75


def test_every_trend_is_drawn(cases: list[RenderedCase]) -> None:
    """All five answers occur, so that the earlier stage has to be read."""
    seen = Counter(case.reasoning["trend"] for case in cases if case.in_scope)
    assert sorted(seen) == sorted(REASON_VALUES["trend"])
    assert min(seen.values()) > 40


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


TOLD: dict[str, Callable[[RenderedCase], str]] = {
    "syndrome": lambda case: str(case.reasoning["syndrome"]),
    "mechanism": lambda case: str(case.representation["mechanism"][0]),
    "both mechanisms": lambda case: str(case.representation["mechanism"]),
    "trend": lambda case: str(case.reasoning["trend"]),
    "conditions": lambda case: str(case.reasoning["biomedical"]["working"]),
}


@pytest.mark.parametrize("what", TOLD)
def test_a_tone_does_not_change_the_odds_of_a_label(cases: list[RenderedCase], what: str) -> None:
    """P(label | tone) is the same for every tone, within 3.7 standard errors (20 to 30 comparisons)."""
    assert _spread(cases, TOLD[what]) < 3.7


def test_the_tone_check_notices_a_planted_shortcut(cases: list[RenderedCase]) -> None:
    """The same check fails when one tone's cases are relabelled, so it is able to fail."""
    assert _spread(cases, lambda c: "blood_stasis" if c.tone == 5 else str(c.reasoning["syndrome"])) > 3.7


def test_colour_is_off_the_red_scale_on_dark_skin_only(cases: list[RenderedCase]) -> None:
    """Inflammation is violaceous or grey-brown on tones 4 and 5, each often, and never so on tones 1 to 3."""
    for case in cases:
        if case.in_scope:
            assert (case.signs.colour in ("violaceous", "grey_brown")) == (case.tone >= 4)
    dark = Counter(case.signs.colour for case in cases if case.in_scope and case.tone >= 4)
    assert min(dark["violaceous"], dark["grey_brown"]) > 0.4 * dark.total()


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
    names = ("colour", "scale_type", "scale_amount", "erythema", "induration", "border", "shape", "arrangement")
    for name in names:
        seen: Counter[object] = Counter()
        for case in cases:
            near = [shot for shot in case.shots if shot != "overview"] if case.in_scope else []
            seen.update(view_labels(case.signs, shot, count=3, share=0.2)[name] for shot in near)
        assert max(seen.values()) / sum(seen.values()) <= 0.45, name


def test_every_label_is_in_the_agents_vocabulary(cases: list[RenderedCase]) -> None:
    """No case asks an agent for a value, or for a longer list, than its grammar has."""
    for case in cases:
        told = [(REP_VALUES, case.representation), (BIOMEDICAL_VALUES, case.reasoning["biomedical"])]
        told += [(REC_VALUES, view_labels(case.signs, shot, count=3, share=0.2)) for shot in case.shots]
        told += [(REASON_VALUES, {name: case.reasoning[name] for name in REASON_VALUES})]
        for table, labels in told:
            assert set(labels) == set(table)
            for name, value in labels.items():
                assert isinstance(value, tuple) == (name in LIST_FIELDS)
                assert len(set(items(value))) == len(items(value)) <= LIST_FIELDS.get(name, 1)
                assert set(items(value)) <= set(table[name]), name
        assert (case.reasoning["principle"], case.reasoning["formula"]) == PLAN_OF[case.reasoning["syndrome"]]


def test_every_value_is_drawn(cases: list[RenderedCase]) -> None:
    """A value that no case shows could never be answered; only a picture that nobody can judge is not drawn."""
    seen: dict[str, set[object]] = {}
    for case in cases:
        for shot in case.shots:
            for name, value in view_labels(case.signs, shot, count=3, share=0.2).items():
                seen.setdefault(name, set()).update(items(value))
        for labels in (case.representation, case.reasoning["biomedical"], case.reasoning):
            for name, value in labels.items():
                if name not in ("biomedical", "reasoning_steps"):
                    seen.setdefault(name, set()).update(items(value))
    missing = {
        name: set(values) - seen[name]
        for table in (REC_VALUES, REP_VALUES, BIOMEDICAL_VALUES, REASON_VALUES)
        for name, values in table.items()
        if name not in ("count_in_view", "surface_share") and set(values) - seen[name]
    }
    assert missing == {"applicability": {"cannot_tell"}}


def test_without_an_overview_the_distribution_cannot_be_told(cases: list[RenderedCase]) -> None:
    """Distribution and symmetry are named exactly when an in-scope case has an overview."""
    for case in cases:
        if case.in_scope:
            named = case.representation["distribution"] != ("cannot_tell",)
            assert named == ("overview" in case.shots) == (case.representation["symmetry"] != "cannot_tell")


def test_in_scope_cases_have_a_near_view(cases: list[RenderedCase]) -> None:
    """The signs that decide a syndrome can be seen in at least one view."""
    assert all({"regional", "close_up"} & set(case.shots) for case in cases if case.in_scope)


def test_splits_never_share_a_case() -> None:
    """The same index in two splits is two different cases."""
    texts = [repr(text_case(split, index).intake) for split in SPLITS for index in range(200)]
    pairs = [tuple(texts[n * 200 : (n + 1) * 200]) for n in range(len(SPLITS))]
    assert len(set(pairs)) == len(SPLITS)


def test_the_same_case_is_drawn_twice_alike() -> None:
    """Sampling is a pure function of split and index."""
    assert text_case("test", 17) == text_case("test", 17)


def test_an_unknown_split_is_refused() -> None:
    """A misspelt split is a programmer's mistake, named with the right ones."""
    with pytest.raises(RuntimeError, match="train, calibration, test, ceiling"):
        text_case("training", 0)
