"""Draw the other families: eczema, ringworm-like rings, ulcers, purpura, wheals, pale patches, burrows.

Each function draws one family as its variant says and returns where the lesions are. Crusts, scratches and other later
changes are added by ``drawing_view``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blend, blur, noise, ramp
from calibration.reference.drawing_lesions import cast, inflamed_colour, lightened, plaques, raise_, tint
from calibration.reference.drawing_outline import Patch, bordered, patch
from calibration.reference.drawing_place import Spot, place
from calibration.reference.drawing_scale import scale
from calibration.reference.drawing_secondary import craquelure
from calibration.reference.signs import Signs


def _placed(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    spots = place(rng, surface, shape=signs.shape, arrangement=signs.arrangement, close=close)
    return patch(rng, surface, spots, shape=signs.shape, border=signs.border)


def eczematous(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw patches seeded with fine papules and little vesicles that spill over the edge (``acute``), or dry and
    cracked like old porcelain (``dry``)."""
    area = _placed(rng, surface, signs, close=close)
    plaques(rng, surface, area, signs)
    scale(rng, surface, area, kind=signs.scale_type, amount=signs.scale_amount)
    if signs.variant == "dry":
        craquelure(rng, surface, area)
    _papulovesicles(rng, surface, area, wet=signs.variant != "dry")
    return area


def _papulovesicles(rng: np.random.Generator, surface: Surface, area: Patch, *, wet: bool) -> None:
    px = surface.unit / 280
    near = (area.outer < float(np.clip(0.5 * area.radius, 6 * px, 22 * px)))[::3, ::3]
    ys, xs = np.nonzero(near)
    if len(ys) == 0:
        return
    dots, sparks = np.zeros(surface.shape, np.float32), np.zeros(surface.shape, np.float32)
    for i in rng.integers(0, len(ys), int(np.clip(len(ys) / 30, 25, 110))):
        at = (int(3 * xs[i] + rng.integers(0, 3)), int(3 * ys[i] + rng.integers(0, 3)))
        cv2.circle(dots, at, max(1, round(float(rng.uniform(1.2, 2.4)) * px)), 1.0, -1, cv2.LINE_AA)
        cv2.circle(sparks, at, max(1, round(0.8 * px)), 1.0, -1, cv2.LINE_AA)
    surface.height += np.asarray(2.6 * px * blur(dots, 0.8), np.float32)
    red = (170, 32, 30) if surface.tone <= 3 else (58, 28, 34)
    blend(surface, red, np.asarray(0.6 * dots, np.float32))
    if wet:
        surface.gloss += np.asarray(0.5 * sparks, np.float32)


def annular_scaly(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw rings with a scaly active edge of small papules; ``double_ring`` has a second ring inside the first."""
    area = _placed(rng, surface, signs, close=close)
    plaques(rng, surface, area, signs)
    colour = inflamed_colour(rng, surface, signs.colours[0])
    _beads(rng, surface, area, colour)
    scale(rng, surface, area, kind=signs.scale_type, amount=signs.scale_amount)
    if signs.variant == "double_ring":
        inner = [Spot(s.x, s.y, 0.4 * s.r) for s in area.spots]
        ring = patch(rng, surface, inner, shape="annular", border=signs.border)
        tint(rng, surface, ring, colour=colour, grade=signs.erythema or 2)
        scale(rng, surface, ring, kind=signs.scale_type, amount=signs.scale_amount)
    return area


def _beads(rng: np.random.Generator, surface: Surface, area: Patch, colour: NDArray[np.float32]) -> None:
    """Set small papules like beads along the outer edge of rings."""
    px = surface.unit / 280
    beads = np.zeros(surface.shape, np.float32)
    for spot in area.spots:
        for angle in np.arange(0, 2 * math.pi, 12 * px / max(spot.r, 1)):
            reach = spot.r * float(rng.uniform(0.8, 1.0))
            at = (int(spot.x + reach * math.cos(angle)), int(spot.y + reach * math.sin(angle)))
            cv2.circle(beads, at, max(2, round(2.2 * px)), 1.0, -1, cv2.LINE_AA)
    blend(surface, colour * 0.85, np.asarray(0.6 * beads, np.float32))
    surface.height += np.asarray(2.2 * px * blur(beads, 0.9), np.float32)


def ulcer_erosion(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw a punched-out ``ulcer`` with a yellow and red floor, a ``necrotic`` one with a black floor, or a shallow
    raw ``erosion``."""
    area = _placed(rng, surface, signs, close=close)
    px = surface.unit / 280
    dark = surface.tone >= 4
    flare = np.exp(-area.outer / (11 * px)) * (1 - area.inside)
    colour = inflamed_colour(rng, surface, "violaceous" if dark else "dark_red")
    blend(surface, colour, np.asarray(0.6 * flare, np.float32))
    raw = np.asarray((196, 22, 34) if not dark else (176, 52, 58), np.float32)
    blend(surface, raw, np.asarray(0.97 * area.mask, np.float32))
    granules = noise(rng, surface.shape, cell=5 * px)
    if signs.variant == "erosion":
        surface.gloss += np.asarray(0.34 * ramp(granules, 0.7, 1.1) * area.mask, np.float32)
        surface.height += np.asarray((0.7 * granules - 2.0 * px) * area.mask, np.float32)
        frayed = (
            np.exp(-area.depth / (2.0 * px)) * area.inside * ramp(noise(rng, surface.shape, cell=8 * px), -0.4, 0.2)
        )
        blend(surface, lightened(surface), np.asarray(0.9 * frayed, np.float32))
        return area
    deep = ramp(area.depth, 0, 4 * px)
    surface.height -= np.asarray(deep * 9 * px, np.float32)
    rim = np.exp(-area.outer / (4 * px)) * (1 - area.inside)
    surface.height += np.asarray(3.5 * px * rim, np.float32)
    lee = cast(surface, np.asarray(1 - area.inside, np.uint8), reach=min(9 * px, 0.4 * area.radius))
    surface.shadow *= 1 - 0.62 * lee
    slough = ramp(noise(rng, surface.shape, cell=0.5 * area.radius + 3), -0.2, 0.25) * ramp(area.depth, 4 * px, 7 * px)
    floor = (30, 20, 20) if signs.variant == "necrotic" else (222, 190, 96) if not dark else (190, 156, 80)
    blend(surface, floor, np.asarray(0.93 * slough, np.float32))
    return area


def purpuric(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw flat sharp bleeding into the skin, many ``dots`` or larger ``patches`` of two bloods; no relief at all."""
    px = surface.unit / 280
    if signs.variant == "patches":
        area = _placed(rng, surface, signs, close=close)
    else:
        sharp = np.zeros(surface.shape, np.uint8)
        h, w = surface.shape
        where = (float(rng.uniform(0.35, 0.65)) * w, float(rng.uniform(0.35, 0.65)) * h)
        wide = {"grouped": 0.12, "generalised": 0.5}.get(signs.arrangement, 0.26) * surface.unit
        for _ in range(int(rng.integers(40, 90))):
            at = (int(rng.normal(where[0], wide)), int(rng.normal(where[1], wide)))
            cv2.circle(sharp, at, max(2, round(float(rng.uniform(2.4, 5.4)) * px * (1.2 if close else 1))), 255, -1)
        area = bordered(rng, surface, sharp, spots=(), border="well_defined", radius=8 * px)
    violet = signs.colours[0] == "violaceous"
    blood, old = {4: ((66, 10, 52), (48, 8, 44)), 5: ((40, 4, 34), (28, 2, 26))}.get(
        surface.tone, ((98, 14, 92), (70, 20, 88)) if violet else ((126, 4, 26), (92, 6, 34))
    )
    blend(surface, blood, np.asarray(0.93 * area.mask, np.float32))
    field = ramp(noise(rng, surface.shape, cell=18 * px), 0.0, 0.5)
    blend(surface, old, np.asarray(0.85 * area.mask * field, np.float32))
    return area


def wheal(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw smooth raised swellings with a pale middle in a red flare; ``fading`` ones are lower and their flare weak."""
    area = _placed(rng, surface, signs, close=close)
    px = surface.unit / 280
    red = inflamed_colour(rng, surface, signs.colours[0])
    wide = float(np.clip(0.4 * area.radius, 8 * px, 18 * px))
    flare = np.exp(-((area.outer / wide) ** 2)) * (1 - area.inside)
    fresh = 0.7 if signs.variant == "fading" else 1.0
    grade = 2 if signs.erythema is None else signs.erythema
    blend(surface, red, np.asarray(fresh * (0.5 + 0.2 * grade) * flare, np.float32))
    bevel = float(np.clip(0.55 * area.radius, 5 * px, 22 * px))
    dome = ramp(area.depth, 0, bevel)
    # The flare shines through at the foot; pressure of the swelling empties the vessels in the middle.
    blend(surface, red, np.asarray(0.6 * area.mask * (1 - dome), np.float32))
    pale = lightened(surface) * 0.6 + surface.base * 0.4
    blend(surface, pale, np.asarray(0.9 * dome * area.mask, np.float32))
    pores = ramp(noise(rng, surface.shape, cell=6 * px), 1.2, 1.6)
    surface.height += blur(
        np.asarray((0.7 + 0.2 * (signs.induration or 1)) * fresh * dome * bevel - 0.8 * pores * dome, np.float32), 1.5
    )
    surface.shadow *= 1 - 0.4 * cast(surface, area.inside, reach=min(7 * px, 0.35 * area.radius))
    return area


def hypopigmented(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw well-bounded chalk-white patches without relief; ``trichrome`` ones have a middle tone around them."""
    area = _placed(rng, surface, signs, close=close)
    px = surface.unit / 280
    white = np.asarray((255, 251, 248) if surface.tone <= 3 else (236, 212, 202), np.float32)
    if surface.tone <= 2:  # on pale skin only the darker skin around shows that something is missing
        zone = np.exp(-area.outer / (0.25 * surface.unit)) * (1 - area.inside)
        blend(surface, surface.base * np.asarray([0.8, 0.68, 0.58], np.float32), np.asarray(0.75 * zone, np.float32))
    if signs.variant == "trichrome":
        band = ramp(13 * px - area.outer, 0, 2 * px) * (1 - area.mask)
        blend(surface, surface.base * 0.5 + white * 0.5, np.asarray(0.85 * band, np.float32))
    else:
        seam = np.exp(-area.outer / (4 * px)) * (1 - area.inside)
        darker = surface.base * np.asarray([0.66, 0.54, 0.46], np.float32)
        blend(surface, darker, np.asarray(0.75 * seam, np.float32))
    blend(surface, white, np.asarray(0.97 * area.mask, np.float32))
    return area


def burrow_papular(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> Patch:
    """Draw separate scratched papules, and short crooked burrows with a dark head: few among ``papules``, many in
    ``burrows``."""
    px = surface.unit / 280 * (1.15 if close else 1.0)
    h, w = surface.shape
    many = signs.variant == "burrows"
    grouped = signs.arrangement == "grouped"
    wide = (0.3 if grouped else 0.46) * surface.unit
    cx, cy = (float(rng.choice([0.36, 0.64])) * w, float(rng.choice([0.36, 0.64])) * h) if grouped else (w / 2, h / 2)
    sharp = np.zeros((h, w), np.uint8)
    tops, lines = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    for x, y in rng.uniform(-1, 1, (int(rng.integers(8, 16) if many else rng.integers(14, 28)), 2)) * wide:
        r = float(rng.uniform(4.2, 6.8)) * px
        at = (int(cx + x), int(cy + y))
        cv2.circle(sharp, at, max(2, round(r)), 255, -1, cv2.LINE_AA)
        if rng.random() < 0.7:
            cv2.circle(tops, at, max(1, round(0.45 * r)), 1.0, -1, cv2.LINE_AA)
    for x, y in rng.uniform(-1, 1, (int(rng.integers(9, 15) if many else rng.integers(3, 7)), 2)) * wide:
        _burrow(rng, lines, (cx + x, cy + y), px)
    area = bordered(rng, surface, sharp, spots=(), border="well_defined", radius=6 * px)
    blend(surface, inflamed_colour(rng, surface, signs.colours[0]), np.asarray(0.9 * area.mask, np.float32))
    raise_(surface, area, grade=max(1, signs.induration or 1))
    blend(surface, (64, 12, 10) if surface.tone <= 3 else (22, 8, 8), np.asarray(0.92 * tops, np.float32))
    light = (252, 242, 230) if surface.tone <= 3 else (196, 180, 166)
    blend(surface, light, np.asarray(0.7 * ramp(blur(lines, 1.8 * px), 0.05, 0.2), np.float32))
    blend(surface, (92, 54, 38) if surface.tone <= 3 else (20, 12, 10), np.asarray(lines, np.float32))
    surface.height += np.asarray(1.2 * blur(lines, 1.0), np.float32)
    return area


def _burrow(rng: np.random.Generator, plane: Plane, start: tuple[float, float], px: float) -> None:
    """Draw one crooked grey line about ten pixels long with a black head."""
    x, y = start
    angle = float(rng.uniform(0, 2 * math.pi))
    points = []
    for _ in range(5):
        points.append((int(x), int(y)))
        angle += float(rng.choice([-1, 1])) * float(rng.uniform(0.4, 0.9))
        x, y = x + 6.5 * px * math.cos(angle), y + 6.5 * px * math.sin(angle)
    cv2.polylines(plane, [np.asarray(points, np.int32)], False, 1.0, max(1, round(1.7 * px)), cv2.LINE_AA)
    cv2.circle(plane, points[-1], max(2, round(2.2 * px)), 1.0, -1, cv2.LINE_AA)
