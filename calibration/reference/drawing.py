"""The drawing surface: colour, relief and light of one picture, and the noise that makes skin look like skin.

A picture is built as albedo plus a height map, lit once from one side, then spoiled as cameras spoil it
(``drawing_artefacts``). Noise is drawn on a coarse grid and enlarged, which is what keeps a picture under 15 ms.
This module knows nothing of lesions, labels or cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]  # [H, W]
Colours = NDArray[np.float32]  # [H, W, 3], RGB, 0-255
Picture = NDArray[np.uint8]  # [H, W, 3], RGB


@dataclass(slots=True)
class Surface:
    """The canvas that drawing functions change in place.

    ``albedo`` float32[H, W, 3] RGB 0-255; ``height`` float32[H, W] in pixels towards the camera; ``shadow``
    float32[H, W] multiplies the light (1 = none); ``gloss`` float32[H, W] is added as white after lighting.
    ``unit`` is the shorter side in pixels: every size is a share of it. ``light`` points towards the lamp.
    """

    albedo: Colours
    height: Plane
    shadow: Plane
    gloss: Plane
    unit: float
    light: tuple[float, float]
    tone: int
    base: NDArray[np.float32] = field(default_factory=lambda: np.zeros(3, np.float32))

    @property
    def shape(self) -> tuple[int, int]:
        """Return (H, W) in pixels."""
        return self.height.shape[0], self.height.shape[1]


def blank(rng: np.random.Generator, *, height: int, width: int, tone: int, base: NDArray[np.float32]) -> Surface:
    """Make an even surface of one colour with a lamp somewhere above the upper edge."""
    angle = float(rng.uniform(-2.7, -0.45))
    albedo = np.empty((height, width, 3), np.float32)
    albedo[:] = base
    return Surface(
        albedo=albedo,
        height=np.zeros((height, width), np.float32),
        shadow=np.ones((height, width), np.float32),
        gloss=np.zeros((height, width), np.float32),
        unit=float(min(height, width)),
        light=(math.cos(angle), math.sin(angle)),
        tone=tone,
        base=base,
    )


def noise(rng: np.random.Generator, shape: tuple[int, int], *, cell: float, aspect: float = 1.0) -> Plane:
    """Draw smooth noise of about unit variance whose grain is ``cell`` pixels (``aspect`` times wider than high)."""
    h, w = shape
    rows = max(2, int(h / cell) + 2)
    columns = max(2, int(w / (cell * aspect)) + 2)
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def blur(plane: Plane, sigma: float) -> Plane:
    """Blur a plane; strong blurs are made on a reduced plane because they cost the same everywhere."""
    if sigma < 0.4:
        return plane
    if sigma < 5:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)
    h, w = plane.shape[:2]
    small = cv2.resize(plane, (max(2, w // 4), max(2, h // 4)), interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (w, h), interpolation=cv2.INTER_LINEAR), np.float32
    )


def blend(surface: Surface, colour: NDArray[np.float32] | tuple[float, float, float], amount: Plane) -> None:
    """Move the albedo towards a colour by ``amount`` (float32[H, W], 0-1), in place."""
    a = np.clip(amount, 0, 1).astype(np.float32)
    rows = np.flatnonzero(cv2.reduce(a, 1, cv2.REDUCE_MAX)[:, 0])
    if len(rows) == 0:
        return
    band = slice(int(rows[0]), int(rows[-1]) + 1)  # most lesions cover a part of the picture only
    a = a[band]
    # Three full planes: broadcasting over a last axis of three is four times slower.
    surface.albedo[band] *= three(1 - a)
    surface.albedo[band] += np.asarray(cv2.merge([a * np.float32(channel) for channel in colour]), np.float32)


def three(plane: Plane) -> Colours:
    """Repeat a plane for the three channels, float32[H, W, 3]."""
    return np.asarray(cv2.merge([plane, plane, plane]), np.float32)


def ramp(plane: Plane, low: float, high: float) -> Plane:
    """Return a soft step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((plane - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def cells(rng: np.random.Generator, shape: tuple[int, int], *, size: float) -> tuple[Plane, Plane]:
    """Divide the plane into random plates.

    Returns:
        ``(value, edge)``: float32[H, W] a random number 0-1 per plate, and the distance in pixels from the plate's
        nearest seed (large at the gaps between plates).
    """
    h, w = shape
    count = max(4, int(h * w / (size * size)))
    seeds = np.full((h, w), 255, np.uint8)
    seeds[rng.integers(0, h, count), rng.integers(0, w, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = rng.random(count + 2, dtype=np.float32)
    return table[np.minimum(labels, count + 1)], np.asarray(distance, np.float32)


def lit(surface: Surface, *, strength: float = 0.45) -> Picture:
    """Light the relief from one side and return the picture, uint8[H, W, 3] RGB."""
    gx = cv2.Sobel(surface.height, cv2.CV_32F, 1, 0, ksize=3, scale=0.25)
    gy = cv2.Sobel(surface.height, cv2.CV_32F, 0, 1, ksize=3, scale=0.25)
    facing = -(gx * surface.light[0] + gy * surface.light[1])
    shade = np.clip(1 + strength * facing, 0.48, 1.34) * surface.shadow
    bright = surface.albedo * three(np.asarray(shade, np.float32)) + three(surface.gloss * np.float32(255))
    return np.asarray(np.clip(bright, 0, 255, out=bright), np.uint8)
