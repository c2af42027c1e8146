"""Draw one near view: put on bare skin what the signs of a case say, and measure what is visible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Surface
from calibration.reference.drawing_blisters import bullous, pustular, vesicular
from calibration.reference.drawing_eruptions import (
    annular_scaly,
    burrow_papular,
    eczematous,
    hypopigmented,
    purpuric,
    ulcer_erosion,
    wheal,
)
from calibration.reference.drawing_growths import nodule, pigmented
from calibration.reference.drawing_lesions import inflamed_colour, plaques, stains
from calibration.reference.drawing_outline import Drawn, Patch, clear_middle, measured, patch
from calibration.reference.drawing_place import place
from calibration.reference.drawing_scale import scale
from calibration.reference.drawing_secondary import change, fresh_papules, pale_rim
from calibration.reference.signs import Signs

NOTHING = Drawn(count=0, share=0.0)
_AROUND = ("hyperpigmentation", "hypopigmentation")  # drawn under the lesions, for they lie in the skin around
_DOMES = ("vesicular", "bullous", "pustular")
VARIANTS = {
    "eczematous": ("acute", "dry"),
    "annular_scaly": ("ring", "double_ring"),
    "vesicular": ("fresh", "older"),
    "bullous": ("fresh", "older"),
    "pustular": ("dots", "lakes"),
    "ulcer_erosion": ("ulcer", "necrotic", "erosion"),
    "pigmented_lesion": ("naevus", "raised_naevus", "many_colours", "flat_macule", "warty", "blue"),
    "nodule_tumour": ("pearly", "ulcerated", "keratotic", "red_dome", "keratosis", "scar_like", "superficial"),
    "purpuric": ("dots", "patches"),
    "wheal": ("fresh", "fading"),
    "hypopigmented": ("even", "trichrome"),
    "burrow_papular": ("papules", "burrows"),
}


def draw_signs(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Drawn:
    """Draw what the case shows on bare skin and return what is truly visible of it.

    Args:
        rng: the view's generator.
        surface: bare skin, changed in place.
        signs: what to draw; a family of ``VARIANTS`` with an empty variant gets a random one.
        close: a close-up; lesions are larger and fewer.
    """
    if signs.applicability in ("normal_skin", "not_skin"):
        return NOTHING
    if signs.applicability == "pigment_change_only" or signs.activity == "remission":
        area = _patch(rng, surface, signs, close=close)
        stains(rng, surface, area, pale="hypopigmentation" in signs.secondary)
        return measured(area.inside)
    choices = VARIANTS.get(signs.family)
    if choices and not signs.variant:
        signs = replace(signs, variant=choices[int(rng.integers(0, len(choices)))])
    return measured(_family(rng, surface, signs, close=close))


def _patch(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    spots = place(rng, surface, shape=signs.shape, arrangement=signs.arrangement, close=close)
    return patch(rng, surface, spots, shape=signs.shape, border=signs.border)


def _family(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> NDArray[np.uint8]:
    """Draw one family and what happened to its lesions later; return where they are, uint8[H, W] (0/1)."""
    if signs.family in ("pigmented_lesion", "nodule_tumour"):
        return (pigmented if signs.family == "pigmented_lesion" else nodule)(rng, surface, signs)
    draw = {
        "eczematous": eczematous,
        "annular_scaly": annular_scaly,
        "vesicular": vesicular,
        "bullous": bullous,
        "pustular": pustular,
        "ulcer_erosion": ulcer_erosion,
        "purpuric": purpuric,
        "wheal": wheal,
        "hypopigmented": hypopigmented,
        "burrow_papular": burrow_papular,
    }.get(signs.family, _papulosquamous)
    area = draw(rng, surface, signs, close=close)
    if signs.family != "hypopigmented":  # there the pale zone is the lesion itself
        for kind in signs.secondary:
            if kind not in _AROUND or signs.family != "papulosquamous":
                change(rng, surface, area, kind=kind, sparing=signs.family in _DOMES)
    return area.inside


def _papulosquamous(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    area = _patch(rng, surface, signs, close=close)
    for kind in _AROUND:
        if kind in signs.secondary:
            change(rng, surface, area, kind=kind)
    if signs.activity == "regressing":
        area = clear_middle(rng, surface, area)
    plaques(rng, surface, area, signs)
    scale(rng, surface, area, kind=signs.scale_type, amount=signs.scale_amount, shells=signs.shape == "ostraceous")
    if signs.activity == "regressing":
        pale_rim(surface, area)
    elif signs.activity == "progressive":
        fresh_papules(rng, surface, area, colour=inflamed_colour(rng, surface, signs.colours[0]))
    return area
