"""Sample the signs, the intake and the labels of one drawn case; the labels follow from the signs, never from the tone.

The order of the draws is the point of this module. The target syndrome and the target mechanism are drawn first and
without looking at the skin tone; signs and intake are then drawn until the points rule gives exactly these labels.
So P(syndrome | tone) is the same for every tone although colour counts nothing on the two darkest ones
(clinical-vocabulary section 16; inflammation is drawn violaceous or grey-brown there). Nothing here draws a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from calibration.reference.intake_draw import draw_intake

SYNDROMES = ("blood_heat", "blood_dryness", "blood_stasis")
MECHANISM_OF = {
    "blood_heat": "blood_heat_internal",
    "blood_dryness": "blood_dryness_wind",
    "blood_stasis": "blood_stasis",
}
UNKNOWN = "insufficient_information"
DARK_TONES = (4, 5)
LONG = ("three_to_twelve_months", "more_than_one_year", "more_than_five_years")
VERY_LONG = ("more_than_one_year", "more_than_five_years")
ARRANGEMENTS = {
    "guttate": ("scattered", "grouped"),
    "nummular": ("single", "scattered", "grouped", "confluent", "single", "confluent"),
    "geographic": ("single", "scattered", "confluent"),
}


@dataclass(frozen=True, slots=True)
class Signs:
    """What is truly on the skin of one case, shared by all its views.

    ``variant`` says which kind of thing a family is drawn as (``pearly``, ``naevus``, ...); it is not a label.
    ``distribution`` and ``symmetry`` are what an overview shows when there is one.
    """

    applicability: str
    family: str
    colour: str
    scale_type: str
    induration: int | None
    border: str
    shape: str
    arrangement: str
    distribution: str = "cannot_tell"
    symmetry: str = "cannot_tell"
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled case without its pictures: signs, intake and the labels that the points rule gives."""

    signs: Signs
    intake: Mapping[str, Any]
    mechanism: str
    syndrome: str


def mechanism_points(signs: Signs) -> dict[str, int]:
    """Count the points of the three mechanisms from what pictures show; colour off the red scale counts nothing."""
    return {
        "blood_heat_internal": 2 * (signs.colour == "bright_red") + (signs.shape == "guttate"),
        "blood_dryness_wind": 2 * (signs.colour == "pale_red") + (signs.scale_type == "fine_branny"),
        "blood_stasis": 2 * (signs.colour == "dark_red")
        + (signs.induration == 3)
        + (signs.scale_type == "thick_adherent"),
    }


def syndrome_points(signs: Signs, intake: Mapping[str, Any]) -> dict[str, int]:
    """Count the points of the three syndromes (clinical-vocabulary section 16, the fields that stage 1 decides)."""
    tongue = intake.get("tongue") or {}
    pulse = set(intake.get("pulse") or ())
    general = intake.get("general") or {}
    duration, new = intake.get("duration"), intake.get("new_lesions_two_weeks")
    said = {sign for sign, answer in general.items() if answer == "yes"}
    texture = tongue.get("coating_texture") or ()
    body, feature = tongue.get("body_colour"), tongue.get("body_feature") or ()
    heat = 2 * (signs.colour == "bright_red") + 2 * (new == "yes") + (signs.shape == "guttate")
    heat += (body == "red") + (tongue.get("coating_colour") == "yellow")
    heat += bool(pulse & {"string_like", "slippery", "rapid"})
    heat += len(said & {"thirst", "irritable", "constipation", "dark_urine"}) >= 2
    dryness = 2 * (signs.colour == "pale_red") + (new == "no" and duration in LONG)
    dryness += (signs.scale_type == "fine_branny") + (body == "pale_red")
    dryness += tongue.get("coating_colour") == "none_or_peeled" or "thin" in texture
    dryness += bool(pulse & {"deep", "thready"}) + ("dry_throat" in said)
    stasis = 2 * (signs.colour == "dark_red") + (signs.induration == 3) + (signs.scale_type == "thick_adherent")
    stasis += (duration in VERY_LONG) + 2 * (body == "purple" or "ecchymosis" in feature)
    stasis += ("rough" in pulse) + (tongue.get("sublingual_veins") == "distended_tortuous")
    return {"blood_heat": int(heat), "blood_dryness": int(dryness), "blood_stasis": int(stasis)}


def leader(points: Mapping[str, int], *, least: int, lead: int) -> str:
    """Name the label with the most points, or ``insufficient_information`` below ``least`` or a lead below ``lead``."""
    order = sorted(points.items(), key=lambda item: -item[1])
    if order[0][1] >= least and order[0][1] - order[1][1] >= lead:
        return order[0][0]
    return UNKNOWN


def mechanism_of(signs: Signs) -> str:
    """Label the mechanism: the highest with at least one point and a lead of one."""
    return leader(mechanism_points(signs), least=1, lead=1)


def syndrome_of(signs: Signs, intake: Mapping[str, Any]) -> str:
    """Label the syndrome: the highest with at least four points and a lead of two."""
    return leader(syndrome_points(signs, intake), least=4, lead=2)


def sample_in_scope(rng: Random, *, tone: int) -> Sample:
    """Sample one psoriasis-like case whose labels are drawn before anything that depends on the tone.

    Args:
        rng: the case's own generator.
        tone: 1 (lightest) to 5; colour carries no points on 4 and 5.
    """
    syndrome = UNKNOWN if rng.random() < 0.15 else rng.choice(SYNDROMES)
    missing = rng.random() < 0.40
    mechanism = _target_mechanism(rng, syndrome=syndrome, missing=missing)
    contradictory = not missing and rng.random() < 0.05 / 0.60
    gap = _gap(rng, syndrome=syndrome, dark=tone in DARK_TONES) if missing else "none"
    while True:
        signs = psoriasis_signs(rng, dark=tone in DARK_TONES)
        if mechanism_of(signs) != mechanism:
            continue
        for _ in range(25):
            intake = draw_intake(rng, lean=syndrome, gap=gap, contradictory=contradictory)
            if syndrome_of(signs, intake) == syndrome:
                return Sample(signs=signs, intake=intake, mechanism=mechanism, syndrome=syndrome)


def _target_mechanism(rng: Random, *, syndrome: str, missing: bool) -> str:
    """Draw the mechanism label given the syndrome; never given the tone.

    Without tongue or pulse a syndrome reaches four points on dark skin only if the picture agrees with it, so
    disagreement is drawn only when both were examined, on every tone alike.
    """
    names = (*MECHANISM_OF.values(), UNKNOWN)
    if syndrome == UNKNOWN:
        return rng.choice(names)
    if missing or rng.random() < 0.45:
        return MECHANISM_OF[syndrome]
    return rng.choice([name for name in (*names, UNKNOWN) if name != MECHANISM_OF[syndrome]])


def _gap(rng: Random, *, syndrome: str, dark: bool) -> str:
    """Draw which examination is missing; dryness and stasis cannot reach four points on dark skin without both."""
    if dark and syndrome in ("blood_dryness", "blood_stasis"):
        return rng.choice(("tongue", "pulse"))
    return rng.choice(("both", "both", "tongue", "pulse"))


def psoriasis_signs(rng: Random, *, dark: bool) -> Signs:
    """Draw the visible signs of a psoriasis-like case; flat lesions always carry scale, else they would be mere stains."""
    scale = rng.choice(("none", "silvery_lamellar", "fine_branny", "thick_adherent"))
    induration = rng.choice((0, 1, 3)) if scale != "none" else rng.choice((1, 3))
    shape = rng.choice(("guttate", "nummular", "geographic"))
    arrangement = rng.choice(ARRANGEMENTS[shape])
    while scale == "none" and arrangement == "single":  # one smooth lesion could be any lump
        arrangement = rng.choice(ARRANGEMENTS[shape])
    return Signs(
        applicability="lesion_visible",
        family="papulosquamous",
        colour="grey_brown" if dark else rng.choice(("bright_red", "dark_red", "pale_red")),
        scale_type=scale,
        induration=induration,
        border=rng.choice(("well_defined", "ill_defined", "irregular")),
        shape=shape,
        arrangement=arrangement,
        distribution=rng.choice(("extensor", "truncal", "scalp", "acral", "generalised")),
        symmetry=rng.choice(("symmetric", "asymmetric")),
    )
