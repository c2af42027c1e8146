"""Turn placed lesions into masks: outline, border, cleared middle; and measure what is truly visible of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blur, noise, ramp
from calibration.reference.drawing_place import Spot

_SMALLEST = 1.2e-4  # share of the picture below which a remnant is not a lesion
_WAVES = {"geographic": (0.15, 0.17, 0.13, 0.09), "guttate": (0.05,), "nummular": (0.02, 0.015)}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one near view truly shows: ``count`` separate lesions, which cover ``share`` (0-1) of the picture's skin.

    Lesions are connected pieces of the union of all lesion masks, counted after confluence. Pinhead papules around a
    progressive plaque and stray marks on bare skin are not counted.
    """

    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Patch:
    """Where lesions are, all planes [H, W].

    ``mask`` 0-1 with the border's softness, ``inside`` the sharp mask (0/1), ``depth`` and ``outer`` pixels from the
    edge inwards and outwards, ``crisp`` 0-1 how sharp the edge is there, ``cleared`` 0-1 the flattened middle of
    regressing lesions, ``radius`` a typical lesion radius in pixels, ``fade`` half the width of a soft edge in pixels.
    """

    mask: Plane
    inside: NDArray[np.uint8]
    depth: Plane
    outer: Plane
    crisp: Plane
    cleared: Plane
    radius: float
    spots: tuple[Spot, ...]
    fade: float = 0.0


def measured(inside: NDArray[np.uint8]) -> Drawn:
    """Count the connected pieces of a union mask uint8[H, W] (0/1) and the share of the picture that they cover."""
    _, _, table, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    sizes = table[1:, cv2.CC_STAT_AREA]
    return Drawn(int((sizes >= max(4.0, _SMALLEST * inside.size)).sum()), float(inside.mean()))


def outline(rng: np.random.Generator, spot: Spot, *, shape: str, border: str) -> NDArray[np.int32]:
    """Draw the closed contour of one lesion in 1/8 pixels, int32[N, 2]."""
    if shape == "irregular":
        return _corners(rng, spot, border=border)
    if shape == "linear":
        return _band(rng, spot, border=border)
    theta = np.linspace(0, 2 * math.pi, 96, endpoint=False)
    radius = np.ones_like(theta)
    for k, amplitude in enumerate(_WAVES.get(shape, (0.025,)), start=2):
        radius += amplitude * float(rng.uniform(0.7, 1.2)) * np.cos(k * theta + float(rng.uniform(0, 2 * math.pi)))
    if border == "irregular":
        radius += _jags(rng, theta, spot.r)
    stretch = float(rng.uniform(0.6, 0.75)) if shape == "round_oval" else float(rng.uniform(0.92, 1.0))
    return _turned(spot, spot.r * radius * np.cos(theta), spot.r * radius * np.sin(theta) * stretch, turn=spot.turn)


def _jags(rng: np.random.Generator, theta: NDArray[np.float64], r: float) -> NDArray[np.float64]:
    """Return pointed notches whose length and depth in pixels are alike on small and large lesions."""
    teeth = int(np.clip(round(2 * math.pi * r / 24), 5, 15))
    depth = float(np.clip(6.5 / r, 0.13, 0.38))
    phase = theta * teeth / (2 * math.pi) + float(rng.random()) + 0.5 * np.sin(2 * theta + float(rng.uniform(0, 6)))
    saw = 2 * np.abs((phase % 1) - 0.5)
    uneven = np.repeat(rng.uniform(0.6 if r < 24 else 0.3, 1.5, teeth + 2), 1)[np.asarray(phase % teeth, int)]
    return np.asarray(depth * (1.6 * saw - 0.8) * uneven, np.float64)


def _corners(rng: np.random.Generator, spot: Spot, *, border: str) -> NDArray[np.int32]:
    """Return a lopsided polygon with straight sides and blunt corners."""
    count = int(rng.integers(7, 10))
    angles = (np.arange(count) + rng.uniform(-0.28, 0.28, count)) * 2 * math.pi / count + float(rng.uniform(0, 6))
    reach = spot.r * np.where(np.arange(count) % 2 == 0, rng.uniform(1.0, 1.25, count), rng.uniform(0.62, 0.85, count))
    x, y = reach * np.cos(angles), reach * np.sin(angles)
    share = np.linspace(0, 1, 12, endpoint=False)
    xs = np.concatenate([x[i] + (x[(i + 1) % count] - x[i]) * share for i in range(count)])
    ys = np.concatenate([y[i] + (y[(i + 1) % count] - y[i]) * share for i in range(count)])
    xs, ys = _blunted(xs), _blunted(ys)
    if border == "irregular":
        jag = 1 + _jags(rng, np.linspace(0, 2 * math.pi, len(xs), endpoint=False), spot.r)
        xs, ys = xs * jag, ys * jag
    return _turned(spot, xs, ys, turn=0.0)


def _blunted(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average each point of a closed line with its neighbours."""
    return np.asarray(np.mean([np.roll(values, n) for n in range(-4, 5)], axis=0), np.float64)


def _band(rng: np.random.Generator, spot: Spot, *, border: str) -> NDArray[np.int32]:
    """Return a long band with round ends, its two sides drawn at even steps."""
    along = np.linspace(-0.85, 0.85, 56) * spot.r
    half = 0.22 * spot.r
    sides = []
    for _ in range(2):
        edge = half * (1 + 0.07 * np.sin(along / (0.4 * spot.r) + float(rng.uniform(0, 6))))
        if border == "irregular":
            phase = along / 22 + float(rng.random())
            edge = edge + min(7.5, 0.6 * half) * (4 * np.abs(phase % 1 - 0.5) - 1) * rng.uniform(0.5, 1.3)
        sides.append(edge)
    bend = 0.08 * spot.r * float(rng.uniform(-1, 1)) * (along / spot.r) ** 2
    cap = np.linspace(-math.pi / 2, math.pi / 2, 12)[1:-1]
    x = np.concatenate([along, along[-1] + half * np.cos(cap), along[::-1], along[0] - half * np.cos(cap)])
    top, low = bend - sides[0], (bend + sides[1])[::-1]
    y = np.concatenate([top, bend[-1] + half * np.sin(cap), low, bend[0] - half * np.sin(cap)])
    return _turned(spot, x, y, turn=spot.turn)


def _turned(spot: Spot, x: NDArray[np.float64], y: NDArray[np.float64], *, turn: float) -> NDArray[np.int32]:
    px = spot.x + x * math.cos(turn) - y * math.sin(turn)
    py = spot.y + x * math.sin(turn) + y * math.cos(turn)
    return np.asarray(np.rint(np.stack([px, py], axis=1) * 8), np.int32)


def patch(rng: np.random.Generator, surface: Surface, spots: list[Spot], *, shape: str, border: str) -> Patch:
    """Turn placed lesions into masks; an annular lesion loses its middle, a diffuse one has no outline."""
    h, w = surface.shape
    if shape == "diffuse":
        return _diffuse(rng, surface)
    sharp = np.zeros((h, w), np.uint8)
    for spot in spots:
        cv2.fillPoly(sharp, [outline(rng, spot, shape=shape, border=border)], 255, cv2.LINE_AA, 3)
    if shape == "annular":
        for spot in spots:
            hole = Spot(spot.x, spot.y, spot.r * float(rng.uniform(0.5, 0.58)))
            cv2.fillPoly(sharp, [outline(rng, hole, shape=shape, border=border)], 0, cv2.LINE_AA, 3)
    typical = float(np.mean([s.r for s in spots])) if spots else 1.0
    return bordered(rng, surface, sharp, spots=tuple(spots), border=border, radius=_girth(shape) * typical)


def _girth(shape: str) -> float:
    """Return how wide the lesion's body is against its radius; scale and fades follow the body, not the length."""
    return {"linear": 0.34, "annular": 0.6}.get(shape, 1.0)


def bordered(
    rng: np.random.Generator,
    surface: Surface,
    sharp: NDArray[np.uint8],
    *,
    spots: tuple[Spot, ...],
    border: str,
    radius: float,
) -> Patch:
    """Give a drawn outline its border: sharp, fading all round, or fading on one half (``mixed``).

    Args:
        rng: the view's generator.
        surface: gives the unit.
        sharp: uint8[H, W] 0-255, anti-aliased.
        spots: the lesions, for the two halves of ``mixed``.
        border: ``well_defined | irregular`` (sharp), ``ill_defined``, ``mixed``; anything else is sharp.
        radius: typical radius in pixels.
    """
    shape = surface.shape
    inside = (sharp > 127).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), np.float32)
    outer = np.asarray(cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5), np.float32)
    mask = np.asarray(sharp.astype(np.float32) / 255, np.float32)
    crisp, reach = np.ones(shape, np.float32), 0.0
    if border in ("ill_defined", "mixed"):
        px = surface.unit / 280
        reach = float(np.clip(0.62 * radius, 9.0 * px, 36 * px)) * (1.2 if border == "mixed" else 1.0)
        ragged = 0.3 * reach * noise(rng, shape, cell=5 * px)
        soft = ramp(depth - outer + ragged, -reach, 0.85 * reach)
        fading = _half(rng, shape, spots) if border == "mixed" else np.ones(shape, np.float32)
        mask = np.asarray(soft * fading + mask * (1 - fading), np.float32)
        crisp = np.asarray(1 - fading, np.float32)
    return Patch(mask, inside, depth, outer, crisp, np.zeros(shape, np.float32), radius, spots, reach)


def _half(rng: np.random.Generator, shape: tuple[int, int], spots: tuple[Spot, ...]) -> Plane:
    """Return 1 on one half of every lesion and its surroundings, the same side for all, 0 on the other."""
    angle = float(rng.uniform(0, 2 * math.pi))
    far = np.asarray([math.cos(angle), math.sin(angle)])
    aside = np.asarray([-far[1], far[0]])
    side = np.zeros(shape, np.uint8)
    for spot in spots:
        reach = 2.0 * spot.r
        centre = np.asarray([spot.x, spot.y])
        square = [centre + a * reach * aside + b * reach * far for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        half = [centre + a * reach * aside + b * reach * far for a, b in ((-1, 0), (1, 0), (1, 1), (-1, 1))]
        if len(spots) > 1:
            cv2.fillPoly(side, [np.rint(square).astype(np.int32)], 0)
        cv2.fillPoly(side, [np.rint(half).astype(np.int32)], 1)
    typical = float(np.mean([s.r for s in spots])) if spots else 1.0
    return blur(side.astype(np.float32), max(1.0, 0.1 * typical))


def _diffuse(rng: np.random.Generator, surface: Surface) -> Patch:
    """Cover nearly everything, without any outline; some islands of bare skin may be left."""
    field = noise(rng, surface.shape, cell=surface.unit / 3.5)
    share = float(rng.uniform(0.5, 1.1))
    edge = float(np.quantile(field[::4, ::4], 1 - share)) if share < 1 else float(field.min()) - 1
    fine = 0.2 * noise(rng, surface.shape, cell=6)
    mask = ramp(np.asarray(field + fine - edge, np.float32), -0.45, 0.45)
    inside = (field > edge).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), np.float32)
    if share >= 1:
        depth[:] = surface.unit
    outer = np.asarray(cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5), np.float32)
    nowhere = np.zeros(surface.shape, np.float32)
    return Patch(mask, inside, depth, outer, nowhere, nowhere, 0.14 * surface.unit, (), 0.07 * surface.unit)


def clear_middle(rng: np.random.Generator, surface: Surface, area: Patch) -> Patch:
    """Flatten and fade the middle of every lesion, as regressing ones are; large fields clear in islands."""
    reach = 0.5 * area.radius
    middle = ramp(area.depth, 0.8 * reach, 1.25 * reach)
    if not area.spots:
        middle = middle * ramp(noise(rng, surface.shape, cell=surface.unit / 5), -0.1, 0.3)
    return replace(area, cleared=np.asarray(middle, np.float32), mask=np.asarray(area.mask * (1 - 0.93 * middle)))
