"""Decide where lesions stand: one, several, a group, a row, a merged field or the whole picture. Draws no pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Surface

# Radius as a share of the shorter side, (low, high), at regional distance. Guttate and nummular never meet in size.
RADIUS = {
    "guttate": (0.042, 0.056),
    "nummular": (0.095, 0.13),
    "geographic": (0.15, 0.19),
    "annular": (0.13, 0.17),
    "ostraceous": (0.135, 0.17),
    "linear": (0.16, 0.2),
    "round_oval": (0.1, 0.14),
    "irregular": (0.125, 0.165),
}
ALONE = {
    "guttate": (0.062, 0.075),
    "nummular": (0.19, 0.25),
    "geographic": (0.29, 0.36),
    "annular": (0.24, 0.31),
    "ostraceous": (0.24, 0.31),
    "linear": (0.4, 0.5),
    "round_oval": (0.2, 0.27),
    "irregular": (0.24, 0.31),
}
# (radius low, high, least count, most count) where lesions fill the picture or stand in a row
_EVERYWHERE = {"guttate": (0.03, 0.038, 24, 36), "nummular": (0.074, 0.088, 11, 15), "linear": (0.1, 0.12, 9, 12)}
_LARGE_EVERYWHERE = (0.088, 0.105, 8, 11)
_ROW = {"guttate": (0.042, 0.054, 5, 8), "nummular": (0.074, 0.088, 4, 6), "linear": (0.11, 0.13, 3, 4)}
_LARGE_ROW = (0.095, 0.115, 3, 4)
_SCATTERED = {"guttate": (7, 14), "nummular": (3, 6), "round_oval": (3, 5)}
_GAP = {"guttate": 1.8, "nummular": 1.3, "geographic": 1.45}
_CLOSER = 1.3  # a close-up shows lesions this much larger


@dataclass(frozen=True, slots=True)
class Spot:
    """One lesion: centre and radius in pixels; ``turn`` is the direction of a linear one in radians."""

    x: float
    y: float
    r: float
    turn: float = 0.0


def place(rng: np.random.Generator, surface: Surface, *, shape: str, arrangement: str, close: bool) -> list[Spot]:
    """Choose where lesions stand so that shape, arrangement and number can be named.

    Args:
        rng: the view's generator.
        surface: gives the picture size.
        shape: a key of ``RADIUS``; anything else is placed like ``round_oval``.
        arrangement: ``single | scattered | grouped | confluent | linear | generalised``; anything else is scattered.
        close: a close-up; lesions are larger and fewer.
    """
    shape = shape if shape in RADIUS else "round_oval"
    h, w = surface.shape
    if arrangement == "single":
        low, high = ALONE[shape]
        r = surface.unit * float(rng.uniform(low, high)) * (1.12 if close and shape != "linear" else 1.0)
        turn = float(rng.uniform(0, math.pi))
        return [Spot(w * float(rng.uniform(0.42, 0.58)), h * float(rng.uniform(0.42, 0.58)), r, turn)]
    if arrangement == "generalised":
        return _everywhere(rng, surface, shape=shape)
    if arrangement == "linear":
        return _row(rng, surface, shape=shape)
    sizes = surface.unit * (_CLOSER if close else 1.0) * rng.uniform(*RADIUS[shape], 40)
    if arrangement == "confluent":
        return _chain(rng, surface, shape=shape, sizes=sizes)
    if arrangement == "grouped":
        return _group(rng, surface, shape=shape, sizes=sizes)
    least, most = _SCATTERED.get(shape, (2, 4))
    count = (least, int(rng.integers(least, most + 1)))
    spots = _apart(rng, sizes, box=(0.04 * w, 0.04 * h, 0.96 * w, 0.96 * h), count=count, gap=_GAP.get(shape, 1.25))
    return _turned(rng, spots)


def _turned(rng: np.random.Generator, spots: list[Spot]) -> list[Spot]:
    return [Spot(s.x, s.y, s.r, float(rng.uniform(0, math.pi))) for s in spots]


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
    """Crowd separate lesions into one corner of the picture; linear ones lie side by side."""
    h, w = surface.shape
    cx = w * float(rng.choice([0.33, 0.67]))
    cy = h * float(rng.choice([0.33, 0.67]))
    if shape == "linear":
        turn, r = float(rng.uniform(0, math.pi)), 0.9 * float(sizes[0])
        steps = [0.85 * r * n for n in (-1, 0, 1)]
        return [Spot(cx - step * math.sin(turn), cy + step * math.cos(turn), r, turn) for step in steps]
    half = surface.unit * (0.25 if shape == "guttate" else 0.29)
    sizes = sizes * (0.88 if shape == "guttate" else 0.78)
    box = (cx - half, cy - half, cx + half, cy + half)
    return _turned(rng, _apart(rng, sizes, box=box, count=(6, 10) if shape == "guttate" else (3, 5), gap=1.08))


def _chain(rng: np.random.Generator, surface: Surface, *, shape: str, sizes: NDArray[np.float64]) -> list[Spot]:
    """Grow lesions into each other from the middle outwards."""
    h, w = surface.shape
    spots = [Spot(w * float(rng.uniform(0.4, 0.6)), h * float(rng.uniform(0.4, 0.6)), float(sizes[0]))]
    count = {"guttate": 14, "nummular": 6, "geographic": 5, "round_oval": 5}.get(shape, 3)
    overlap = {"geographic": 0.75, "annular": 0.82, "linear": 0.3}.get(shape, 0.8)
    for r in sizes[1 : 4 * count]:
        if len(spots) == count:
            break
        parent = spots[int(rng.integers(0, len(spots)))]
        angle = float(rng.uniform(0, 2 * math.pi))
        reach = overlap * (parent.r + float(r))
        x, y = parent.x + reach * math.cos(angle), parent.y + reach * math.sin(angle)
        inside = 0.05 * w < x < 0.95 * w and 0.05 * h < y < 0.95 * h
        free = 0.25 if shape == "linear" else 0.6
        if inside and all(math.hypot(x - s.x, y - s.y) > free * (s.r + float(r)) for s in spots):
            spots.append(Spot(x, y, float(r), angle if shape == "linear" else 0.0))
    return spots


def _everywhere(rng: np.random.Generator, surface: Surface, *, shape: str) -> list[Spot]:
    """Fill the picture from edge to edge on a shaken honeycomb, so that many lesions stay apart."""
    h, w = surface.shape
    low, high, least, most = _EVERYWHERE.get(shape, _LARGE_EVERYWHERE)
    step = math.sqrt(surface.unit**2 / float(rng.uniform(least, most)))
    spots = []
    for row in range(round(h / (0.92 * step)) + 1):
        for column in range(round(w / step) + 1):
            r = surface.unit * float(rng.uniform(low, high))
            shake = max(0.0, 0.46 * step - 1.08 * r)
            x = (column + 0.25 + 0.5 * (row % 2)) * step + float(rng.uniform(-shake, shake))
            y = (row + 0.4) * 0.92 * step + float(rng.uniform(-shake, shake))
            if -0.2 * r < x < w + 0.2 * r and -0.2 * r < y < h + 0.2 * r:
                spots.append(Spot(x, y, r, float(rng.uniform(0, math.pi))))
    return spots


def _row(rng: np.random.Generator, surface: Surface, *, shape: str) -> list[Spot]:
    """String lesions like beads on a line across the picture."""
    h, w = surface.shape
    low, high, least, most = _ROW.get(shape, _LARGE_ROW)
    sizes = [surface.unit * float(rng.uniform(low, high)) for _ in range(int(rng.integers(least, most + 1)))]
    angle = float(rng.uniform(0, math.pi))
    gap = float(rng.uniform(1.2, 1.34))
    length = sum(2 * gap * r for r in sizes)
    if length > 0.94 * surface.unit:
        sizes = [r * 0.94 * surface.unit / length for r in sizes]
        length = 0.94 * surface.unit
    cx, cy = w * float(rng.uniform(0.44, 0.56)), h * float(rng.uniform(0.44, 0.56))
    spots, along = [], -length / 2
    for r in sizes:
        along += gap * r
        spots.append(Spot(cx + along * math.cos(angle), cy + along * math.sin(angle), r, angle))
        along += gap * r
    return spots
