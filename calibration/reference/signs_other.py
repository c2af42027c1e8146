"""Sample what is not psoriasis-like: other families, healthy skin, stains that an eruption left, things.

None of them ever carries a syndrome or a mechanism. Lumps and pigmented spots have the most variants because a false
alarm on a real photograph would be made of them.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from calibration.reference.intake_draw import draw_intake
from calibration.reference.signs import ARRANGEMENTS, DARK_TONES, SYNDROMES, UNKNOWN, Sample, Signs


def sample_out_of_scope(rng: Random, *, tone: int) -> Sample:
    """Sample another family, healthy skin, a mere pigment change or a thing that is not skin; never a syndrome."""
    draw = rng.random()
    if draw < 0.107:
        signs = not_skin_signs(rng)
    elif draw < 0.77:
        signs = other_family_signs(rng, dark=tone in DARK_TONES)
    else:
        signs = healthy_signs(rng)
    if signs.applicability in ("lesion_visible", "pigment_change_only"):
        # Only where an overview draws them; the labels of an out-of-scope case say cannot_tell.
        where = rng.choice(("extensor", "truncal", "acral", "generalised"))
        signs = replace(signs, distribution=where, symmetry=rng.choice(("symmetric", "asymmetric")))
    gap = rng.choice(("none", "none", "both", "tongue", "pulse"))
    intake = draw_intake(rng, lean=rng.choice((*SYNDROMES, UNKNOWN)), gap=gap, contradictory=False)
    return Sample(signs=signs, intake=intake, mechanism=UNKNOWN, syndrome=UNKNOWN)


def other_family_signs(rng: Random, *, dark: bool) -> Signs:
    """Draw one of the four other families with signs that suit it."""
    red = "grey_brown" if dark else rng.choice(("bright_red", "dark_red", "pale_red"))
    family = rng.choices(("eczematous", "annular_scaly", "pigmented_lesion", "nodule_tumour"), (19, 18, 27, 36))[0]
    if family == "eczematous":
        shape = rng.choice(("nummular", "geographic"))
        return Signs(
            "lesion_visible",
            family,
            colour=red,
            scale_type=rng.choice(("none", "fine_branny")),
            induration=rng.choice((0, 1)),
            border="ill_defined",
            shape=shape,
            arrangement=rng.choice(ARRANGEMENTS[shape]),
        )
    if family == "annular_scaly":
        return Signs(
            "lesion_visible",
            family,
            colour=red,
            scale_type="peripheral",
            induration=rng.choice((0, 1)),
            border="well_defined",
            shape="annular",
            arrangement=rng.choice(("single", "scattered", "confluent")),
        )
    if family == "pigmented_lesion":
        variant = rng.choice(("naevus", "raised_naevus", "many_colours", "flat_macule", "warty", "blue"))
        return Signs(
            "lesion_visible",
            family,
            colour="brown",
            scale_type="none",
            induration={"raised_naevus": 3, "warty": 1, "blue": 1}.get(variant, 0),
            border={"many_colours": "irregular", "flat_macule": rng.choice(("ill_defined", "irregular"))}.get(
                variant, rng.choice(("well_defined", "ill_defined"))
            ),
            shape="round_oval",
            arrangement="single" if rng.random() < 0.75 else "scattered",
            variant=variant,
        )
    return _nodule(rng, red=red)


def _nodule(rng: Random, *, red: str) -> Signs:
    """Draw a lump, an ulcer or a scaly little keratosis; the last two are what a false alarm is made of."""
    variant = rng.choice(
        ("pearly", "ulcerated", "keratotic", "red_dome", "keratosis", "keratosis", "scar_like", "superficial")
    )
    scale = {"keratotic": "thick_adherent", "keratosis": rng.choice(("fine_branny", "thick_adherent"))}
    colour = {"pearly": "cannot_tell", "keratotic": "cannot_tell"}
    return Signs(
        "lesion_visible",
        "nodule_tumour",
        colour=colour.get(variant, red),
        scale_type=scale.get(variant, "none"),
        induration={"keratosis": 0, "scar_like": 0, "superficial": 1}.get(variant, 3),
        border={"keratosis": "ill_defined", "scar_like": "ill_defined"}.get(variant, "well_defined"),
        shape="round_oval",
        arrangement="single",
        variant=variant,
    )


def healthy_signs(rng: Random) -> Signs:
    """Draw healthy skin, or flat brown stains that an eruption left behind."""
    if rng.random() < 0.5:
        return Signs("normal_skin", "cannot_tell", "cannot_tell", "none", 0, *("cannot_tell",) * 3)
    shape = rng.choice(("guttate", "nummular"))
    return Signs(
        "pigment_change_only",
        "cannot_tell",
        "brown",
        "none",
        0,
        "ill_defined",
        shape,
        rng.choice(("scattered", "grouped")),
    )


def not_skin_signs(rng: Random) -> Signs:
    """Draw a picture of something that is not skin at all."""
    kinds = ("gradient", "noise", "cloth", "checks", "text", "objects", "leaves", "wood", "bricks", "landscape", "sand")
    unknown = ("cannot_tell",) * 3
    return Signs("not_skin", "cannot_tell", "cannot_tell", "cannot_tell", None, *unknown, variant=rng.choice(kinds))
