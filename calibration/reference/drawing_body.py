"""Draw an overview: a stylised body in the skin tone with lesions where the distribution puts them.

Head, hands and feet are larger than life so that lesions on them can be seen at 140 pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blank, blend, blur, cells, noise, ramp
from calibration.reference.drawing_lesions import inflamed_colour
from calibration.reference.drawing_skin import tone_colour
from calibration.reference.signs import Signs

Point = tuple[float, float]  # x to the figure's side (mirrored for the other side), y downwards; 1 = figure height
_HEAD: tuple[Point, float] = ((0.0, 0.125), 0.12)
_JOINTS: dict[str, Point] = {
    "shoulder": (0.12, 0.27),
    "elbow": (0.225, 0.42),
    "hand": (0.3, 0.565),
    "hip": (0.07, 0.55),
    "knee": (0.105, 0.74),
    "foot": (0.135, 0.94),
}
# Where lesions of each distribution stand on one side of the body: (x, y, spread), shares of the figure height.
_SITES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "extensor": ((0.225, 0.42, 0.022), (0.105, 0.74, 0.024)),
    "truncal": ((0.06, 0.31, 0.03), (0.055, 0.4, 0.03), (0.05, 0.49, 0.03)),
    "scalp": ((0.055, 0.05, 0.022), (0.085, 0.09, 0.018)),
    "acral": ((0.3, 0.57, 0.028), (0.145, 0.945, 0.028)),
}
_EVERYWHERE = (
    (0.05, 0.07, 0.015),
    (0.06, 0.31, 0.03),
    (0.055, 0.42, 0.03),
    (0.05, 0.51, 0.02),
    (0.16, 0.33, 0.012),
    (0.225, 0.42, 0.015),
    (0.27, 0.5, 0.012),
    (0.3, 0.57, 0.012),
    (0.09, 0.63, 0.015),
    (0.105, 0.74, 0.015),
    (0.12, 0.84, 0.012),
    (0.14, 0.95, 0.015),
)


def overview(rng: np.random.Generator, *, height: int, width: int, tone: int, signs: Signs) -> Surface:
    """Draw a person in front of a background, with the case's lesions in their places."""
    surface = blank(rng, height=height, width=width, tone=tone, base=tone_colour(rng, tone))
    _room(rng, surface)
    side = 1 if rng.random() < 0.5 else -1
    size = height * float(rng.uniform(0.86, 0.96))
    top = height * 0.5 - size * 0.5
    origin = (width * float(rng.uniform(0.45, 0.55)), top)
    trunks = rng.uniform(30, 225, 3).astype(np.float32)
    _figure(surface, origin=origin, size=size, trunks=trunks)
    if signs.applicability != "normal_skin":
        _eruption(rng, surface, signs, origin=origin, size=size, side=side)
    return surface


def _room(rng: np.random.Generator, surface: Surface) -> None:
    """Fill the background: wall and floor, a plain sheet, or cloth with folds; never close to the skin colour."""
    shape = surface.shape
    colour = rng.uniform(40, 235, 3).astype(np.float32)
    while float(np.abs(colour - surface.base).max()) < 70:
        colour = rng.uniform(40, 235, 3).astype(np.float32)
    surface.albedo[:] = colour
    kind = rng.random()
    if kind < 0.4:
        floor = int(shape[0] * float(rng.uniform(0.7, 0.9)))
        surface.albedo[floor:] *= float(rng.uniform(0.6, 0.85))
    elif kind < 0.7:
        folds = noise(rng, shape, cell=surface.unit / 5, aspect=0.4)
        surface.albedo *= (1 + 0.1 * folds)[..., None]
    surface.albedo *= (1 + 0.02 * noise(rng, shape, cell=3))[..., None]


def _figure(surface: Surface, *, origin: Point, size: float, trunks: NDArray[np.float32]) -> None:
    """Draw the body as a mask, colour it, round it off and dress it in trunks."""
    mask = np.zeros(surface.shape, np.uint8)
    for side in (-1, 1):
        at = {name: _pixel(origin, size, (side * x, y)) for name, (x, y) in _JOINTS.items()}
        arm, leg = int(0.068 * size), int(0.095 * size)
        cv2.line(mask, at["shoulder"], at["elbow"], 255, arm, cv2.LINE_AA)
        cv2.line(mask, at["elbow"], at["hand"], 255, arm, cv2.LINE_AA)
        cv2.line(mask, at["hip"], at["knee"], 255, leg, cv2.LINE_AA)
        cv2.line(mask, at["knee"], at["foot"], 255, int(0.8 * leg), cv2.LINE_AA)
        cv2.circle(mask, at["hand"], int(0.06 * size), 255, -1, cv2.LINE_AA)
        cv2.ellipse(mask, at["foot"], (int(0.065 * size), int(0.05 * size)), 0, 0, 360, 255, -1, cv2.LINE_AA)
    trunk = [(-0.14, 0.25), (0.14, 0.25), (0.115, 0.42), (0.12, 0.58), (-0.12, 0.58), (-0.115, 0.42)]
    cv2.fillPoly(mask, [np.asarray([_pixel(origin, size, p) for p in trunk], np.int32)], 255, cv2.LINE_AA)
    cv2.line(mask, _pixel(origin, size, (0, 0.2)), _pixel(origin, size, (0, 0.28)), 255, int(0.08 * size))
    head, radius = _pixel(origin, size, _HEAD[0]), int(_HEAD[1] * size)
    cv2.circle(mask, head, radius, 255, -1, cv2.LINE_AA)
    amount = np.asarray(mask.astype(np.float32) / 255, np.float32)
    blend(surface, surface.base, amount)
    depth = np.asarray(cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    surface.height += blur(ramp(depth, 0, 0.04 * size) * np.float32(0.014 * size), 2.0)
    _dress(surface, amount, origin=origin, size=size, trunks=trunks)
    for eye in (-0.035, 0.035):
        cv2.circle(surface.albedo, _pixel(origin, size, (eye, 0.14)), max(1, int(0.008 * size)), (30.0, 25.0, 25.0), -1)


def _dress(surface: Surface, body: Plane, *, origin: Point, size: float, trunks: NDArray[np.float32]) -> None:
    """Put trunks on the figure."""
    cloth = np.zeros(surface.shape, np.float32)
    corners = [(-0.13, 0.53), (0.13, 0.53), (0.14, 0.63), (0.02, 0.63), (0, 0.6), (-0.02, 0.63), (-0.14, 0.63)]
    cv2.fillPoly(cloth, [np.asarray([_pixel(origin, size, p) for p in corners], np.int32)], 1.0, cv2.LINE_AA)
    blend(surface, trunks, cloth * body)


def _eruption(
    rng: np.random.Generator, surface: Surface, signs: Signs, *, origin: Point, size: float, side: int
) -> None:
    """Put lesions on the sites of the distribution, on both sides or on one."""
    sites = _EVERYWHERE if signs.distribution == "generalised" else _SITES[signs.distribution]
    sides = (-1, 1) if signs.symmetry == "symmetric" else (side,)
    mask = np.zeros(surface.shape, np.float32)
    large = {"guttate": 0.022, "nummular": 0.031, "geographic": 0.037}.get(signs.shape, 0.026)
    for x, y, spread in sites:
        for sign in sides:
            for _ in range(5 if signs.shape == "guttate" else 3):
                at = (sign * (x + float(rng.normal(0, 0.45)) * spread), y + float(rng.normal(0, 0.6)) * spread)
                radius = max(2, int(large * size * float(rng.uniform(0.8, 1.2))))
                axes = (radius, max(2, int(radius * float(rng.uniform(0.7, 1.0)))))
                turn = math.degrees(float(rng.uniform(0, math.pi)))
                cv2.ellipse(mask, _pixel(origin, size, at), axes, turn, 0, 360, 1.0, -1, cv2.LINE_AA)
    colour = inflamed_colour(rng, surface, signs.colour) if signs.colour in _RED_OR_GREY else _other(surface, signs)
    dark = signs.colour == "grey_brown"
    pale = signs.colour == "pale_red"
    if pale:  # deeper than in a near view, or pink on pale skin would vanish at this size
        colour = np.asarray((234, 112, 106), np.float32)
    blend(surface, colour * 0.78 if dark else colour, 0.95 * blur(mask, 0.7))
    if signs.family == "papulosquamous" and not pale and (dark or signs.scale_type != "none"):
        # From afar scale is only a pale glimmer; on dark skin it is what shows where the lesions are.
        value, _ = cells(rng, surface.shape, size=5)
        share = 0.55 if dark else 0.75
        blend(surface, (178, 172, 178) if dark else (240, 232, 228), 0.6 * mask * (value > share))


_RED_OR_GREY = ("bright_red", "dark_red", "pale_red", "grey_brown")


def _other(surface: Surface, signs: Signs) -> NDArray[np.float32]:
    """Colour of brown or skin-coloured lesions seen from afar."""
    factor = (0.5, 0.38, 0.32) if signs.colour == "brown" else (0.92, 0.74, 0.72)
    return surface.base * np.asarray(factor, np.float32)


def _pixel(origin: Point, size: float, point: Point) -> tuple[int, int]:
    return round(origin[0] + point[0] * size), round(origin[1] + point[1] * size)
