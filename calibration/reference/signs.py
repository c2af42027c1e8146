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
HEAT_PULSE = frozenset({"string_like", "slippery", "rapid"})
HEAT_SAID = frozenset({"thirst", "irritable", "constipation", "dark_urine"})
ARRANGEMENTS = {
    "guttate": ("scattered", "grouped", "generalised"),
    "nummular": ("single", "scattered", "grouped", "confluent", "single", "confluent", "linear", "generalised"),
    "geographic": ("single", "scattered", "confluent", "generalised"),
    "ostraceous": ("single", "scattered"),
    "annular": ("single", "scattered", "confluent"),
    "linear": ("single",),
    "diffuse": ("confluent",),
}
DISTRIBUTIONS = (
    "extensor", "truncal", "scalp", "acral", "generalised", "flexural", "localised", "photo_exposed", "nail",
)  # fmt: skip
ACTIVITY = ("progressive", "stationary", "regressing", "remission")  # the most active first
ONE_SIDED = ("localised", "dermatomal")
_SHAPES = ("guttate",) * 4 + ("nummular",) * 4 + ("geographic",) * 4 + ("ostraceous", "diffuse", "diffuse", "linear")
# What inflammation adds now and then; drawn apart from each other, so that none stands for another.
_EXTRAS = (
    ("crust", 0.1),
    ("excoriation", 0.1),
    ("fissure", 0.16),
    ("lichenification", 0.1),
    ("hyperpigmentation", 0.07),
    ("hypopigmentation", 0.05),
)
MAX_SECONDARY = 3


@dataclass(frozen=True, slots=True)
class Signs:
    """What is truly on the skin of one case, shared by all its views.

    ``colours`` and ``secondary`` name one or more ids, the leading first. ``activity`` is the stage as it is drawn.
    ``variant`` says which kind of thing a family is drawn as (``pearly``, ``naevus``, ...); it is not a label.
    ``distribution`` and ``symmetry`` are what an overview shows when there is one.
    """

    applicability: str
    family: str
    colours: tuple[str, ...] = ("cannot_tell",)
    scale_type: str = "none"
    scale_amount: int | None = 0
    erythema: int | None = 0
    induration: int | None = 0
    border: str = "cannot_tell"
    shape: str = "cannot_tell"
    arrangement: str = "cannot_tell"
    secondary: tuple[str, ...] = ("none",)
    activity: str = "cannot_tell"
    distribution: str = "cannot_tell"
    symmetry: str = "cannot_tell"
    variant: str = ""

    @property
    def colour(self) -> str:
        """Return the leading colour."""
        return self.colours[0]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled case without its pictures: signs, intake, what is known of an earlier visit, and the labels."""

    signs: Signs
    intake: Mapping[str, Any]
    mechanism: tuple[str, ...]
    syndrome: str
    previous: Mapping[str, str] | None = None


def mechanism_points(signs: Signs) -> dict[str, int]:
    """Count the points of the three mechanisms from what pictures show; colour off the red scale counts nothing."""
    return {
        "blood_heat_internal": 2 * (signs.colour == "bright_red") + _is_papular(signs) + _is_very_scaly(signs),
        "blood_dryness_wind": 2 * (signs.colour == "pale_red") + _is_dry(signs),
        "blood_stasis": 2 * (signs.colour == "dark_red") + _is_thick(signs) + (signs.scale_type == "thick_adherent"),
    }


def _is_papular(signs: Signs) -> int:
    return int(signs.shape == "guttate" or signs.activity == "progressive")  # new papules stand around the old


def _is_very_scaly(signs: Signs) -> int:
    return int((signs.scale_amount or 0) >= 3)


def _is_dry(signs: Signs) -> int:
    return int(signs.scale_type == "fine_branny" or "fissure" in signs.secondary)


def _is_thick(signs: Signs) -> int:
    return int((signs.induration or 0) >= 3)


def syndrome_points(signs: Signs, intake: Mapping[str, Any]) -> dict[str, int]:
    """Count the points of the three syndromes (clinical vocabulary, section 16).

    An earlier visit gives no points: what a program said then is no sign of today.
    """
    tongue = intake.get("tongue") or {}
    pulse = set(intake.get("pulse") or ())
    said = {sign for sign, answer in (intake.get("general") or {}).items() if answer == "yes"}
    duration, new = intake.get("duration"), intake.get("new_lesions_two_weeks")
    texture = tongue.get("coating_texture") or ()
    body, feature = tongue.get("body_colour"), tongue.get("body_feature") or ()
    heat = 2 * (signs.colour == "bright_red") + 2 * (new == "yes") + _is_papular(signs) + _is_very_scaly(signs)
    heat += (body == "red") + (tongue.get("coating_colour") == "yellow") + bool(pulse & HEAT_PULSE)
    heat += len(said & HEAT_SAID) >= 2
    dryness = 2 * (signs.colour == "pale_red") + (new == "no" and duration in LONG) + _is_dry(signs)
    dryness += (body == "pale_red") + (tongue.get("coating_colour") == "none_or_peeled" or "thin" in texture)
    dryness += bool(pulse & {"deep", "thready"}) + ("dry_throat" in said)
    stasis = 2 * (signs.colour == "dark_red") + _is_thick(signs) + (signs.scale_type == "thick_adherent")
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
    """Label the leading mechanism: the highest with at least one point and a lead of one."""
    return leader(mechanism_points(signs), least=1, lead=1)


def mechanisms_of(signs: Signs) -> tuple[str, ...]:
    """Label the mechanisms, the leading first: crusts add heat toxin to blood heat, thickened folds qi stagnation to
    stasis. Both additions are visible on every tone."""
    first = mechanism_of(signs)
    if first == "blood_heat_internal" and "crust" in signs.secondary:
        return (first, "heat_toxin")
    if first == "blood_stasis" and "lichenification" in signs.secondary:
        return (first, "qi_stagnation")
    return (first,)


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
    previous = draw_previous(rng, lean=syndrome) if rng.random() < 0.3 else None
    while True:
        signs = psoriasis_signs(rng, dark=tone in DARK_TONES)
        if mechanism_of(signs) != mechanism:
            continue
        for _ in range(25):
            intake = draw_intake(rng, lean=syndrome, gap=gap, contradictory=contradictory)
            if syndrome_of(signs, intake) == syndrome:
                return Sample(signs, intake, mechanisms_of(signs), syndrome, previous)


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
    shape = rng.choice(_SHAPES)
    kinds = ("none", "silvery_lamellar", "fine_branny", "thick_adherent") * 3 + ("greasy", "collarette")
    scale = "thick_adherent" if shape == "ostraceous" else rng.choice(kinds)
    if scale == "collarette" and shape not in ("nummular", "geographic"):
        scale = "silvery_lamellar"
    arrangement = rng.choice(ARRANGEMENTS[shape])
    while scale == "none" and arrangement == "single" and shape != "linear":  # one smooth lesion could be any lump
        shape = rng.choice(("guttate", "nummular", "geographic"))
        arrangement = rng.choice(ARRANGEMENTS[shape])
    colour = rng.choice(("violaceous", "grey_brown")) if dark else rng.choice(("bright_red", "dark_red", "pale_red"))
    where = rng.choice(DISTRIBUTIONS)
    extras = tuple(name for name, share in _EXTRAS if rng.random() < share)
    secondary = (*(("scale",) if scale != "none" else ()), *extras)[:MAX_SECONDARY]
    return Signs(
        applicability="lesion_visible",
        family="papulosquamous",
        colours=(colour,),
        scale_type=scale,
        scale_amount=_scale_amount(rng, scale=scale, shape=shape),
        erythema=rng.choice({"pale_red": (1, 2), "bright_red": (3, 4), "dark_red": (3, 4)}.get(colour, (1, 2, 3, 4))),
        induration=_induration(rng, scale=scale, shape=shape),
        border="ill_defined"
        if shape == "diffuse"
        else rng.choice(("well_defined", "ill_defined", "irregular", "mixed")),
        shape=shape,
        arrangement=arrangement,
        secondary=secondary or ("none",),
        activity=rng.choice(("progressive", "stationary", "regressing")),
        distribution=where,
        symmetry=draw_symmetry(rng, where),
    )


def draw_symmetry(rng: Random, distribution: str) -> str:
    """Draw the symmetry of a distribution; one place has no other side."""
    return "asymmetric" if distribution in ONE_SIDED else rng.choice(("symmetric", "asymmetric"))


def _scale_amount(rng: Random, *, scale: str, shape: str) -> int:
    if scale == "none":
        return 0
    if scale == "collarette":  # a thin ring is all there is
        return 1
    return rng.choice((3, 4)) if shape == "ostraceous" else rng.choice((1, 2, 3, 4))


def _induration(rng: Random, *, scale: str, shape: str) -> int:
    if shape == "ostraceous":
        return rng.choice((3, 4))
    if shape == "guttate":
        return rng.choice((1, 2)) if scale == "none" else rng.choice((0, 1, 2))
    return rng.choice((1, 2, 3, 4)) if scale == "none" else rng.choice((0, 1, 2, 3, 4))


def draw_previous(rng: Random, *, lean: str) -> dict[str, str]:
    """Draw what an earlier visit found; it leans towards today's syndrome without being bound to it."""
    agrees = lean in SYNDROMES and rng.random() < 0.55
    return {
        "stage": rng.choice((*ACTIVITY, "cannot_tell")),
        "phenotype": rng.choice(("chronic_plaque", "guttate", "flexural", "cannot_tell")),
        "syndrome": lean if agrees else rng.choice((*SYNDROMES, UNKNOWN)),
        "severity_band": rng.choice(("mild", "moderate", "severe", "not_examined")),
    }


def trend_of(stage: str, previous: Mapping[str, str] | None) -> str:
    """Compare the stage with the one of the earlier visit: the field that makes a model read that visit."""
    if previous is None:
        return "first_visit"
    if stage not in ACTIVITY or previous["stage"] not in ACTIVITY:
        return "cannot_tell"
    now, then = ACTIVITY.index(stage), ACTIVITY.index(previous["stage"])
    return "more_active" if now < then else "less_active" if now > then else "unchanged"
