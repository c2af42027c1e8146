"""The labels of drawn cases, worked by hand: each follows from one rule, and none from the skin's tone."""

from __future__ import annotations

import dataclasses

import pytest

from calibration.reference.labels import (
    primary_lesion,
    readable,
    reasoning_labels,
    representation_labels,
    special,
    view_labels,
)
from calibration.reference.signs import Signs, trend_of
from edge_agent.agents.evidence.record import Record

PLAQUE = Signs(
    applicability="lesion_visible",
    family="papulosquamous",
    colours=("dark_red",),
    scale_type="silvery_lamellar",
    scale_amount=2,
    erythema=3,
    induration=2,
    border="well_defined",
    shape="nummular",
    arrangement="scattered",
    secondary=("scale",),
    activity="stationary",
    distribution="extensor",
    symmetry="symmetric",
)


def told(**changes: object) -> Signs:
    return dataclasses.replace(PLAQUE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "band"),
    [(1, "one"), (2, "two_to_five"), (5, "two_to_five"), (6, "six_to_twenty"), (20, "six_to_twenty"),
     (21, "more_than_twenty"), (400, "more_than_twenty")],
)  # fmt: skip
def test_counts_fall_into_bands(count: int, band: str) -> None:
    """A band's upper number belongs to it."""
    assert view_labels(PLAQUE, "close_up", count=count, share=0.2)["count_in_view"] == band


@pytest.mark.parametrize(
    ("share", "band"),
    [(0.0, "lt_10"), (0.0999, "lt_10"), (0.1, "10_29"), (0.2999, "10_29"), (0.3, "30_49"), (0.4999, "30_49"),
     (0.5, "50_69"), (0.6999, "50_69"), (0.7, "70_89"), (0.8999, "70_89"), (0.9, "ge_90"), (1.0, "ge_90")],
)  # fmt: skip
def test_shares_fall_into_bands(share: float, band: str) -> None:
    """A band's lower number belongs to it: PASI's own borders of the area score."""
    assert view_labels(PLAQUE, "regional", count=3, share=share)["surface_share"] == band


def test_a_near_view_tells_every_field() -> None:
    """Nothing of a plaque is left unsaid, and lists are tuples."""
    assert view_labels(PLAQUE, "close_up", count=3, share=0.35) == {
        "applicability": "lesion_visible",
        "family": "papulosquamous",
        "primary_lesion": ("plaque",),
        "secondary_change": ("scale",),
        "colour": ("dark_red",),
        "scale_type": "silvery_lamellar",
        "scale_amount": 2,
        "erythema": 3,
        "induration": 2,
        "border": "well_defined",
        "shape": ("nummular",),
        "arrangement": "scattered",
        "count_in_view": "two_to_five",
        "surface_share": "30_49",
        "special": ("none",),
    }


def test_an_overview_tells_applicability_and_colour_only() -> None:
    """What a picture of that distance cannot show is cannot_tell, a grade null."""
    labels = view_labels(PLAQUE, "overview", count=3, share=0.35)
    assert (labels.pop("applicability"), labels.pop("colour")) == ("lesion_visible", ("dark_red",))
    assert [labels.pop(name) for name in ("scale_amount", "erythema", "induration")] == [None] * 3
    assert set(labels.values()) == {"cannot_tell", ("cannot_tell",)}


@pytest.mark.parametrize("applicability", ["normal_skin", "not_skin"])
def test_where_nothing_is_drawn_nothing_is_counted(applicability: str) -> None:
    """No lesion has no number and no share of the skin; zero would be a finding."""
    labels = view_labels(Signs(applicability, "cannot_tell"), "close_up", count=0, share=0.0)
    assert (labels["count_in_view"], labels["surface_share"]) == ("cannot_tell", "cannot_tell")


@pytest.mark.parametrize(
    ("signs", "lesions"),
    [
        (told(), ("plaque",)),
        (told(induration=0), ("patch",)),
        (told(activity="progressive"), ("plaque", "papule")),
        (told(activity="progressive", induration=0), ("patch", "papule")),
        (told(shape="guttate"), ("papule",)),
        (told(shape="guttate", induration=0), ("macule",)),
        (told(family="vesicular", variant="fresh"), ("vesicle",)),
        (told(family="bullous", variant="older"), ("bulla",)),
        (told(family="pustular", variant="lakes"), ("pustule",)),
        (told(family="purpuric", variant="dots"), ("purpura",)),
        (told(family="wheal", variant="fading"), ("wheal",)),
        (told(family="burrow_papular", variant="burrows"), ("papule",)),
        (told(family="hypopigmented", variant="even"), ("patch",)),
        (told(family="ulcer_erosion", variant="ulcer"), ("ulcer",)),
        (told(family="ulcer_erosion", variant="necrotic"), ("ulcer",)),
        (told(family="ulcer_erosion", variant="erosion"), ("erosion",)),
        (told(family="pigmented_lesion", variant="naevus"), ("macule",)),
        (told(family="pigmented_lesion", variant="raised_naevus"), ("papule",)),
        (told(family="nodule_tumour", variant="pearly"), ("nodule",)),
        (told(family="nodule_tumour", variant="keratosis"), ("patch",)),
        (told(applicability="pigment_change_only", family="cannot_tell"), ("macule",)),
        (told(applicability="normal_skin", family="cannot_tell"), ("cannot_tell",)),
        (told(applicability="not_skin", family="cannot_tell"), ("cannot_tell",)),
    ],
)
def test_the_primary_lesion_follows_from_form_and_relief(signs: Signs, lesions: tuple[str, ...]) -> None:
    """Raised or flat, small or large, and what the family is made of; the leading one first."""
    assert primary_lesion(signs) == lesions


@pytest.mark.parametrize(
    ("signs", "named"),
    [
        (told(), ("none",)),
        (told(shape="annular"), ("central_clearing",)),
        (told(activity="regressing"), ("white_halo", "central_clearing")),
        (told(activity="regressing", shape="annular"), ("white_halo", "central_clearing")),
        (told(family="nodule_tumour", variant="pearly"), ("pearly_border",)),
        (told(family="pigmented_lesion", variant="many_colours"), ("several_colours", "asymmetry")),
        (told(family="ulcer_erosion", variant="necrotic"), ("necrotic_area",)),
        (told(applicability="not_skin"), ("cannot_tell",)),
    ],
)
def test_special_signs_are_those_that_are_drawn(signs: Signs, named: tuple[str, ...]) -> None:
    """Each has its own reason in the drawing."""
    assert special(signs) == named


def represented(signs: Signs, *, in_scope: bool = True, has_overview: bool = True) -> dict[str, object]:
    return representation_labels(signs, ("blood_stasis",), in_scope=in_scope, has_overview=has_overview)


@pytest.mark.parametrize(
    ("signs", "in_scope", "has_overview", "phenotype"),
    [
        (told(), True, True, "chronic_plaque"),
        (told(shape="guttate"), True, True, "guttate"),
        (told(distribution="flexural"), True, True, "flexural"),
        (told(distribution="flexural", shape="guttate"), True, True, "flexural"),
        (told(distribution="flexural"), True, False, "chronic_plaque"),  # nobody saw where it is
        (told(family="eczematous"), False, True, "not_psoriasis_like"),
        (told(applicability="normal_skin", family="cannot_tell"), False, True, "cannot_tell"),
        (told(applicability="pigment_change_only", family="cannot_tell"), False, True, "cannot_tell"),
    ],
)
def test_the_phenotype_follows_from_place_and_form(
    signs: Signs, in_scope: bool, has_overview: bool, phenotype: str
) -> None:
    """The place counts only where an overview shows it."""
    assert represented(signs, in_scope=in_scope, has_overview=has_overview)["phenotype"] == phenotype


def test_without_an_overview_place_and_symmetry_cannot_be_told() -> None:
    """The stage and the mechanism are read from near views all the same."""
    labels = represented(PLAQUE, has_overview=False)
    assert labels["distribution"] == ("cannot_tell",)
    assert labels["symmetry"] == "cannot_tell"
    assert (labels["stage"], labels["mechanism"]) == ("stationary", ("blood_stasis",))


def concluded(signs: Signs, **representation: object) -> dict[str, object]:
    whole = {**represented(signs), **representation}
    return reasoning_labels(signs, whole, "blood_stasis", None)["biomedical"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("signs", "named"),
    [
        (told(), ("other_or_unknown",)),
        (told(border="ill_defined"), ("eczema_unspecified",)),
        (told(scale_type="greasy"), ("seborrhoeic_dermatitis",)),
        (told(distribution="scalp"), ("seborrhoeic_dermatitis",)),
        (told(arrangement="single"), ("dermatophytosis",)),
        (told(scale_type="collarette"), ("pityriasis_rosea",)),
        (told(border="ill_defined", arrangement="single"), ("eczema_unspecified", "dermatophytosis")),
        (
            told(border="ill_defined", scale_type="greasy", arrangement="single"),
            ("eczema_unspecified", "seborrhoeic_dermatitis"),  # at most two
        ),
    ],
)
def test_the_differential_looks_at_one_sign_each(signs: Signs, named: tuple[str, ...]) -> None:
    """Border, scale, place and number; never more than two."""
    assert concluded(signs)["differential"] == named


@pytest.mark.parametrize("colour", ["bright_red", "dark_red", "pale_red", "violaceous", "grey_brown"])
@pytest.mark.parametrize("signs", [told(), told(border="ill_defined"), told(arrangement="single")])
def test_a_colour_never_names_a_condition(colour: str, signs: Signs) -> None:
    """On dark skin a colour would make a tone stand for a condition; erythema is as silent."""
    other = dataclasses.replace(signs, colours=(colour,), erythema=1)
    assert concluded(other) == concluded(signs)


@pytest.mark.parametrize(
    ("phenotype", "working"),
    [
        ("chronic_plaque", "plaque_psoriasis"),
        ("guttate", "guttate_psoriasis"),
        ("flexural", "flexural_psoriasis"),
        ("cannot_tell", "plaque_psoriasis"),
        ("not_psoriasis_like", "other_or_unknown"),
    ],
)
def test_the_working_condition_is_the_phenotypes(phenotype: str, working: str) -> None:
    """One condition per phenotype."""
    assert concluded(PLAQUE, phenotype=phenotype)["working"] == working


@pytest.mark.parametrize(
    ("syndrome", "principle", "formula"),
    [
        ("blood_heat", ("clear_heat_cool_blood", "resolve_toxin_clear_macules"), "xijiao_dihuang_tang"),
        ("blood_dryness", ("nourish_blood_moisten", "extinguish_wind"), "danggui_yinzi"),
        ("blood_stasis", ("activate_blood_resolve_stasis", "move_qi"), "taohong_siwu_tang"),
        ("insufficient_information", ("cannot_tell",), "cannot_tell"),
    ],
)
def test_principle_and_formula_follow_from_the_syndrome(
    syndrome: str, principle: tuple[str, ...], formula: str
) -> None:
    """Written out by hand from section 5.3; without a syndrome there is neither."""
    labels = reasoning_labels(PLAQUE, represented(PLAQUE), syndrome, None)
    assert (labels["syndrome"], labels["principle"], labels["formula"]) == (syndrome, principle, formula)


ORDER = ("progressive", "stationary", "regressing", "remission")  # from more to less active


@pytest.mark.parametrize("then", [*ORDER, "cannot_tell"])
@pytest.mark.parametrize("now", [*ORDER, "cannot_tell"])
def test_the_trend_compares_two_stages(now: str, then: str) -> None:
    """All twenty-five pairs: further along the order is less active; an unknown stage compares with nothing."""
    if "cannot_tell" in (now, then):
        expected = "cannot_tell"
    else:
        difference = ORDER.index(now) - ORDER.index(then)
        expected = "unchanged" if difference == 0 else "less_active" if difference > 0 else "more_active"
    assert trend_of(now, {"stage": then}) == expected


def test_a_first_visit_has_no_trend() -> None:
    """Without an earlier visit nothing is compared, whatever the stage."""
    assert {trend_of(stage, None) for stage in (*ORDER, "cannot_tell")} == {"first_visit"}


def test_reason_is_shown_only_what_it_was_trained_to_read() -> None:
    """Other fields fall out of the record; a pointer's view number does not matter."""
    values = {"view:7.colour": ("dark_red",), "view:7.special": ("none",), "intake.pulse": ("rapid",), "intake.age": 40}
    record = readable(Record(values))
    assert dict(record.values) == {"view:7.colour": ("dark_red",), "intake.pulse": ("rapid",)}
