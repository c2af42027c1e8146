"""Draw scale on lesions: which kind, and over how much of them.

The amount 0-4 is the covered share of the lesion (none, a tenth, a third, two thirds, nearly all) and, with it, the
thickness. The kind is the texture; both can be named apart.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blend, blur, cells, noise, ramp
from calibration.reference.drawing_outline import Patch

SHARE = {1: 0.09, 2: 0.3, 3: 0.62, 4: 0.96}


def scale(
    rng: np.random.Generator, surface: Surface, area: Patch, *, kind: str, amount: int | None, shells: bool = False
) -> None:
    """Cover lesions with one kind of scale; ``none`` or amount 0 leaves them smooth.

    Args:
        rng: the view's generator.
        surface: changed in place.
        area: the lesions.
        kind: ``silvery_lamellar | fine_branny | thick_adherent | greasy | collarette | peripheral``; others none.
        amount: 0-4; None is 3.
        shells: heap the scale in concentric rings like an oyster shell, whatever its kind.
    """
    grade = 3 if amount is None else amount
    draw = {
        "silvery_lamellar": _plates,
        "fine_branny": _powder,
        "thick_adherent": _blocks,
        "greasy": _greasy,
        "collarette": _collarette,
        "peripheral": _rim,
    }.get(kind)
    if not grade or draw is None:
        return
    if shells and kind not in ("collarette", "peripheral"):
        _shells(rng, surface, area, grade=grade, ochre=kind in ("thick_adherent", "greasy"))
        return
    draw(rng, surface, area, grade)


def _cover(area: Patch, *, margin: float) -> Plane:
    """Return 0-1: the lesion without a margin of this share of its radius, so that colour and border stay visible."""
    width = margin * area.radius
    body = ramp(area.depth, width, width + max(1.5, 0.08 * area.radius))
    return np.asarray(body * (1 - area.cleared) * ramp(area.mask, 0.3, 0.7), np.float32)


def _margin(grade: int) -> float:
    return 0.09 if grade == 4 else 0.13


def _patches(field: Plane, cover: Plane, share: float, *, soft: float) -> Plane:
    """Return 0-1: the highest parts of a field, over this share of the covered lesion."""
    inside = field[cover > 0.5]
    if len(inside) < 8:
        return np.zeros_like(cover)
    edge = float(np.quantile(inside[:: max(1, len(inside) // 1500)], 1 - share))
    return np.asarray(ramp(field, edge - soft, edge + soft) * cover, np.float32)


def _gaps(value: Plane, *, wide: int) -> NDArray[np.bool_]:
    """Return where two plates meet, this many pixels wide."""
    return np.asarray(cv2.morphologyEx(value, cv2.MORPH_GRADIENT, np.ones((wide, wide), np.uint8)) > 0.002)


def _white(surface: Surface) -> tuple[float, float, float]:
    """Return the colour of dry scale: silvery white, grey on dark skin."""
    return {4: (204.0, 200.0, 204.0), 5: (170.0, 168.0, 175.0)}.get(surface.tone, (244.0, 244.0, 249.0))


def _plates(rng: np.random.Generator, surface: Surface, area: Patch, grade: int) -> None:
    """Lay bright flat plates with dark gaps; some plates glint."""
    size = float(np.clip(0.45 * area.radius, 8.0, 16.0)) * surface.unit / 280
    value, edge = cells(rng, surface.shape, size=size)
    cover = _cover(area, margin=_margin(grade))
    gaps = _gaps(value, wide=3)
    # Plates cling together: a slow field decides where, the plate's own number whether.
    slow = noise(rng, surface.shape, cell=2.2 * size)
    kept = _patches(np.asarray(value + 0.25 * slow, np.float32), cover, SHARE[grade], soft=0.02)
    body = blur(np.asarray(kept * ~gaps * (edge < 0.95 * size), np.float32), 0.6)
    blend(surface, _white(surface), np.asarray(body * (0.78 + 0.22 * value), np.float32))
    surface.gloss += np.asarray((0.18 if surface.tone <= 3 else 0.12) * body * (value > 0.66), np.float32)
    surface.height += np.asarray(body * (0.9 + 0.45 * grade * value), np.float32)


def _powder(rng: np.random.Generator, surface: Surface, area: Patch, grade: int) -> None:
    """Dust the lesion with small matt white grains; no plates, no relief."""
    grain = noise(rng, surface.shape, cell=2.7 * surface.unit / 280)
    cover = _cover(area, margin=0.05)
    dots = _patches(grain, cover, {1: 0.08, 2: 0.26, 3: 0.52, 4: 0.86}[grade], soft=0.25)
    blend(surface, _white(surface), np.asarray((0.86 - 0.1 * (grade == 4)) * dots, np.float32))


def _blocks(rng: np.random.Generator, surface: Surface, area: Patch, grade: int) -> None:
    """Stick thick yellow-grey blocks on the lesion, with dark cracks between them and steep edges."""
    size = float(np.clip(0.62 * area.radius, 11.0, 25.0)) * surface.unit / 280
    value, _ = cells(rng, surface.shape, size=size)
    cover = _cover(area, margin=_margin(grade))
    body = blur(_patches(np.asarray(value, np.float32), cover, SHARE[grade], soft=0.004), 0.7)
    dark = surface.tone >= 4
    low, high = ((104, 90, 66), (172, 154, 118)) if dark else ((172, 136, 76), (236, 214, 160))
    grit = np.clip(0.5 + 0.35 * value + 0.22 * noise(rng, surface.shape, cell=4), 0, 1)[..., None]
    crust = np.asarray(low, np.float32) * (1 - grit) + np.asarray(high, np.float32) * grit
    surface.albedo += (crust - surface.albedo) * (0.95 * body)[..., None]
    cracks = blur(_gaps(value, wide=5 if size > 15 else 3).astype(np.float32), 0.6)
    blend(surface, (66, 40, 28), np.asarray(0.85 * cracks * body, np.float32))
    surface.height += np.asarray(body * (1 - 0.6 * cracks) * (1.6 + 1.2 * grade), np.float32)


def _shells(rng: np.random.Generator, surface: Surface, area: Patch, *, grade: int, ochre: bool) -> None:
    """Heap crusts in concentric rings like an oyster shell, higher towards the middle."""
    cover = _cover(area, margin=0.1)
    px = surface.unit / 280
    period = float(np.clip(0.27 * area.radius, 6.5 * px, 13.0 * px))
    wobble = noise(rng, surface.shape, cell=max(8.0, 0.6 * area.radius))
    phase = ((area.depth + 0.3 * period * wobble) / period) % 1
    step = np.asarray(
        phase * ramp(np.asarray(1 - phase, np.float32), 0.0, 0.22), np.float32
    )  # a slow rise and a sharp fall, as layers lie
    dark = surface.tone >= 4
    if ochre:
        low, high = ((82, 68, 50), (184, 164, 128)) if dark else ((140, 100, 52), (244, 224, 172))
    else:
        low, high = ((92, 88, 92), (184, 180, 186)) if dark else ((150, 132, 132), (248, 246, 250))
    layer = np.clip(step * 1.3, 0, 1)[..., None]
    crust = np.asarray(low, np.float32) * (1 - layer) + np.asarray(high, np.float32) * layer
    thin = _patches(
        noise(rng, surface.shape, cell=0.5 * area.radius + 4), cover, min(1.0, SHARE[grade] + 0.15), soft=0.2
    )
    surface.albedo += (crust - surface.albedo) * (0.95 * thin)[..., None]
    surface.height += np.asarray(thin * (2.2 * px * (0.5 + 0.4 * grade) * step + 0.06 * area.depth), np.float32)


def _greasy(rng: np.random.Generator, surface: Surface, area: Patch, grade: int) -> None:
    """Smear yellow, wet-looking flakes with soft edges and small bright reflections."""
    cell = float(np.clip(0.28 * area.radius, 6.0, 11.0)) * surface.unit / 280
    field = noise(rng, surface.shape, cell=cell)
    body = _patches(field, _cover(area, margin=_margin(grade)), SHARE[grade], soft=0.22)
    yellow = (164, 128, 44) if surface.tone >= 4 else (238, 198, 66)
    blend(surface, yellow, np.asarray(0.88 * body, np.float32))
    wet = ramp(noise(rng, surface.shape, cell=0.55 * cell), 0.75, 1.15) * body
    surface.gloss += np.asarray((0.55 if surface.tone >= 4 else 0.5) * wet, np.float32)
    surface.height += np.asarray(1.1 * blur(body, 1.2) * (1 + 0.3 * grade), np.float32)


def _collarette(rng: np.random.Generator, surface: Surface, area: Patch, grade: int) -> None:
    """Draw one thin unbroken ring of scale well inside the edge, its free rim lifted towards the middle."""
    px = surface.unit / 280
    width = {1: 0.05, 2: 0.065, 3: 0.085, 4: 0.11}[grade] * area.radius + 0.9 * px
    middle = 0.34 * area.radius
    gate = (1 - area.cleared) if not area.cleared.any() else 1.0
    ring = np.exp(-(((area.depth - middle) / width) ** 2)) * gate
    if grade == 1:
        ring = ring * ramp(noise(rng, surface.shape, cell=0.9 * area.radius), -0.3, 0.0)
    lee = np.exp(-(((area.depth - middle - 2.1 * width) / (0.8 * width)) ** 2)) * ring.max()
    blend(surface, (60, 30, 26), np.asarray(0.4 * lee * area.inside, np.float32))
    blend(surface, _white(surface), np.asarray(0.97 * np.clip(1.35 * ring, 0, 1), np.float32))
    surface.height += np.asarray(1.8 * ring, np.float32)


def _rim(rng: np.random.Generator, surface: Surface, area: Patch, grade: int) -> None:
    """Break coarse white flakes along the very edge of the lesion; the middle stays free."""
    width = {1: 0.14, 2: 0.2, 3: 0.27, 4: 0.34}[grade] * area.radius + 1.5
    uneven = 1 + 0.32 * noise(rng, surface.shape, cell=7 * surface.unit / 280)
    collar = ramp(width * uneven - area.depth, 0, 1.6) * ramp(area.depth, 0.3, 1.8)
    lost = {1: 0.3, 2: -0.1, 3: -0.45, 4: -0.9}[grade]
    broken = ramp(noise(rng, surface.shape, cell=5 * surface.unit / 280), lost - 0.15, lost + 0.15)
    amount = np.asarray(0.95 * collar * broken * ramp(area.mask, 0.2, 0.5), np.float32)
    blend(surface, _white(surface), amount)
    surface.height += 1.6 * amount
