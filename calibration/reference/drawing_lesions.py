"""Draw the plaques of inflammatory families: outline, colour, relief and where they stand. Scale is drawn apart.

Every sign is exaggerated until a stranger can name it at 140 pixels: raised plaques cast a shadow, ill-defined ones
fade over a quarter of their radius, grouped lesions leave the rest of the picture empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blend, blur, noise, ramp
from calibration.reference.signs import Signs

REDS = {"bright_red": (222, 44, 40), "dark_red": (122, 22, 40), "pale_red": (238, 134, 126)}
# Inflammation on the two darkest tones: violaceous to grey-brown, darker and greyer than the skin around it.
DARK_INFLAMED = {4: ((92, 64, 80), (90, 74, 72)), 5: ((51, 38, 47), (51, 44, 45))}
RADIUS = {  # share of the shorter side, (low, high), at regional distance
    "guttate": (0.046, 0.06),
    "nummular": (0.095, 0.13),
    "geographic": (0.15, 0.19),
    "annular": (0.13, 0.17),
}
ALONE = {"nummular": (0.19, 0.25), "geographic": (0.29, 0.36), "annular": (0.24, 0.31)}
CLOSER = 1.3  # a close-up shows lesions this much larger


@dataclass(frozen=True, slots=True)
class Spot:
    """One lesion: centre and radius in pixels."""

    x: float
    y: float
    r: float


@dataclass(frozen=True, slots=True)
class Patch:
    """Where lesions are: ``mask`` float32[H, W] 0-1 with the border's softness, ``inside`` uint8[H, W] the sharp
    mask, ``depth`` float32[H, W] pixels from the edge inwards, ``radius`` a typical lesion radius in pixels."""

    mask: Plane
    inside: NDArray[np.uint8]
    depth: Plane
    radius: float
    spots: tuple[Spot, ...]


def place(rng: np.random.Generator, surface: Surface, *, shape: str, arrangement: str, close: bool) -> list[Spot]:
    """Choose where lesions stand so that shape and arrangement can be named.

    Args:
        rng: the view's generator.
        surface: gives the picture size.
        shape: ``guttate | nummular | geographic | annular``.
        arrangement: ``single | scattered | grouped | confluent``.
        close: a close-up; lesions are larger and fewer.
    """
    h, w = surface.shape
    zoom = CLOSER if close else 1.0
    if arrangement == "single":
        low, high = ALONE[shape]
        r = surface.unit * float(rng.uniform(low, high)) * (1.12 if close else 1.0)
        return [Spot(w * float(rng.uniform(0.42, 0.58)), h * float(rng.uniform(0.42, 0.58)), r)]
    sizes = surface.unit * zoom * rng.uniform(*RADIUS[shape], 40)
    if arrangement == "confluent":
        return _chain(rng, surface, shape=shape, sizes=sizes)
    if arrangement == "grouped":
        return _group(rng, surface, shape=shape, sizes=sizes)
    least, most = {"guttate": (7, 14), "nummular": (3, 6), "geographic": (2, 4), "annular": (2, 4)}[shape]
    gap = {"guttate": 1.8, "nummular": 1.3, "geographic": 1.35, "annular": 1.25}[shape]
    count = (least, int(rng.integers(least, most + 1)))
    return _apart(rng, sizes, box=(0.04 * w, 0.04 * h, 0.96 * w, 0.96 * h), count=count, gap=gap)


def _apart(
    rng: np.random.Generator,
    sizes: NDArray[np.float64],
    *,
    box: tuple[float, float, float, float],
    count: tuple[int, int],
    gap: float,
) -> list[Spot]:
    """Throw spots into a box, ``gap`` times their radii apart; smaller ones until there are ``count[0]`` or more.

    Fewer would make the label a lie: one lesion is never "scattered".
    """
    for shrink in (1.0, 0.92, 0.85, 0.78, 0.7):
        spots: list[Spot] = []
        for u, v in rng.random((90, 2)):
            r = float(sizes[len(spots) % len(sizes)]) * shrink
            x = _between(box[0], box[2], r, u)
            y = _between(box[1], box[3], r, v)
            if all(math.hypot(x - s.x, y - s.y) > gap * (r + s.r) for s in spots):
                spots.append(Spot(x, y, r))
                if len(spots) == count[1]:
                    return spots
        if len(spots) >= count[0]:
            break
    return spots


def _between(low: float, high: float, margin: float, share: float) -> float:
    """Return a place between two edges, at least ``margin`` from both, or the middle where there is no room."""
    room = high - low - 2 * margin
    return low + margin + room * share if room > 0 else (low + high) / 2


def _group(rng: np.random.Generator, surface: Surface, *, shape: str, sizes: NDArray[np.float64]) -> list[Spot]:
    """Crowd separate lesions into one corner of the picture."""
    h, w = surface.shape
    half = surface.unit * (0.23 if shape == "guttate" else 0.29)
    cx = w * float(rng.choice([0.33, 0.67]))
    cy = h * float(rng.choice([0.33, 0.67]))
    scale = 1.0 if shape == "guttate" else 0.78
    sizes = sizes * scale
    box = (cx - half, cy - half, cx + half, cy + half)
    return _apart(rng, sizes, box=box, count=(6, 10) if shape == "guttate" else (3, 5), gap=1.08)


def _chain(rng: np.random.Generator, surface: Surface, *, shape: str, sizes: NDArray[np.float64]) -> list[Spot]:
    """Grow lesions into each other from the middle outwards."""
    h, w = surface.shape
    first = float(sizes[0])
    spots = [Spot(w * float(rng.uniform(0.4, 0.6)), h * float(rng.uniform(0.4, 0.6)), first)]
    count = {"nummular": 6, "geographic": 5, "annular": 3}[shape]
    overlap = {"nummular": 0.8, "geographic": 0.75, "annular": 0.82}[shape]
    for r in sizes[1 : 4 * count]:
        if len(spots) == count:
            break
        parent = spots[int(rng.integers(0, len(spots)))]
        angle = float(rng.uniform(0, 2 * math.pi))
        reach = overlap * (parent.r + float(r))
        x, y = parent.x + reach * math.cos(angle), parent.y + reach * math.sin(angle)
        inside = 0.05 * w < x < 0.95 * w and 0.05 * h < y < 0.95 * h
        if inside and all(math.hypot(x - s.x, y - s.y) > 0.6 * (s.r + float(r)) for s in spots):
            spots.append(Spot(x, y, float(r)))
    return spots


def outline(rng: np.random.Generator, spot: Spot, *, shape: str, border: str) -> NDArray[np.int32]:
    """Draw the closed contour of one lesion in 1/8 pixels, int32[N, 2]."""
    theta = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radius = np.ones_like(theta)
    waves = {"geographic": (0.17, 0.17, 0.12, 0.08), "guttate": (0.05,), "nummular": (0.03, 0.02)}.get(shape, (0.03,))
    for k, amplitude in enumerate(waves, start=2):
        radius += amplitude * float(rng.uniform(0.7, 1.2)) * np.cos(k * theta + float(rng.uniform(0, 2 * math.pi)))
    if border == "irregular":
        small = shape == "guttate"
        for k in (4, 5, 7) if small else (7, 9, 11, 13):
            amplitude = 0.13 if small else 0.075
            radius += amplitude * float(rng.uniform(0.7, 1.3)) * np.cos(k * theta + float(rng.uniform(0, 2 * math.pi)))
    turn = float(rng.uniform(0, math.pi))
    stretch = float(rng.uniform(0.9, 1.0))
    x = spot.r * radius * np.cos(theta)
    y = spot.r * radius * np.sin(theta) * stretch
    px = spot.x + x * math.cos(turn) - y * math.sin(turn)
    py = spot.y + x * math.sin(turn) + y * math.cos(turn)
    return np.asarray(np.rint(np.stack([px, py], axis=1) * 8), np.int32)


def patch(rng: np.random.Generator, surface: Surface, spots: list[Spot], *, shape: str, border: str) -> Patch:
    """Turn placed lesions into masks; an annular lesion loses its middle."""
    h, w = surface.shape
    sharp = np.zeros((h, w), np.uint8)
    for spot in spots:
        cv2.fillPoly(sharp, [outline(rng, spot, shape=shape, border=border)], 255, cv2.LINE_AA, 3)
    typical = float(np.mean([s.r for s in spots])) if spots else 1.0
    if shape == "annular":
        for spot in spots:
            hole = Spot(spot.x, spot.y, spot.r * float(rng.uniform(0.5, 0.6)))
            cv2.fillPoly(sharp, [outline(rng, hole, shape=shape, border=border)], 0, cv2.LINE_AA, 3)
    inside = (sharp > 127).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), np.float32)
    softness = 0.7
    if border == "ill_defined":
        softness = min(20.0, max(4.5, 0.36 * typical)) * surface.unit / 280
    mask = blur(np.asarray(sharp.astype(np.float32) / 255, np.float32), softness)
    if border == "ill_defined":
        mask = np.clip(mask * (1 + 0.22 * noise(rng, (h, w), cell=7)), 0, 1).astype(np.float32)
    return Patch(mask=mask, inside=inside, depth=depth, radius=typical, spots=tuple(spots))


def inflamed_colour(rng: np.random.Generator, surface: Surface, colour: str) -> NDArray[np.float32]:
    """Choose the colour that inflammation has on this skin, float32[3] RGB."""
    if colour == "grey_brown":
        low, high = DARK_INFLAMED[max(4, surface.tone)]
        mix = float(rng.random())
        mixed = np.asarray(low, np.float32) * (1 - mix) + np.asarray(high, np.float32) * mix
        return np.asarray(mixed, np.float32)
    target = np.asarray(REDS[colour], np.float32)
    keep = 0.1
    return np.asarray((target * (1 - keep) + surface.base * keep) * float(rng.uniform(0.95, 1.05)), np.float32)


def plaques(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Colour and raise the lesions; the scale comes after."""
    colour = inflamed_colour(rng, surface, signs.colour)
    mottle = 1 + 0.05 * noise(rng, surface.shape, cell=6)
    strength = {"pale_red": 0.92, "grey_brown": 0.93}.get(signs.colour, 0.9)
    blend(surface, colour, area.mask * strength * mottle)
    if signs.border != "ill_defined" and signs.colour != "grey_brown":
        rim = area.inside * np.exp(-area.depth / max(1.5, 0.09 * area.radius))
        blend(surface, colour * 0.8, np.asarray(0.5 * rim, np.float32))
    if signs.arrangement == "confluent" and signs.shape == "nummular":
        _seams(surface, area, colour)
    raise_(surface, area, grade=signs.induration or 0, soft=signs.border == "ill_defined")


def _seams(surface: Surface, area: Patch, colour: NDArray[np.float32]) -> None:
    """Show the single discs inside a merged plaque by a darker arc at each disc's edge."""
    arcs = np.zeros(surface.shape, np.float32)
    for spot in area.spots:
        cv2.circle(arcs, (int(spot.x), int(spot.y)), int(spot.r), 1.0, max(1, int(0.08 * spot.r)), cv2.LINE_AA)
    blend(surface, colour * 0.72, np.asarray(0.6 * blur(arcs, 1.0) * area.inside, np.float32))


def raise_(surface: Surface, area: Patch, *, grade: int, soft: bool) -> None:
    """Lift the lesions: grade 0 stays flat, 1 is a low step, 3 a thick plateau with a cast shadow."""
    if not grade:
        return
    bevel = max(3.5, min(16.0, (0.45 if soft else 0.34) * area.radius))
    slope = {1: 0.5, 3: 1.35}[grade]
    plateau = ramp(area.depth, 0, bevel) * bevel * slope
    surface.height += blur(np.asarray(plateau, np.float32), 1.0 if not soft else 1.8)
    if grade == 3:
        reach = max(3.0, min(11.0, 0.3 * area.radius))
        move = np.asarray([[1, 0, -surface.light[0] * reach], [0, 1, -surface.light[1] * reach]], np.float32)
        h, w = surface.shape
        cast = cv2.warpAffine(area.inside.astype(np.float32), move, (w, h))
        outside = blur(np.asarray(cast * (1 - area.inside), np.float32), 0.25 * reach)
        surface.shadow *= 1 - 0.55 * outside
