"""Draw an overview: a stylised body in the skin tone with lesions where the distribution puts them.

Head, trunk, hands and feet are larger than life so that lesions on them, and the side that has none, can be seen at
168 pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blank, blend, blur, cells, noise, ramp
from calibration.reference.drawing_lesions import REDS, inflamed_colour, lightened
from calibration.reference.drawing_sites import HEAD, JOINTS, LOCALISED, SITES, Point, Site, dermatome, finger_tips
from calibration.reference.drawing_skin import tone_colour
from calibration.reference.signs import Signs


def overview(rng: np.random.Generator, *, height: int, width: int, tone: int, signs: Signs) -> Surface:
    """Draw a person in front of a background, with the case's lesions in their places."""
    surface = blank(rng, height=height, width=width, tone=tone, base=tone_colour(rng, tone))
    _room(rng, surface)
    side = 1 if rng.random() < 0.5 else -1
    size = height * float(rng.uniform(0.93, 0.985))
    top = height * 0.5 - size * 0.5
    origin = (width * float(rng.uniform(0.48, 0.52)), top)
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
        at = {name: _pixel(origin, size, (side * x, y)) for name, (x, y) in JOINTS.items()}
        arm, leg = int(0.078 * size), int(0.105 * size)
        cv2.line(mask, at["shoulder"], at["elbow"], 255, arm, cv2.LINE_AA)
        cv2.line(mask, at["elbow"], at["hand"], 255, arm, cv2.LINE_AA)
        cv2.line(mask, at["hip"], at["knee"], 255, leg, cv2.LINE_AA)
        cv2.line(mask, at["knee"], at["foot"], 255, int(0.8 * leg), cv2.LINE_AA)
        cv2.circle(mask, at["hand"], int(0.058 * size), 255, -1, cv2.LINE_AA)
        cv2.ellipse(mask, at["foot"], (int(0.065 * size), int(0.05 * size)), 0, 0, 360, 255, -1, cv2.LINE_AA)
        for tip in finger_tips():
            width = max(2, int(0.026 * size))
            end = _pixel(origin, size, (side * tip[0], tip[1]))
            cv2.line(mask, at["hand"] if tip[1] < 0.8 else at["foot"], end, 255, width, cv2.LINE_AA)
    trunk = [(-0.165, 0.255), (0.165, 0.255), (0.135, 0.42), (0.14, 0.58), (-0.14, 0.58), (-0.135, 0.42)]
    cv2.fillPoly(mask, [np.asarray([_pixel(origin, size, p) for p in trunk], np.int32)], 255, cv2.LINE_AA)
    cv2.line(mask, _pixel(origin, size, (0, 0.2)), _pixel(origin, size, (0, 0.28)), 255, int(0.08 * size))
    head, radius = _pixel(origin, size, HEAD[0]), int(HEAD[1] * size)
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
    corners = [(-0.15, 0.54), (0.15, 0.54), (0.155, 0.61), (0.02, 0.61), (0, 0.6), (-0.02, 0.61), (-0.155, 0.61)]
    cv2.fillPoly(cloth, [np.asarray([_pixel(origin, size, p) for p in corners], np.int32)], 1.0, cv2.LINE_AA)
    blend(surface, trunks, cloth * body)


def _eruption(
    rng: np.random.Generator, surface: Surface, signs: Signs, *, origin: Point, size: float, side: int
) -> None:
    """Put lesions on the sites of the distribution, on both sides or on one."""
    mask = np.zeros(surface.shape, np.float32)
    for at, share in _lesions(rng, signs, side=side):
        radius = max(2, round(share * size))
        axes = (radius, max(2, round(radius * float(rng.uniform(0.75, 1.0)))))
        turn = math.degrees(float(rng.uniform(0, math.pi)))
        cv2.ellipse(mask, _pixel(origin, size, at), axes, turn, 0, 360, 1.0, -1, cv2.LINE_AA)
    if signs.activity == "regressing":
        _pale_ring(surface, mask)
    blend(surface, _colour(rng, surface, signs), 0.95 * blur(mask, 0.6))
    scaly = signs.family == "papulosquamous" and signs.scale_type != "none" and signs.activity != "remission"
    if scaly and signs.colour not in ("pale_red", "pink"):
        value, _ = cells(rng, surface.shape, size=5)  # from afar scale is only a pale glimmer
        dark = surface.tone >= 4
        glimmer = 0.55 * mask * (value > 0.95 - 0.09 * (signs.scale_amount or 0))
        blend(surface, (178, 172, 178) if dark else (240, 232, 228), np.asarray(glimmer, np.float32))


def _lesions(rng: np.random.Generator, signs: Signs, *, side: int) -> list[tuple[Point, float]]:
    """Return each lesion's middle and radius as shares of the figure's height."""
    if signs.distribution == "nail":
        sides = (-1, 1) if signs.symmetry != "asymmetric" else (side,)
        return [((s * x, y), 0.0165) for x, y in finger_tips() for s in sides]
    if signs.distribution == "dermatomal":
        return [((side * x, y), float(rng.uniform(0.016, 0.022))) for x, y in dermatome(rng)]
    large = {"guttate": 0.021, "nummular": 0.031, "geographic": 0.038}.get(signs.shape, 0.032)
    more = 2 if signs.shape == "guttate" else 0
    found: list[tuple[Point, float]] = []
    for site, x in _places(rng, signs, side=side):
        for _ in range(site.count + more):
            at = (x + float(rng.normal(0, 0.45)) * site.spread, site.y + float(rng.normal(0, 0.6)) * site.spread)
            found.append((at, large * site.size * float(rng.uniform(0.8, 1.2))))
    return found


def _places(rng: np.random.Generator, signs: Signs, *, side: int) -> list[tuple[Site, float]]:
    """Return the sites with their signed x: both sides when symmetric, else one; ``localised`` is one site alone."""
    if signs.distribution == "localised":
        site = LOCALISED[int(rng.integers(0, len(LOCALISED)))]
        return [(site, side * site.x)]
    sites = SITES.get(signs.distribution, SITES["truncal"])
    sides = (-1, 1) if signs.symmetry != "asymmetric" else (side,)
    return [(site, sign * site.x) for site in sites for sign in sides]


def _pale_ring(surface: Surface, mask: Plane) -> None:
    """Ring regressing lesions in pale skin, as far as that can be seen from afar."""
    around = np.asarray(cv2.dilate(mask, np.ones((5, 5), np.uint8)), np.float32)
    blend(surface, lightened(surface), np.asarray(0.7 * (around - mask), np.float32))


def _colour(rng: np.random.Generator, surface: Surface, signs: Signs) -> NDArray[np.float32]:
    """Choose the colour of lesions seen from afar: deeper than near, or they would vanish at this size."""
    if signs.activity == "remission" or signs.applicability == "pigment_change_only":
        return surface.base * np.asarray((0.5, 0.38, 0.32), np.float32)
    if signs.colour == "pale_red":
        return np.asarray((236, 112, 100), np.float32)
    if signs.colour in REDS:
        near = inflamed_colour(rng, surface, signs.colour)
        return near * np.float32(0.8) if signs.colour == "grey_brown" else near
    return surface.base * np.asarray((0.92, 0.72, 0.7), np.float32)


def _pixel(origin: Point, size: float, point: Point) -> tuple[int, int]:
    return round(origin[0] + point[0] * size), round(origin[1] + point[1] * size)
