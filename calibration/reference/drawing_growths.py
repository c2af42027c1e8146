"""Draw growths: naevi and other pigmented spots, lumps, ulcerated tumours and keratoses.

These are what a false alarm would be made of on real photographs, so they vary more than anything else here:
size, place, colours, relief, damaged skin around them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blend, blur, cells, noise, ramp
from calibration.reference.drawing_lesions import inflamed_colour, raise_
from calibration.reference.drawing_outline import Patch, outline
from calibration.reference.drawing_place import Spot
from calibration.reference.signs import Signs

Inside = NDArray[np.uint8]  # [H, W], 1 where a lesion is

_BROWNS = ((150, 96, 60), (112, 66, 42), (84, 48, 34), (60, 36, 30), (132, 78, 50))


def pigmented(rng: np.random.Generator, surface: Surface, signs: Signs) -> Inside:
    """Draw one or a few pigmented spots of the case's variant; return where they are."""
    count = 1 if signs.arrangement == "single" else int(rng.integers(3, 6))
    inside = np.zeros(surface.shape, np.uint8)
    for n, spot in enumerate(_spots(rng, surface, count=count, low=0.06, high=0.3)):
        inside |= _pigmented_spot(rng, surface, spot if n == 0 else Spot(spot.x, spot.y, 0.6 * spot.r), signs)
    return inside


def _spots(rng: np.random.Generator, surface: Surface, *, count: int, low: float, high: float) -> list[Spot]:
    h, w = surface.shape
    spots: list[Spot] = []
    for _ in range(60):
        r = surface.unit * float(np.exp(rng.uniform(math.log(low), math.log(high))))
        if count > 1:
            r = min(r, 0.1 * surface.unit)
        x = float(rng.uniform(0.25, 0.75) if count == 1 else rng.uniform(0.12, 0.88)) * w
        y = float(rng.uniform(0.25, 0.75) if count == 1 else rng.uniform(0.12, 0.88)) * h
        if all(math.hypot(x - s.x, y - s.y) > 1.5 * (r + s.r) for s in spots):
            spots.append(Spot(x, y, r))
        if len(spots) == count:
            break
    return spots


def _area(rng: np.random.Generator, surface: Surface, spot: Spot, *, border: str, lobed: bool = False) -> Patch:
    """Mask one round, oval or (``lobed``) bay-edged spot."""
    points = outline(rng, spot, shape="geographic" if lobed else "nummular", border=border)
    turn, factor = float(rng.uniform(0, math.pi)), float(rng.uniform(0.6, 1.0))
    centre = np.asarray([spot.x * 8, spot.y * 8])
    axis = np.asarray([math.cos(turn), math.sin(turn)])
    offset = points - centre
    points = np.rint(centre + offset - np.outer(offset @ axis, axis) * (1 - factor)).astype(np.int32)
    sharp = np.zeros(surface.shape, np.uint8)
    cv2.fillPoly(sharp, [points], 255, cv2.LINE_AA, 3)
    inside = (sharp > 127).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), np.float32)
    outer = np.asarray(cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5), np.float32)
    softness = max(2.5, 0.2 * spot.r) if border == "ill_defined" else 0.8
    mask = blur(np.asarray(sharp.astype(np.float32) / 255, np.float32), softness)
    crisp = np.full(surface.shape, border != "ill_defined", np.float32)
    return Patch(mask, inside, depth, outer, crisp, np.zeros(surface.shape, np.float32), spot.r, (spot,))


def _brown(rng: np.random.Generator, surface: Surface) -> NDArray[np.float32]:
    """Choose a brown that is darker than the skin."""
    brown = np.asarray(_BROWNS[int(rng.integers(0, len(_BROWNS)))], np.float32) * float(rng.uniform(0.85, 1.15))
    if surface.tone >= 4:
        brown = np.minimum(brown, surface.base * np.asarray([0.5, 0.44, 0.42], np.float32))
    return brown


def _pigmented_spot(rng: np.random.Generator, surface: Surface, spot: Spot, signs: Signs) -> Inside:
    area = _area(rng, surface, spot, border=signs.border, lobed=signs.shape == "irregular")
    brown = _brown(rng, surface)
    shape = surface.shape
    strength = float(rng.uniform(0.35, 0.75)) if signs.variant == "flat_macule" else float(rng.uniform(0.8, 0.97))
    blend(surface, brown, area.mask * strength * (1 + 0.1 * noise(rng, shape, cell=max(3.0, spot.r / 5))))
    middle = ramp(area.depth, 0.25 * spot.r, 0.7 * spot.r)
    if signs.variant == "many_colours":
        for colour in ((38, 26, 26), (70, 74, 96), (168, 84, 70), (190, 150, 120)):
            field = ramp(noise(rng, shape, cell=max(4.0, spot.r / 2)), 0.5, 1.0)
            blend(surface, colour, area.mask * field * 0.85)
    elif signs.variant == "blue":
        blend(surface, (58, 74, 98), area.mask * 0.75)
        surface.gloss += 0.25 * _glint(surface, spot)
    elif signs.variant in ("naevus", "raised_naevus") and rng.random() < 0.7:
        blend(surface, brown * 0.55, middle * 0.8)
    if signs.variant == "warty":
        value, edge = cells(rng, shape, size=max(4.0, spot.r / 4))
        surface.height += area.mask * (2.2 * value + 1.5)
        blend(surface, brown * 0.45, area.mask * ramp(edge, 2.2, 4.0) * 0.8)
    raise_(surface, area, grade=signs.induration or 0)
    return area.inside


def _glint(surface: Surface, spot: Spot) -> Plane:
    """Return a soft highlight on the lamp's side of a dome."""
    plane = np.zeros(surface.shape, np.float32)
    x, y = spot.x + 0.35 * spot.r * surface.light[0], spot.y + 0.35 * spot.r * surface.light[1]
    cv2.circle(plane, (int(x), int(y)), max(1, int(0.16 * spot.r)), 1.0, -1, cv2.LINE_AA)
    return blur(plane, max(1.0, 0.07 * spot.r))


def nodule(rng: np.random.Generator, surface: Surface, signs: Signs) -> Inside:
    """Draw one lump, ulcer, scar-like patch or keratosis of the case's variant; return where it is."""
    flat = signs.variant in ("keratosis", "scar_like")
    spot = _spots(rng, surface, count=1, low=0.05 if flat else 0.08, high=0.2 if flat else 0.36)[0]
    area = _area(rng, surface, spot, border=signs.border)
    draw = {
        "pearly": _pearly,
        "ulcerated": _ulcerated,
        "keratotic": _keratotic,
        "red_dome": _red_dome,
        "keratosis": _keratosis,
        "scar_like": _scar_like,
        "superficial": _superficial,
    }[signs.variant]
    draw(rng, surface, area, signs)
    if signs.variant in ("pearly", "red_dome") and rng.random() < 0.5:
        _crusts(rng, surface, area)
    return area.inside


def _crusts(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Add what bleeds and dries on a tumour: a few dark red erosions and brown crusts off its middle."""
    broken = ramp(noise(rng, surface.shape, cell=max(3.0, area.radius / 4)), 0.9, 1.3) * area.inside
    blend(surface, (112, 24, 24), np.asarray(broken * 0.85, np.float32))
    dried = ramp(noise(rng, surface.shape, cell=max(3.0, area.radius / 6)), 0.6, 1.1) * broken
    crust = np.asarray((176, 132, 66) if rng.random() < 0.5 else (66, 34, 24), np.float32)
    blend(surface, crust, np.asarray(dried * 0.9, np.float32))
    surface.height += np.asarray(dried * 2.5, np.float32)


def _dome(surface: Surface, area: Patch, *, high: float) -> None:
    """Raise a round dome and let it cast a shadow."""
    t = np.clip(area.depth / max(area.depth.max(), 1.0), 0, 1)
    dome = np.sqrt(1 - (1 - t) ** 2) * high * area.radius
    surface.height += blur(np.asarray(dome, np.float32), 1.2)
    raise_(surface, area, grade=3)


def _pearly(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Draw a skin-coloured translucent dome with branching vessels and a glint."""
    del signs
    pearl = surface.base * 0.55 + np.asarray((232, 190, 184), np.float32) * (0.45 if surface.tone <= 3 else 0.25)
    blend(surface, pearl, area.mask * 0.85)
    _dome(surface, area, high=0.5)
    vessels = np.zeros(surface.shape, np.float32)
    spot = area.spots[0]
    for _ in range(int(rng.integers(3, 8))):
        angle = float(rng.uniform(0, 2 * math.pi))
        x, y = spot.x + 0.8 * spot.r * math.cos(angle), spot.y + 0.8 * spot.r * math.sin(angle)
        points = []
        for _step in range(5):
            points.append((int(x), int(y)))
            angle += float(rng.normal(0, 0.5))
            x, y = x - 0.25 * spot.r * math.cos(angle), y - 0.25 * spot.r * math.sin(angle)
        cv2.polylines(vessels, [np.asarray(points, np.int32)], False, 1.0, 1, cv2.LINE_AA)
    blend(surface, (176, 40, 48), 0.8 * vessels * area.inside)
    surface.gloss += 0.5 * _glint(surface, spot)


def _ulcerated(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Draw a raised rim around a dark red crater with some crust or blood."""
    rim = inflamed_colour(rng, surface, signs.colour) * 0.5 + surface.base * 0.5
    blend(surface, rim, area.mask * 0.9)
    raise_(surface, area, grade=3)
    crater = ramp(area.depth, 0.3 * area.radius, 0.45 * area.radius)
    surface.height -= np.asarray(crater * 0.4 * area.radius, np.float32)
    blend(surface, (104, 18, 20), crater * 0.92)
    crust = ramp(noise(rng, surface.shape, cell=max(4.0, area.radius / 4)), 0.2, 0.8)
    dirty = (190, 150, 70) if rng.random() < 0.6 else (46, 20, 16)
    blend(surface, dirty, crater * crust * 0.9)


def _keratotic(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Draw a yellow-white horny lump, sometimes longer than wide, on a pink base."""
    del signs
    pink = inflamed_colour(rng, surface, "pale_red") if surface.tone <= 3 else surface.base * 0.8
    blend(surface, pink, blur(area.mask, 0.2 * area.radius) * 0.8)
    _dome(surface, area, high=0.7)
    core = ramp(area.depth, 0.15 * area.radius, 0.35 * area.radius)
    ridges = noise(rng, surface.shape, cell=max(3.0, area.radius / 7))
    horn = np.asarray((222, 198, 140) if rng.random() < 0.6 else (168, 140, 92), np.float32)
    blend(surface, horn, core * 0.95)
    blend(surface, horn * 0.5, core * ramp(ridges, 0.5, 1.2) * 0.8)
    surface.height += core * (3 + 1.6 * ridges)


def _red_dome(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Draw a smooth or lobed red lump with a glint."""
    colour = inflamed_colour(rng, surface, signs.colour)
    blend(surface, colour * 0.8 + surface.base * 0.2, area.mask * 0.92)
    _dome(surface, area, high=0.6)
    if rng.random() < 0.5:
        surface.height += area.mask * 2.5 * noise(rng, surface.shape, cell=max(5.0, area.radius / 3))
    surface.gloss += 0.55 * _glint(surface, area.spots[0])


def _keratosis(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Draw a small ill-defined scaly spot on sun-damaged skin: faint colour, patchy yellowish scale."""
    blotch = ramp(noise(rng, surface.shape, cell=surface.unit / 10), 0.0, 1.4)
    blend(surface, surface.base * np.asarray([0.86, 0.74, 0.68], np.float32), blotch * float(rng.uniform(0.2, 0.5)))
    colour = inflamed_colour(rng, surface, signs.colour)
    blend(surface, colour, area.mask * float(rng.uniform(0.4, 0.7)))
    coarse = signs.scale_type == "thick_adherent"
    flakes = ramp(noise(rng, surface.shape, cell=max(5.0, area.radius / 3) if coarse else 2.6), 0.2, 0.9)
    dark = surface.tone >= 4
    flake = ((150, 130, 104) if dark else (226, 204, 150)) if coarse else ((170, 164, 158) if dark else (242, 236, 224))
    amount = flakes * ramp(area.mask, 0.3, 0.7)
    blend(surface, flake, amount * 0.88)
    surface.height += amount * (3.0 if coarse else 0.8)


def _scar_like(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Draw a flat pale sclerotic patch with a pink edge and a shiny middle."""
    colour = inflamed_colour(rng, surface, signs.colour)
    blend(surface, colour, area.mask * 0.55)
    ivory = surface.base * 0.6 + np.asarray((240, 226, 210), np.float32) * (0.4 if surface.tone <= 3 else 0.15)
    blend(surface, ivory, ramp(area.depth, 0.2 * area.radius, 0.5 * area.radius) * 0.8)
    surface.gloss += 0.25 * _glint(surface, area.spots[0])
    if rng.random() < 0.5:
        blend(surface, (150, 50, 46), ramp(noise(rng, surface.shape, cell=3), 1.3, 1.7) * area.mask)


def _superficial(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Draw a thin pink patch with a thread-like shining edge and small erosions, the classical mimic of a plaque."""
    colour = inflamed_colour(rng, surface, signs.colour)
    blend(surface, colour, area.mask * float(rng.uniform(0.45, 0.75)) * (1 + 0.15 * noise(rng, surface.shape, cell=5)))
    width = max(1.5, 0.08 * area.radius)
    edge = blur(ramp(area.depth, 0.0, width) - ramp(area.depth, width, 2.5 * width), 0.6)
    pearl = surface.base * 0.6 + np.asarray((236, 200, 190), np.float32) * (0.4 if surface.tone <= 3 else 0.2)
    blend(surface, pearl, np.asarray(edge * 0.7, np.float32))
    surface.height += np.asarray(edge * 3.0, np.float32)
    surface.gloss += np.asarray(0.12 * edge, np.float32)
    _crusts(rng, surface, area)
