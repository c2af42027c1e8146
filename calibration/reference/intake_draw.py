"""Draw one intake record: history, tongue, pulse and general signs as a health worker would write them.

What nobody examined is absent or ``not_examined``, never a normal value. Nothing here knows the skin tone.
"""

from __future__ import annotations

from random import Random
from typing import Any

_DURATIONS = (
    "less_than_one_week",
    "one_to_four_weeks",
    "one_to_three_months",
    "three_to_twelve_months",
    "more_than_one_year",
    "more_than_five_years",
)
_PULSES = ("string_like", "slippery", "rapid", "thready", "deep", "rough", "moderate")
_GENERAL = ("thirst", "dry_throat", "irritable", "constipation", "dark_urine")
# What each syndrome is expected to show (clinical-vocabulary 5.3): the draw leans towards it, it is not bound to it.
_DURATION_OF = {
    "blood_heat": _DURATIONS[:3],
    "blood_dryness": _DURATIONS[3:],
    "blood_stasis": _DURATIONS[4:],
}
_TONGUE_OF = {"blood_heat": "red", "blood_dryness": "pale_red", "blood_stasis": "purple"}
_COATING_OF = {"blood_heat": "yellow", "blood_dryness": "none_or_peeled", "blood_stasis": "white"}
_PULSE_OF = {
    "blood_heat": ("string_like", "slippery", "rapid"),
    "blood_dryness": ("deep", "thready"),
    "blood_stasis": ("rough",),
}
_SAID_OF = {
    "blood_heat": ("thirst", "irritable", "constipation", "dark_urine"),
    "blood_dryness": ("dry_throat",),
    "blood_stasis": (),
}
_OTHERS = {
    "blood_heat": ("blood_dryness", "blood_stasis"),
    "blood_dryness": ("blood_heat", "blood_stasis"),
    "blood_stasis": ("blood_heat", "blood_dryness"),
}


def draw_intake(rng: Random, *, lean: str, gap: str, contradictory: bool) -> dict[str, Any]:
    """Draw one intake that leans towards a syndrome without being bound to it.

    Does not decide a label: ``signs.syndrome_of`` counts the points of what was drawn.

    Args:
        rng: the case's own generator.
        lean: a syndrome id, or ``insufficient_information`` for no leaning.
        gap: ``none | tongue | pulse | both``: what was not examined.
        contradictory: the tongue and the coating speak for another syndrome than the history.
    """
    against = rng.choice(_OTHERS[lean]) if contradictory and lean in _OTHERS else lean
    return {
        "duration": _lean(rng, _DURATION_OF.get(lean), _DURATIONS),
        "new_lesions_two_weeks": _new_lesions(rng, lean),
        "tongue": _no_tongue() if gap in ("tongue", "both") else _tongue(rng, lean=against, sure=contradictory),
        "pulse": ["not_examined"] if gap in ("pulse", "both") else _pulse(rng, lean),
        "general": {sign: _answer(rng, sign in _SAID_OF.get(lean, ())) for sign in _GENERAL},
    }


def _lean(rng: Random, preferred: tuple[str, ...] | None, every: tuple[str, ...]) -> str:
    if preferred and rng.random() < 0.7:
        return rng.choice(preferred)
    return rng.choice(every)


def _new_lesions(rng: Random, lean: str) -> str:
    draw = rng.random()
    if lean == "blood_heat":
        return "yes" if draw < 0.7 else "no"
    if lean == "blood_dryness":
        return "no" if draw < 0.85 else "yes"
    return "no" if draw < 0.65 else "yes"


def _no_tongue() -> dict[str, Any]:
    return {
        "body_colour": "not_examined",
        "body_feature": [],
        "coating_colour": "not_examined",
        "coating_texture": [],
        "sublingual_veins": "not_examined",
    }


def _tongue(rng: Random, *, lean: str, sure: bool) -> dict[str, Any]:
    bound = 1.0 if sure else 0.65
    body = (
        _TONGUE_OF.get(lean, "pale_red") if rng.random() < bound else rng.choice(("pale_red", "pale", "red", "purple"))
    )
    coating = (
        _COATING_OF.get(lean, "white") if rng.random() < bound else rng.choice(("white", "yellow", "none_or_peeled"))
    )
    stasis = lean == "blood_stasis"
    # A peeled tongue has no coating whose texture could be named.
    texture = [] if coating == "none_or_peeled" else [rng.choice(("thin", "thick", "slimy"))]
    return {
        "body_colour": body,
        "body_feature": ["ecchymosis"] if rng.random() < (0.5 if stasis else 0.08) else ["none"],
        "coating_colour": coating,
        "coating_texture": texture,
        "sublingual_veins": "distended_tortuous" if rng.random() < (0.6 if stasis else 0.12) else "normal",
    }


def _pulse(rng: Random, lean: str) -> list[str]:
    first = _lean(rng, _PULSE_OF.get(lean), _PULSES)
    second = rng.choice(_PULSES)
    return [first] if second == first or rng.random() < 0.5 else [first, second]


def _answer(rng: Random, expected: bool) -> str:
    return "yes" if rng.random() < (0.65 if expected else 0.2) else "no"
