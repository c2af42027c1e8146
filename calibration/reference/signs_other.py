"""Sample what is not psoriasis-like: other families, healthy skin, stains that an eruption left, things.

None of them ever carries a syndrome or a mechanism. Lumps and pigmented spots have the most variants because a false
alarm on a real photograph would be made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from calibration.reference.intake_draw import draw_intake
from calibration.reference.signs import ARRANGEMENTS, DARK_TONES, SYNDROMES, UNKNOWN, Sample, Signs, draw_symmetry

OTHER_PLACES = ("extensor", "truncal", "acral", "generalised", "flexural", "photo_exposed", "localised")


def sample_out_of_scope(rng: Random, *, tone: int) -> Sample:
    """Sample another family, healthy skin, a mere pigment change or a thing that is not skin; never a syndrome."""
    draw = rng.random()
    if draw < 0.09:
        signs = not_skin_signs(rng)
    elif draw < 0.82:
        signs = other_family_signs(rng, dark=tone in DARK_TONES)
    else:
        signs = healthy_signs(rng)
    if signs.applicability in ("lesion_visible", "pigment_change_only"):
        # Only where an overview draws them; Rep says nothing about most of these cases.
        where = "dermatomal" if signs.family == "vesicular" and rng.random() < 0.6 else rng.choice(OTHER_PLACES)
        signs = replace(signs, distribution=where, symmetry=draw_symmetry(rng, where))
    gap = rng.choice(("none", "none", "both", "tongue", "pulse"))
    intake = draw_intake(rng, lean=rng.choice((*SYNDROMES, UNKNOWN)), gap=gap, contradictory=False)
    return Sample(signs=signs, intake=intake, mechanism=(UNKNOWN,), syndrome=UNKNOWN)


def other_family_signs(rng: Random, *, dark: bool) -> Signs:
    """Draw one of the other families with signs that suit it."""
    red = rng.choice(("violaceous", "grey_brown")) if dark else rng.choice(("bright_red", "dark_red", "pale_red"))
    names = list(_FAMILIES)
    family = rng.choices(names, [_FAMILIES[name][0] for name in names])[0]
    return _FAMILIES[family][1](rng, red)


def _eczematous(rng: Random, red: str) -> Signs:
    shape = rng.choice(("nummular", "geographic"))
    scale = rng.choice(("none", "none", "fine_branny", "greasy"))
    marks = [name for name in ("oozing", "crust", "excoriation", "lichenification") if rng.random() < 0.5] or ["crust"]
    return Signs(
        "lesion_visible",
        "eczematous",
        colours=(red, "yellow") if "crust" in marks else (red,),
        scale_type=scale,
        scale_amount=0 if scale == "none" else rng.choice((1, 2)),
        erythema=_erythema(rng, red),
        induration=rng.choice((0, 1, 2)),
        border="ill_defined",
        shape=shape,
        arrangement=rng.choice(ARRANGEMENTS[shape]),
        secondary=tuple(([] if scale == "none" else ["scale"]) + marks)[:3],
        variant=rng.choice(("acute", "dry")),
    )


def _annular(rng: Random, red: str) -> Signs:
    return Signs(
        "lesion_visible",
        "annular_scaly",
        colours=(red,),
        scale_type=rng.choice(("peripheral", "peripheral", "collarette")),
        scale_amount=rng.choice((1, 2)),
        erythema=_erythema(rng, red),
        induration=rng.choice((0, 1, 2)),
        border="well_defined",
        shape="annular",
        arrangement=rng.choice(("single", "scattered", "confluent")),
        secondary=("scale",),
        variant=rng.choice(("ring", "double_ring")),
    )


def _vesicular(rng: Random, red: str) -> Signs:
    return _bumps(
        rng, "vesicular", red, where=("grouped", "grouped", "scattered"), marks=("crust", "oozing"), high=(1, 2)
    )


def _bullous(rng: Random, red: str) -> Signs:
    return _bumps(rng, "bullous", red, where=("scattered", "single"), marks=("oozing", "crust"), high=(3, 4))


def _pustular(rng: Random, red: str) -> Signs:
    signs = _bumps(rng, "pustular", red, where=("scattered", "grouped", "generalised"), marks=("crust",), high=(1, 2))
    return replace(signs, colours=("yellow", red), variant=rng.choice(("dots", "dots", "lakes")))


def _bumps(
    rng: Random, family: str, red: str, *, where: tuple[str, ...], marks: tuple[str, ...], high: tuple[int, ...]
) -> Signs:
    """Blisters and pustules: domes on an inflamed ground."""
    return Signs(
        "lesion_visible",
        family,
        colours=(red,),
        scale_type="none",
        scale_amount=0,
        erythema=_erythema(rng, red),
        induration=rng.choice(high),
        border="well_defined",
        shape="round_oval",
        arrangement=rng.choice(where),
        secondary=tuple(name for name in marks if rng.random() < 0.3) or ("none",),
        variant=rng.choice(("fresh", "older")),
    )


def _ulcer(rng: Random, red: str) -> Signs:
    variant = rng.choice(("ulcer", "ulcer", "necrotic", "erosion"))
    return Signs(
        "lesion_visible",
        "ulcer_erosion",
        colours=(red, "black") if variant == "necrotic" else (red, "yellow") if variant == "ulcer" else (red,),
        scale_type="none",
        scale_amount=0,
        erythema=_erythema(rng, red),
        induration=0,
        border=rng.choice(("well_defined", "irregular")),
        shape=rng.choice(("round_oval", "irregular")),
        arrangement="single" if rng.random() < 0.8 else "scattered",
        secondary=("crust",) if rng.random() < 0.5 else ("oozing",) if rng.random() < 0.5 else ("none",),
        variant=variant,
    )


def _pigmented(rng: Random, _red: str) -> Signs:
    variant = rng.choice(("naevus", "raised_naevus", "many_colours", "many_colours", "flat_macule", "warty", "blue"))
    soft = rng.choice(("well_defined", "ill_defined"))
    return Signs(
        "lesion_visible",
        "pigmented_lesion",
        colours={"many_colours": ("brown", "black"), "blue": ("black",)}.get(variant, ("brown",)),
        induration={"raised_naevus": 3, "warty": 1, "blue": 1}.get(variant, 0),
        border={"many_colours": "irregular", "flat_macule": rng.choice(("ill_defined", "irregular"))}.get(
            variant, soft
        ),
        shape="irregular" if variant == "many_colours" else "round_oval",
        arrangement="single" if rng.random() < 0.75 else "scattered",
        variant=variant,
    )


def _nodule(rng: Random, red: str) -> Signs:
    """Draw a lump, an ulcerated tumour or a scaly little keratosis; the last two are what a false alarm is made of."""
    variant = rng.choice(
        ("pearly", "ulcerated", "keratotic", "red_dome", "keratosis", "keratosis", "scar_like", "superficial")
    )
    scale = {"keratotic": "thick_adherent", "keratosis": rng.choice(("fine_branny", "thick_adherent"))}
    kind = scale.get(variant, "none")
    marks = {"keratotic": ("scale",), "keratosis": ("scale",), "ulcerated": ("crust",), "scar_like": ("atrophy",)}
    return Signs(
        "lesion_visible",
        "nodule_tumour",
        colours=("skin_coloured",) if variant in ("pearly", "keratotic") else (red,),
        scale_type=kind,
        scale_amount=None if kind != "none" else 0,
        erythema=None,
        induration={"keratosis": 0, "scar_like": 0, "superficial": 1}.get(variant, 3),
        border={"keratosis": "ill_defined", "scar_like": "ill_defined"}.get(variant, "well_defined"),
        shape="round_oval",
        arrangement="single",
        secondary=marks.get(variant, ("none",)),
        variant=variant,
    )


def _purpuric(rng: Random, red: str) -> Signs:
    variant = rng.choice(("dots", "patches"))
    return Signs(
        "lesion_visible",
        "purpuric",
        colours=("violaceous",) if red in ("violaceous", "grey_brown") else (rng.choice(("violaceous", "dark_red")),),
        erythema=None,
        border="well_defined",
        shape="round_oval" if variant == "dots" else "irregular",
        arrangement=rng.choice(
            ("scattered", "grouped", "generalised") if variant == "dots" else ("scattered", "single")
        ),
        variant=variant,
    )


def _wheal(rng: Random, red: str) -> Signs:
    shape = rng.choice(("geographic", "annular", "round_oval"))
    return Signs(
        "lesion_visible",
        "wheal",
        colours=(red,) if red in ("violaceous", "grey_brown") else ("pink",),
        erythema=rng.choice((1, 2)),
        induration=rng.choice((1, 2)),
        border="well_defined",
        shape=shape,
        arrangement=rng.choice(("scattered", "confluent")),
        variant=rng.choice(("fresh", "fading")),
    )


def _hypopigmented(rng: Random, _red: str) -> Signs:
    shape = rng.choice(("round_oval", "irregular"))
    return Signs(
        "lesion_visible",
        "hypopigmented",
        colours=("white",),
        erythema=0,
        border="well_defined",
        shape=shape,
        arrangement=rng.choice(("scattered", "confluent", "single")),
        secondary=("hypopigmentation",),
        variant=rng.choice(("even", "trichrome")),
    )


def _burrow(rng: Random, red: str) -> Signs:
    return Signs(
        "lesion_visible",
        "burrow_papular",
        colours=(red,),
        erythema=_erythema(rng, red),
        induration=rng.choice((1, 2)),
        border="well_defined",
        shape="round_oval",
        arrangement=rng.choice(("scattered", "grouped")),
        secondary=("excoriation", "crust") if rng.random() < 0.4 else ("excoriation",),
        variant=rng.choice(("papules", "burrows")),
    )


def _erythema(rng: Random, red: str) -> int:
    return rng.choice({"pale_red": (1, 2), "bright_red": (3, 4), "dark_red": (3, 4)}.get(red, (1, 2, 3, 4)))


_FAMILIES: dict[str, tuple[int, Callable[[Random, str], Signs]]] = {
    "eczematous": (14, _eczematous),
    "annular_scaly": (11, _annular),
    "vesicular": (6, _vesicular),
    "bullous": (5, _bullous),
    "pustular": (6, _pustular),
    "ulcer_erosion": (8, _ulcer),
    "pigmented_lesion": (18, _pigmented),
    "nodule_tumour": (26, _nodule),
    "purpuric": (5, _purpuric),
    "wheal": (5, _wheal),
    "hypopigmented": (4, _hypopigmented),
    "burrow_papular": (4, _burrow),
}


def healthy_signs(rng: Random) -> Signs:
    """Draw healthy skin, or flat brown stains that an eruption left behind."""
    if rng.random() < 0.5:
        return Signs("normal_skin", "cannot_tell")
    return Signs(
        "pigment_change_only",
        "cannot_tell",
        colours=("brown",),
        border="ill_defined",
        shape=rng.choice(("guttate", "nummular")),
        arrangement=rng.choice(("scattered", "grouped")),
        secondary=("hyperpigmentation",),
        activity="remission",
    )


def not_skin_signs(rng: Random) -> Signs:
    """Draw a picture of something that is not skin at all."""
    kinds = ("gradient", "noise", "cloth", "checks", "text", "objects", "leaves", "wood", "bricks", "landscape", "sand")
    return Signs(
        "not_skin",
        "cannot_tell",
        scale_type="cannot_tell",
        scale_amount=None,
        erythema=None,
        induration=None,
        secondary=("cannot_tell",),
        variant=rng.choice(kinds),
    )
