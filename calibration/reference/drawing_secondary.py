"""Draw what happens to lesions and to the skin around them: crusts, scratches, cracks, coarse lines, stains; activity.

Each change can be seen alone. None changes what the lesion itself is (``drawing_lesions``).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blend, blur, cells, noise, ramp
from calibration.reference.drawing_lesions import lightened
from calibration.reference.drawing_outline import Patch

CHANGES = (
    "crust",
    "excoriation",
    "fissure",
    "lichenification",
    "oozing",
    "atrophy",
    "hyperpigmentation",
    "hypopigmentation",
)


def change(rng: np.random.Generator, surface: Surface, area: Patch, *, kind: str, sparing: bool = False) -> None:
    """Draw one secondary change on or around the lesions; ``none`` and ``scale`` draw nothing here.

    ``sparing`` leaves most of a lesion free of crust and drops, so that its domes can still be seen.
    """
    if not area.inside.any():
        return
    if kind in ("crust", "oozing"):
        (_crust if kind == "crust" else _oozing)(rng, surface, area, 0.35 if sparing else 1.0)
        return
    draw = {
        "excoriation": _excoriation,
        "fissure": _fissure,
        "lichenification": _lichenification,
        "atrophy": _atrophy,
        "hyperpigmentation": _hyperpigmentation,
        "hypopigmentation": _hypopigmentation,
    }.get(kind)
    if draw is not None:
        draw(rng, surface, area)


def some_inside(rng: np.random.Generator, area: Patch, count: int) -> list[tuple[float, float]]:
    """Choose random points inside lesions."""
    ys, xs = np.nonzero(area.inside[::2, ::2])
    if len(ys) == 0:
        return []
    return [(2.0 * float(xs[i]), 2.0 * float(ys[i])) for i in rng.integers(0, len(ys), count)]


def _crust(rng: np.random.Generator, surface: Surface, area: Patch, much: float) -> None:
    """Stick a few thick glassy honey-coloured or black-red clots on the lesions."""
    px = surface.unit / 280
    clots = np.zeros(surface.shape, np.float32)
    for x, y in some_inside(rng, area, int(np.clip(area.inside.mean() * 60, 5, 16) * (0.2 + 0.8 * much))):
        r = float(np.clip(rng.uniform(0.2, 0.42) * area.radius, 6 * px, (7 + 10 * much) * px))
        axes = (int(r), max(2, int(r * rng.uniform(0.55, 1))))
        cv2.ellipse(clots, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    near = blur(clots, 2.2 * px)
    field = near + 0.22 * noise(rng, surface.shape, cell=6 * px) * ramp(near, 0.05, 0.3)
    body = ramp(np.asarray(field, np.float32), 0.42, 0.56)
    honey = rng.random() < 0.6
    colour = ((206, 134, 18) if surface.tone <= 3 else (178, 116, 26)) if honey else (48, 16, 12)
    edge = (118, 66, 10) if honey else (14, 6, 6)
    blend(surface, colour, 0.96 * body)
    blend(surface, edge, np.asarray(0.85 * ramp(body, 0.1, 0.5) * (1 - ramp(body, 0.6, 0.95)), np.float32))
    blend(surface, edge, np.asarray(0.5 * body * ramp(noise(rng, surface.shape, cell=4 * px), 0.7, 1.2), np.float32))
    surface.height += np.asarray(4.0 * px * blur(body, 1.0), np.float32)
    surface.gloss += np.asarray(0.3 * body * ramp(noise(rng, surface.shape, cell=5 * px), 1.0, 1.4), np.float32)


def _excoriation(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Scratch three or four sets of parallel lines through the lesions, raw red with dark beads of dried blood."""
    px = surface.unit / 280
    lines, beads = np.zeros(surface.shape, np.float32), np.zeros(surface.shape, np.float32)
    angle = float(rng.uniform(0, math.pi))
    for x, y in some_inside(rng, area, int(rng.integers(3, 5))):
        turn = angle + float(rng.normal(0, 0.25))
        dx, dy = math.cos(turn), math.sin(turn)
        half = surface.unit * float(rng.uniform(0.1, 0.17))
        for n in (-1, 0, 1):
            ox, oy = x - dy * n * 7.5 * px, y + dx * n * 7.5 * px
            slip = float(rng.normal(0, 0.25)) * half
            a = (int(ox + dx * (slip - half)), int(oy + dy * (slip - half)))
            b = (int(ox + dx * (slip + half)), int(oy + dy * (slip + half)))
            cv2.line(lines, a, b, 1.0, max(2, round(2.4 * px)), cv2.LINE_AA)
            for share in rng.uniform(-1, 1, 3):
                bead = (int(ox + dx * (slip + share * half)), int(oy + dy * (slip + share * half)))
                cv2.circle(beads, bead, max(1, round(2.2 * px)), 1.0, -1, cv2.LINE_AA)
    blend(surface, (130, 4, 16) if surface.tone <= 3 else (196, 70, 74), np.asarray(0.92 * lines, np.float32))
    blend(surface, (50, 8, 10), np.asarray(0.95 * beads, np.float32))
    surface.height += np.asarray(1.4 * beads - 0.9 * lines, np.float32)


def _branches(rng: np.random.Generator, surface: Surface, start: tuple[float, float], thick: int, plane: Plane) -> None:
    """Draw one crooked crack with a side branch or two."""
    x, y = start
    angle = float(rng.uniform(0, 2 * math.pi))
    step = 0.035 * surface.unit
    points = [(int(x), int(y))]
    for n in range(int(rng.integers(5, 8))):
        angle += float(rng.normal(0, 0.55))
        x, y = x + step * math.cos(angle), y + step * math.sin(angle)
        points.append((int(x), int(y)))
        if n in (2, 4):
            side = angle + float(rng.choice([-1, 1])) * float(rng.uniform(0.6, 1.1))
            end = (int(x + 2 * step * math.cos(side)), int(y + 2 * step * math.sin(side)))
            cv2.line(plane, (int(x), int(y)), end, 1.0, max(1, thick - 1), cv2.LINE_AA)
    cv2.polylines(plane, [np.asarray(points, np.int32)], False, 1.0, thick, cv2.LINE_AA)


def _fissure(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Split the lesions by deep dark branching cracks with a pale horny edge."""
    px = surface.unit / 280
    cracks = np.zeros(surface.shape, np.float32)
    for start in some_inside(rng, area, int(rng.integers(4, 7))):
        _branches(rng, surface, start, max(2, round(3 * px)), cracks)
    near = np.clip(area.mask + 0.25, 0, 1) * (area.outer < 6 * px)
    wide = ramp(blur(cracks, 2.2 * px), 0.08, 0.3) * near
    pale = (236, 216, 184) if surface.tone <= 3 else (172, 150, 124)
    blend(surface, pale, np.asarray(0.75 * wide, np.float32))
    blend(surface, (44, 6, 8), np.asarray(cracks * near, np.float32))
    surface.height += np.asarray((1.4 * wide - 4.0 * blur(cracks, 0.7)) * near, np.float32)


def _lichenification(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Coarsen the skin lines into a net of raised lozenges with dark furrows."""
    h, w = surface.shape
    px = surface.unit / 280
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    angle = float(rng.uniform(0, math.pi))
    bend = 2.6 * px * noise(rng, (h, w), cell=22 * px)
    period = float(np.clip(0.3 * area.radius, 9.5 * px, 14 * px))
    furrows = np.zeros((h, w), np.float32)
    for turn in (angle, angle + 1.15):
        along = xx * math.cos(turn) + yy * math.sin(turn) + bend
        furrows = np.maximum(furrows, ramp(np.cos(along * (2 * math.pi / period)), 0.45, 0.95))
    body = ramp(area.depth - 0.3 * area.outer, -5 * px, 4 * px)
    blend(surface, surface.base * np.asarray([0.72, 0.58, 0.54], np.float32), np.asarray(0.12 * body, np.float32))
    dark = surface.base * np.asarray([0.36, 0.27, 0.25], np.float32)
    blend(surface, dark, np.asarray(0.68 * furrows * body, np.float32))
    surface.height += np.asarray(body * (1 - furrows) * 2.6 * px, np.float32)


def _oozing(rng: np.random.Generator, surface: Surface, area: Patch, much: float) -> None:
    """Wet the lesions: clear amber drops with a bright spark each, running down, and a sheen between them."""
    px = surface.unit / 280
    sheen = ramp(noise(rng, surface.shape, cell=9 * px), 0.45, 0.9) * area.mask
    surface.gloss += np.asarray(0.3 * much * sheen, np.float32)
    drops, sparks, lee = (np.zeros(surface.shape, np.float32) for _ in range(3))
    for x, y in some_inside(rng, area, int(np.clip(area.inside.mean() * 90, 8, 24) * much) + 2):
        r = float(rng.uniform(3.2, 6.5)) * px
        run = float(rng.uniform(0, 9)) * px * (rng.random() < 0.4)
        cv2.line(drops, (int(x), int(y - run)), (int(x), int(y)), 1.0, max(2, int(1.2 * r)), cv2.LINE_AA)
        cv2.circle(drops, (int(x), int(y)), max(2, round(r)), 1.0, -1, cv2.LINE_AA)
        at = (int(x + 0.4 * r * surface.light[0]), int(y + 0.4 * r * surface.light[1]))
        cv2.circle(sparks, at, max(1, round(0.36 * r)), 1.0, -1, cv2.LINE_AA)
        below = (int(x - 0.7 * r * surface.light[0]), int(y - 0.7 * r * surface.light[1]))
        cv2.circle(lee, below, max(2, round(r)), 1.0, -1, cv2.LINE_AA)
    blend(surface, (60, 24, 16), np.asarray(0.45 * lee * (1 - drops), np.float32))
    blend(surface, (240, 206, 124) if surface.tone <= 3 else (196, 156, 88), np.asarray(0.62 * drops, np.float32))
    surface.height += np.asarray(2.2 * px * blur(drops, 1.0), np.float32)
    surface.gloss += np.asarray(0.95 * blur(sparks, 0.5), np.float32)


def _atrophy(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Thin the lesions: sunken, translucent, shining like cigarette paper with fine parallel wrinkles."""
    h, w = surface.shape
    px = surface.unit / 280
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    angle = float(rng.uniform(0, math.pi))
    along = xx * math.cos(angle) + yy * math.sin(angle) + 2.4 * px * noise(rng, (h, w), cell=14 * px)
    wrinkles = np.cos(along * (2 * math.pi / (7.5 * px)))
    body = ramp(area.mask, 0.35, 0.8)
    thin = lightened(surface) * 0.75 + np.asarray((196, 150, 160), np.float32) * 0.25
    blend(surface, thin, np.asarray(0.55 * body, np.float32))
    surface.height += np.asarray(body * (0.85 * wrinkles * px) - 4.5 * px * ramp(area.depth, 0, 6 * px), np.float32)
    shine = ramp(noise(rng, (h, w), cell=26 * px, aspect=1.8), 0.3, 1.0) * body
    surface.gloss += np.asarray(0.2 * shine * (0.6 + 0.4 * wrinkles), np.float32)


def _hyperpigmentation(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Darken a wide smoky zone around the lesions."""
    reach = float(np.clip(0.75 * area.radius, 13, 34)) * surface.unit / 280
    uneven = 1 + 0.4 * noise(rng, surface.shape, cell=0.7 * reach)
    zone = ramp(reach * uneven - area.outer, 0, 0.45 * reach) * (1 - 0.75 * area.mask)
    factor = {1: (0.66, 0.48, 0.34), 2: (0.62, 0.46, 0.35), 3: (0.55, 0.43, 0.36)}.get(surface.tone, (0.45, 0.4, 0.4))
    blend(surface, surface.base * np.asarray(factor, np.float32), np.asarray(0.85 * zone, np.float32))


def _hypopigmentation(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Bleach wide ragged patches beside the lesions, unlike the narrow even ring of a regressing plaque."""
    reach = float(np.clip(1.1 * area.radius, 16, 48)) * surface.unit / 280
    field = noise(rng, surface.shape, cell=0.75 * reach) - 0.9 * np.maximum(area.outer / reach - 0.6, 0)
    near = field[area.outer < reach]
    edge = float(np.quantile(near[:: max(1, len(near) // 1500)], 0.62)) if len(near) else 0.0
    zone = ramp(np.asarray(field, np.float32), edge, edge + 0.12) * (1 - area.mask)
    _surround(surface, zone, reach=14.0)
    blend(surface, lightened(surface), np.asarray(0.95 * zone, np.float32))


def _surround(surface: Surface, zone: Plane, *, reach: float) -> None:
    """Darken the skin around a pale zone on the two lightest tones, where paleness alone cannot be seen."""
    if surface.tone > 2:
        return
    around = blur(zone, reach * surface.unit / 280) * (1 - zone)
    tan = surface.base * np.asarray([0.78, 0.64, 0.52], np.float32)
    blend(surface, tan, np.asarray(np.clip(1.5 * around, 0, 0.75), np.float32))


def fresh_papules(rng: np.random.Generator, surface: Surface, area: Patch, *, colour: NDArray[np.float32]) -> None:
    """Scatter many pinhead papules around lesions that are still spreading."""
    px = surface.unit / 280
    reach = float(np.clip(1.3 * area.radius, 26 * px, 60 * px))
    ys, xs = np.nonzero(((area.outer > 5 * px) & (area.outer < reach))[::3, ::3])
    if len(ys) < 12:
        ys, xs = np.nonzero(np.ones((surface.shape[0] // 3, surface.shape[1] // 3)))
    heads, lee, sparks = (np.zeros(surface.shape, np.float32) for _ in range(3))
    count = int(np.clip(len(ys) * 9 / (130 * px * px), 26, 60))
    for i in rng.integers(0, len(ys), count):
        r = float(rng.uniform(2.3, 3.4)) * px
        x, y = 3.0 * xs[i] + float(rng.uniform(0, 3)), 3.0 * ys[i] + float(rng.uniform(0, 3))
        cv2.circle(heads, (int(x), int(y)), max(2, round(r)), 1.0, -1, cv2.LINE_AA)
        off = (round(0.8 * r * surface.light[0]), round(0.8 * r * surface.light[1]))
        cv2.circle(lee, (int(x) - off[0], int(y) - off[1]), max(2, round(r)), 1.0, -1, cv2.LINE_AA)
        cv2.circle(sparks, (int(x) + off[0] // 2, int(y) + off[1] // 2), 1, 1.0, -1, cv2.LINE_AA)
    surface.shadow *= np.asarray(1 - 0.5 * np.clip(lee - heads, 0, 1), np.float32)
    blend(surface, colour, np.asarray(0.95 * heads, np.float32))
    surface.height += np.asarray(2.6 * px * blur(heads, 0.9), np.float32)
    surface.gloss += np.asarray(0.25 * sparks, np.float32)


def pale_rim(surface: Surface, area: Patch) -> None:
    """Put an even pale ring around regressing lesions (Woronoff) and leave a faint stain in their cleared middle."""
    px = surface.unit / 280
    width = float(np.clip(0.32 * area.radius, 6 * px, 15 * px))
    start = 0.3 * area.radius * float(1 - area.crisp.mean())
    ring = ramp(area.outer - start, 0, 1.5) * ramp(start + width - area.outer, 0, 3 * px) * (1 - area.mask)
    _surround(surface, np.asarray(np.clip(ring + area.mask + area.cleared, 0, 1), np.float32), reach=6.0)
    blend(surface, lightened(surface), np.asarray(0.95 * ring, np.float32))
    stain = surface.base * np.asarray([0.9, 0.8, 0.76], np.float32)
    blend(surface, stain, np.asarray(0.45 * area.cleared, np.float32))


def craquelure(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Crack dry skin into a fine net of plates, as old asteatotic eczema is."""
    value, _ = cells(rng, surface.shape, size=17 * surface.unit / 280)
    gaps = cv2.morphologyEx(value, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0.002
    net = blur(gaps.astype(np.float32), 0.5) * area.mask
    blend(surface, (150, 44, 40) if surface.tone <= 3 else (48, 24, 24), np.asarray(0.7 * net, np.float32))
    surface.height -= np.asarray(1.0 * net, np.float32)
