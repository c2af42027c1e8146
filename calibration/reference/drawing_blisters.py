"""Draw fluid-filled lesions: vesicles, blisters and pustules, each as domes with their own light."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Surface, blend, blur, noise, ramp
from calibration.reference.drawing_lesions import inflamed_colour, tint
from calibration.reference.drawing_outline import Patch, patch
from calibration.reference.drawing_place import Spot, place
from calibration.reference.signs import Signs

Colour = tuple[float, float, float]


def vesicular(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw small clear domes: crowded like grapes on red bases (grouped), or one on each red spot (scattered).

    ``older`` ones are cloudy and dented in the middle.
    """
    spots = place(rng, surface, shape=signs.shape, arrangement=signs.arrangement, close=close)
    area = patch(rng, surface, spots, shape=signs.shape, border=signs.border)
    _base(rng, surface, area, signs, softly=True)
    px = surface.unit / 280
    domes: list[Spot] = []
    for spot in spots:
        if signs.arrangement == "grouped":
            domes += _packed(rng, spot, low=5.0 * px, high=8.0 * px, most=22)
        else:
            domes.append(replace(spot, r=float(np.clip(0.4 * spot.r, 6 * px, 11 * px))))
    older = signs.variant == "older"
    cloudy = (244.0, 226.0, 168.0) if surface.tone <= 3 else (198.0, 172.0, 122.0)
    _domes(rng, surface, domes, fluid=cloudy if older else _clear(surface), amount=0.8 if older else 0.6)
    if older:
        _dents(surface, domes)
    return area


def pustular(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw many small yellow-white domes on a red base; ``lakes`` runs them together into pools of pus."""
    spots = place(rng, surface, shape=signs.shape, arrangement=signs.arrangement, close=close)
    area = patch(rng, surface, spots, shape=signs.shape, border=signs.border)
    red = next((name for name in signs.colours if name != "yellow"), "bright_red")
    _base(rng, surface, area, replace(signs, colours=(red,)), softly=False)
    px = surface.unit / 280
    pus = (253.0, 240.0, 158.0) if surface.tone <= 3 else (232.0, 214.0, 138.0)
    if signs.variant == "lakes":
        field = noise(rng, surface.shape, cell=12 * px)
        pool = (ramp(field, 0.1, 0.25) * ramp(area.depth, 3 * px, 5 * px) > 0.5).astype(np.uint8)
        _pool(surface, pool, pus, deep=9 * px)
    heads: list[Spot] = []
    for spot in spots:
        heads += _packed(rng, spot, low=3.0 * px, high=4.8 * px, most=36, room=1.2)
    _domes(rng, surface, heads, fluid=pus, amount=0.97, glint=0.25)
    return area


def bullous(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw one to five large tense blisters; ``older`` ones hold blood or have burst over a raw floor."""
    px = surface.unit / 280
    count = 1 if signs.arrangement == "single" else int(rng.integers(2, 6))
    spots = _large(rng, surface, count=count, scale=px * (1.12 if close else 1.0))
    area = patch(rng, surface, spots, shape="nummular", border="well_defined")
    red = inflamed_colour(rng, surface, signs.colours[0])
    flare = np.exp(-area.outer / (9 * px)) * (1 - area.inside)
    grade = 2 if signs.erythema is None else signs.erythema
    blend(surface, red, np.asarray((0.12 + 0.2 * grade) * flare, np.float32))
    older = signs.variant == "older"
    blood = older and rng.random() < 0.5
    fallen = int(rng.integers(0, count)) if count > 1 and (older or rng.random() < 0.3) else -1
    tense = [s for n, s in enumerate(spots) if n != fallen]
    fluid = (98.0, 10.0, 30.0) if blood else _serum(surface)
    _domes(rng, surface, tense, fluid=fluid, amount=0.9 if blood else 0.66)
    if fallen >= 0:
        _collapsed(rng, surface, spots[fallen])
    return area


def _large(rng: np.random.Generator, surface: Surface, *, count: int, scale: float) -> list[Spot]:
    """Throw a few large spots apart from each other, near the middle when there is only one."""
    h, w = surface.shape
    low, high = (42, 60) if count == 1 else (22, 38)
    margin = 0.38 if count == 1 else 0.0
    spots: list[Spot] = []
    for _ in range(120):
        r = float(rng.uniform(low, high)) * scale
        x = float(rng.uniform(max(margin * w, r), min((1 - margin) * w, w - r)))
        y = float(rng.uniform(max(margin * h, r), min((1 - margin) * h, h - r)))
        if len(spots) < count and all(math.hypot(x - s.x, y - s.y) > 1.2 * (r + s.r) for s in spots):
            spots.append(Spot(x, y, r))
    return spots


def _dents(surface: Surface, domes: list[Spot]) -> None:
    """Sink a small dark navel into each dome."""
    navels = np.zeros(surface.shape, np.float32)
    for dome in domes:
        cv2.circle(navels, (round(dome.x), round(dome.y)), max(1, round(0.28 * dome.r)), 1.0, -1, cv2.LINE_AA)
    blend(surface, (120, 66, 50) if surface.tone <= 3 else (52, 28, 24), np.asarray(0.75 * navels, np.float32))


def _base(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs, *, softly: bool) -> None:
    """Redden the ground under the domes; ``softly`` lets it fade into the skin."""
    colour = inflamed_colour(rng, surface, signs.colours[0])
    grade = 3 if signs.erythema is None else max(1, signs.erythema)
    tint(rng, surface, area, colour=colour, grade=grade)
    if softly:
        flare = np.exp(-area.outer / (6 * surface.unit / 280)) * (1 - area.inside)
        blend(surface, colour, np.asarray((0.2 + 0.15 * grade) * flare, np.float32))


def _clear(surface: Surface) -> Colour:
    return (246.0, 228.0, 206.0) if surface.tone <= 3 else (186.0, 162.0, 148.0)


def _serum(surface: Surface) -> Colour:
    return (246.0, 212.0, 140.0) if surface.tone <= 3 else (190.0, 152.0, 96.0)


def _packed(
    rng: np.random.Generator, spot: Spot, *, low: float, high: float, most: int, room: float = 0.95
) -> list[Spot]:
    """Crowd small domes into one lesion, hardly overlapping."""
    found: list[Spot] = []
    for u, v, s in rng.random((int(3.5 * most) + 6, 3)):
        r = low + (high - low) * s
        reach = max(0.0, spot.r - 0.9 * r) * math.sqrt(u)
        x, y = spot.x + reach * math.cos(6.2832 * v), spot.y + 0.85 * reach * math.sin(6.2832 * v)
        if all((x - f.x) ** 2 + (y - f.y) ** 2 > (room * (r + f.r)) ** 2 for f in found):
            found.append(Spot(x, y, r))
            if len(found) == most:
                break
    return found


def _domes(
    rng: np.random.Generator,
    surface: Surface,
    domes: list[Spot],
    *,
    fluid: Colour,
    amount: float,
    glint: float = 0.9,
) -> None:
    """Draw shining domes filled with one fluid, each with a dark foot, a shadow and a spark."""
    sharp = np.zeros(surface.shape, np.uint8)
    sparks = np.zeros(surface.shape, np.float32)
    lx, ly = surface.light
    for dome in domes:
        squeeze = float(rng.uniform(0.85, 1.0))
        axes = (max(2, round(dome.r)), max(2, round(dome.r * squeeze)))
        cv2.ellipse(sharp, (round(dome.x), round(dome.y)), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        at = (round(dome.x + 0.42 * dome.r * lx), round(dome.y + 0.42 * dome.r * ly))
        cv2.ellipse(sparks, at, (max(1, round(0.2 * dome.r)), max(1, round(0.13 * dome.r))), 0, 0, 360, 1.0, -1)
    if not domes:
        return
    typical = float(np.mean([d.r for d in domes]))
    depth = np.asarray(cv2.distanceTransform(sharp, cv2.DIST_L2, 5), np.float32)
    body = blur(sharp.astype(np.float32), 0.6)
    t = np.clip(depth / typical, 0, 1)
    reach = 0.32 * typical
    h, w = surface.shape
    move = np.asarray([[1, 0, -lx * reach], [0, 1, -ly * reach]], np.float32)
    lee = cv2.warpAffine(sharp, move, (w, h)).astype(np.float32)
    surface.shadow *= np.asarray(
        1 - 0.55 * blur(np.asarray(lee * (1 - sharp), np.float32), 0.2 * reach + 0.4), np.float32
    )
    blend(surface, fluid, np.asarray(amount * body * (0.75 + 0.25 * t), np.float32))
    foot = np.exp(-depth / max(1.0, 0.12 * typical)) * sharp
    dark = np.asarray(fluid, np.float32) * np.float32(0.5)
    blend(surface, dark, np.asarray(0.55 * foot, np.float32))
    dome_height = np.sqrt(np.clip(1 - (1 - t) ** 2, 0, 1)) * 0.55 * typical
    surface.height += blur(np.asarray(dome_height, np.float32), max(0.8, 0.06 * typical))
    surface.gloss += np.asarray(glint * blur(sparks, max(0.5, 0.05 * typical)) * sharp, np.float32)


def _pool(surface: Surface, pool: NDArray[np.uint8], fluid: Colour, *, deep: float) -> None:
    """Fill flat raised pools with pus."""
    depth = np.asarray(cv2.distanceTransform(pool, cv2.DIST_L2, 5), np.float32)
    blend(surface, fluid, 0.95 * blur(pool.astype(np.float32), 0.7))
    surface.height += np.asarray(0.5 * np.clip(depth, 0, deep), np.float32)


def _collapsed(rng: np.random.Generator, surface: Surface, spot: Spot) -> None:
    """Draw a burst blister: a raw wet floor, half covered by its wrinkled roof."""
    px = surface.unit / 280
    area = patch(rng, surface, [spot], shape="nummular", border="well_defined")
    raw = (186, 26, 40) if surface.tone <= 3 else (168, 62, 66)
    blend(surface, raw, np.asarray(0.95 * area.mask, np.float32))
    wet = ramp(noise(rng, surface.shape, cell=6 * px), 0.8, 1.2) * area.mask
    surface.gloss += np.asarray(0.3 * wet, np.float32)
    flap = ramp(noise(rng, surface.shape, cell=0.9 * spot.r), 0.0, 0.2) * area.inside
    collar = np.exp(-area.depth / (2.2 * px)) * area.inside
    skin = _serum(surface) if surface.tone <= 3 else (150.0, 116.0, 92.0)
    blend(surface, skin, np.asarray(np.clip(0.85 * flap + collar, 0, 0.95), np.float32))
    wrinkle = noise(rng, surface.shape, cell=4 * px, aspect=3.0)
    surface.height += np.asarray(flap * (1.5 + 1.2 * wrinkle) - 2 * area.mask * (1 - flap), np.float32)
