"""Draw scale on lesions: silvery plates, powder, heaped oyster-shell crusts, a rim of peripheral scale."""

from __future__ import annotations

import cv2
import numpy as np

from calibration.reference.drawing import Plane, Surface, blend, blur, cells, noise, ramp
from calibration.reference.drawing_lesions import Patch


def scale(rng: np.random.Generator, surface: Surface, area: Patch, *, kind: str) -> None:
    """Cover lesions with one kind of scale; ``none`` leaves them smooth and slightly shiny.

    Args:
        rng: the view's generator.
        surface: changed in place.
        area: the lesions.
        kind: ``none | silvery_lamellar | fine_branny | thick_adherent | peripheral``.
    """
    if kind == "silvery_lamellar":
        _plates(rng, surface, area)
    elif kind == "fine_branny":
        _powder(rng, surface, area)
    elif kind == "thick_adherent":
        _oyster(rng, surface, area)
    elif kind == "peripheral":
        _rim(rng, surface, area)


def _inner(area: Patch, *, margin: float) -> Plane:
    """Return 0-1: the lesion without a margin of this share of its radius, so that colour and border stay visible."""
    width = margin * area.radius
    return ramp(area.depth, width, width + max(1.5, 0.1 * area.radius))


def _white(surface: Surface) -> tuple[float, float, float]:
    """Return the colour of dry scale: silvery white, grey on dark skin."""
    return {4: (196.0, 192.0, 196.0), 5: (160.0, 157.0, 163.0)}.get(surface.tone, (243.0, 243.0, 248.0))


def _plates(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Lay bright flat plates with dark gaps over most of the lesion; some plates glint."""
    size = max(7.5, min(17.0, 0.45 * area.radius)) * surface.unit / 280
    value, edge = cells(rng, surface.shape, size=size)
    cover = _inner(area, margin=0.27)
    gaps = cv2.morphologyEx(value, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0.002
    kept = ((value > 0.16) & ~gaps & (edge < 0.85 * size)).astype(np.float32)
    body = blur(kept, 0.6)
    amount = cover * body * (0.7 + 0.3 * value)
    blend(surface, _white(surface), np.asarray(amount, np.float32))
    surface.gloss += (0.16 if surface.tone <= 3 else 0.1) * cover * body * (value > 0.72)
    surface.height += np.asarray(cover * body * (1.3 + 1.6 * value), np.float32)


def _powder(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Dust the lesion with small separate white grains, denser in the middle; no relief."""
    grain = noise(rng, surface.shape, cell=2.6 * surface.unit / 280)
    dots = ramp(grain, 0.55, 1.0)
    cover = ramp(area.depth, 0.05 * area.radius, 0.3 * area.radius)
    blend(surface, _white(surface), np.asarray(0.85 * dots * cover, np.float32))


def _oyster(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Heap ochre-grey crusts in rings like an oyster shell, with dark cracks."""
    cover = _inner(area, margin=0.36)
    wobble = noise(rng, surface.shape, cell=max(6.0, 0.35 * area.radius))
    period = max(4.5, min(11.0, 0.22 * area.radius))
    rings = 0.5 + 0.5 * np.sin((area.depth + 0.5 * period * wobble) * (2 * np.pi / period))
    dark = surface.tone >= 4
    low, high = ((92, 80, 62), (170, 152, 122)) if dark else ((158, 122, 70), (238, 214, 158))
    mix = np.asarray(rings, np.float32)[..., None]
    crust = np.asarray(low, np.float32) * (1 - mix) + np.asarray(high, np.float32) * mix
    surface.albedo += (crust - surface.albedo) * (0.93 * cover)[..., None]
    _, edge = cells(rng, surface.shape, size=max(12.0, 0.7 * area.radius))
    cracks = blur(ramp(edge, 0.55 * max(12.0, 0.7 * area.radius), 0.7 * max(12.0, 0.7 * area.radius)), 0.7)
    blend(surface, (70, 40, 30), np.asarray(0.6 * cracks * cover, np.float32))
    surface.height += np.asarray(cover * (2.6 * rings + 3.0), np.float32)


def _rim(rng: np.random.Generator, surface: Surface, area: Patch) -> None:
    """Break a white collar of scale along the inner side of each ring's outer edge."""
    collar = np.zeros(surface.shape, np.float32)
    for spot in area.spots:
        width = max(2, int(0.13 * spot.r))
        cv2.circle(collar, (int(spot.x), int(spot.y)), int(0.86 * spot.r), 1.0, width, cv2.LINE_AA)
    broken = ramp(noise(rng, surface.shape, cell=4.5), -0.7, 0.1)
    amount = np.asarray(0.92 * collar * broken, np.float32)
    blend(surface, _white(surface), amount)
    surface.height += 1.6 * amount
