"""Draw bare skin of five tones: mottling, pores, wrinkles, freckles, veins, sun damage, hair. No lesions here."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Surface, blank, blend, blur, noise, ramp, three

# Middle sRGB colour of each tone; every picture shifts it a little. Chosen by eye, not measured.
TONES = {
    1: (243, 217, 199),
    2: (228, 187, 158),
    3: (199, 151, 117),
    4: (142, 96, 70),
    5: (88, 58, 45),
}


def tone_colour(rng: np.random.Generator, tone: int) -> NDArray[np.float32]:
    """Draw the skin colour of one person of a tone, float32[3] RGB."""
    middle = np.asarray(TONES[tone], np.float32)
    warm = float(rng.normal(0, 0.035))
    tint = np.asarray([1 + warm, 1.0, 1 - 1.6 * warm], np.float32)
    return np.asarray(np.clip(middle * tint * float(rng.uniform(0.93, 1.05)), 20, 252), np.float32)


def skin(rng: np.random.Generator, *, height: int, width: int, tone: int) -> Surface:
    """Draw a patch of healthy skin that fills the picture."""
    surface = blank(rng, height=height, width=width, tone=tone, base=tone_colour(rng, tone))
    shape = surface.shape
    mottle = noise(rng, shape, cell=surface.unit / 6)
    fine = noise(rng, shape, cell=4)
    depth = float(rng.uniform(0.01, 0.035))
    surface.albedo *= three(np.asarray(1 + depth * mottle + 0.015 * fine, np.float32))
    ruddy = noise(rng, shape, cell=surface.unit / 4)
    blend(
        surface,
        surface.base * np.asarray([1.0, 0.8, 0.8], np.float32),
        float(rng.uniform(0, 0.12)) * np.clip(ruddy, 0, 2),
    )
    _texture(rng, surface)
    if rng.random() < 0.25:
        _sun_damage(rng, surface)
    if rng.random() < 0.3:
        _freckles(rng, surface)
    if rng.random() < 0.15:
        _veins(rng, surface)
    return surface


def _texture(rng: np.random.Generator, surface: Surface) -> None:
    """Add pores and fine creases to the relief, sometimes the creases of a joint or of old skin."""
    shape = surface.shape
    pore = noise(rng, shape, cell=float(rng.uniform(2.2, 5)), aspect=float(rng.uniform(0.5, 2.2)))
    surface.height += float(rng.uniform(0.05, 0.32)) * pore
    if rng.random() < 0.35:
        angle = float(rng.uniform(0, math.pi))
        yy, xx = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        period = surface.unit * float(rng.uniform(0.03, 0.1))
        along = xx * math.cos(angle) + yy * math.sin(angle) + 0.35 * period * noise(rng, shape, cell=surface.unit / 7)
        crease = np.abs(np.sin(along * math.pi / period)) ** 0.5
        deep = 2.0 if rng.random() < 0.3 else 1.0  # coarse skin, as on elbows and old hands
        surface.height += deep * float(rng.uniform(0.3, 1.3)) * crease
        if deep > 1:
            flecks = ramp(noise(rng, shape, cell=3), 1.6, 2.6) * crease
            surface.gloss += np.asarray(float(rng.uniform(0.05, 0.2)) * flecks, np.float32)


def _sun_damage(rng: np.random.Generator, surface: Surface) -> None:
    """Mottle the skin in pink and brown, as old sun-exposed skin is; too faint and too large to be a lesion."""
    strength = float(rng.uniform(0.05, 0.2))
    pink = ramp(noise(rng, surface.shape, cell=surface.unit / 9), 0.2, 1.6)
    brown = ramp(noise(rng, surface.shape, cell=surface.unit / 12), 0.4, 1.8)
    blend(surface, surface.base * np.asarray([1.0, 0.78, 0.76], np.float32), strength * pink)
    blend(surface, surface.base * np.asarray([0.8, 0.68, 0.58], np.float32), strength * brown)


def _freckles(rng: np.random.Generator, surface: Surface) -> None:
    """Scatter small flat brown dots."""
    h, w = surface.shape
    dots = np.zeros((h, w), np.float32)
    for _ in range(int(rng.integers(4, 26))):
        radius = max(1, int(rng.uniform(0.004, 0.011) * surface.unit))
        cv2.circle(dots, (int(rng.integers(0, w)), int(rng.integers(0, h))), radius, float(rng.uniform(0.2, 0.6)), -1)
    blend(surface, surface.base * np.asarray([0.66, 0.52, 0.42], np.float32), blur(dots, 0.9))


def _veins(rng: np.random.Generator, surface: Surface) -> None:
    """Draw one or two blurred bluish veins under the skin."""
    h, w = surface.shape
    lines = np.zeros((h, w), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        _wander(
            rng, lines, start=(float(rng.uniform(0, w)), float(rng.uniform(0, h))), step=surface.unit * 0.12, thick=5
        )
    blend(surface, surface.base * np.asarray([0.72, 0.8, 0.95], np.float32), 0.35 * blur(lines, 3.5))


def _wander(
    rng: np.random.Generator, plane: NDArray[np.float32], *, start: tuple[float, float], step: float, thick: int
) -> None:
    x, y = start
    angle = float(rng.uniform(0, 2 * math.pi))
    points = []
    for _ in range(9):
        points.append((int(x), int(y)))
        angle += float(rng.normal(0, 0.5))
        x, y = x + step * math.cos(angle), y + step * math.sin(angle)
    cv2.polylines(plane, [np.asarray(points, np.int32)], False, 1.0, thick)


def hair(rng: np.random.Generator, picture: NDArray[np.uint8], *, tone: int) -> None:
    """Draw body hair over a lit picture, in place: few or many, thin, mostly in one direction."""
    h, w = picture.shape[:2]
    unit = min(h, w)
    pale = tone <= 2 and rng.random() < 0.4
    colour = (226, 205, 165) if pale else (58, 44, 36)
    direction = float(rng.uniform(0, 2 * math.pi))
    length = unit * float(rng.uniform(0.08, 0.3))
    count = int(rng.integers(40, 140)) if rng.random() < 0.33 else int(rng.integers(5, 40))
    layer = picture.copy()
    for _ in range(count):
        x, y = float(rng.uniform(0, w)), float(rng.uniform(0, h))
        a = direction + float(rng.normal(0, 0.35))
        bend = float(rng.normal(0, 0.5))
        points = []
        for _step in range(5):
            points.append((int(x * 8), int(y * 8)))
            x, y = x + length / 4 * math.cos(a), y + length / 4 * math.sin(a)
            a += bend / 4
        cv2.polylines(layer, [np.asarray(points, np.int32)], False, colour, 1, cv2.LINE_AA, 3)
    cv2.addWeighted(layer, 0.7, picture, 0.3, 0, dst=picture)
