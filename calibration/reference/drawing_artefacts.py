"""Spoil a drawn picture as real use does: hair, ruler, pen, glare, cloth, shade, colour cast, blur, noise, JPEG.

The same chances for every family and every tone, so that no artefact can stand for a diagnosis.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Picture, noise, ramp, three
from calibration.reference.drawing_skin import hair

_PENS = ((40, 40, 130), (20, 40, 60), (70, 40, 120))


def spoil(rng: np.random.Generator, picture: Picture, *, tone: int, far: bool = False) -> Picture:
    """Return the picture as a camera in a real room gives it.

    Args:
        rng: the view's generator.
        picture: uint8[H, W, 3] RGB, lit; changed.
        tone: for the colour of hair.
        far: an overview: no hair, ruler or pen, hardly any blur.
    """
    if not far:
        if rng.random() < 0.3:
            hair(rng, picture, tone=tone)
        if rng.random() < 0.14:
            _pen(rng, picture)
        if rng.random() < 0.12:
            _ruler(rng, picture)
        if rng.random() < 0.14:
            picture = _cloth_edge(rng, picture)
    work = picture.astype(np.float32)
    if rng.random() < 0.25:
        work += three(_glare(rng, picture.shape[:2])) * np.float32(rng.uniform(40, 110))
    light = _light(rng, picture.shape[:2])
    work *= np.asarray(cv2.merge([light * channel for channel in _cast(rng)]), np.float32)
    work += three(_grain(rng, picture.shape[:2]))
    sharp = np.clip(work, 0, 255, out=work).astype(np.uint8)
    sharp = _blurred(rng, sharp, most=0.7 if far else 1.5)
    return _compressed(rng, sharp)


def _light(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Uneven light: a slope, sometimes dark corners."""
    h, w = shape
    yy = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    xx = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    angle = float(rng.uniform(0, 2 * math.pi))
    slope = float(rng.uniform(0, 0.13))
    out = 1 + slope * (math.cos(angle) * xx + math.sin(angle) * yy)
    if rng.random() < 0.25:
        out = out * (1 - float(rng.uniform(0.08, 0.3)) * np.clip(xx * xx + yy * yy - 0.3, 0, 2))
    # Rooms at a health post are dim: without dark pictures a model takes the room's light for the skin's tone.
    exposure = float(rng.uniform(0.55, 1.1)) if rng.random() < 0.4 else float(rng.uniform(0.9, 1.06))
    return np.asarray(out * exposure, np.float32)


def _cast(rng: np.random.Generator) -> NDArray[np.float32]:
    """White balance: mostly slight, in a third of the pictures a clearly warm, cool or green lamp."""
    spread = 0.13 if rng.random() < 0.35 else 0.03
    warm, green = float(np.clip(rng.normal(0.3 * spread, spread), -0.25, 0.35)), float(rng.normal(0, spread / 3))
    return np.asarray([1 + 0.6 * warm, 1 + green, 1 - 1.1 * warm], np.float32)


def _grain(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Sensor noise."""
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(rng.uniform(1, 6))


def _blurred(rng: np.random.Generator, picture: Picture, *, most: float) -> Picture:
    """Slight defocus in a third of the pictures."""
    if rng.random() < 0.33:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, most))), np.uint8)
    return picture


def _compressed(rng: np.random.Generator, picture: Picture) -> Picture:
    """One JPEG round trip at a random quality in most of the pictures."""
    if rng.random() < 0.3:
        return picture
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))]
    _, data = cv2.imencode(".jpg", picture, quality)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _glare(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A soft bright patch, as a flash leaves on oily skin."""
    h, w = shape
    plane = np.zeros((h // 4 + 1, w // 4 + 1), np.float32)
    centre = (int(rng.uniform(0, w) / 4), int(rng.uniform(0, h) / 4))
    axes = (int(rng.uniform(0.03, 0.16) * w / 4) + 1, int(rng.uniform(0.03, 0.16) * h / 4) + 1)
    cv2.ellipse(plane, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    plane = cv2.GaussianBlur(plane, (0, 0), 3)
    return np.asarray(cv2.resize(plane, (w, h)), np.float32)


def _pen(rng: np.random.Generator, picture: Picture) -> None:
    """A surgeon's pen: a broken ring, an arrow or dots; anywhere."""
    h, w = picture.shape[:2]
    unit = min(h, w)
    ink = _PENS[int(rng.integers(0, len(_PENS)))]
    x, y = int(rng.uniform(0.3, 0.7) * w), int(rng.uniform(0.3, 0.7) * h)
    thick = int(rng.integers(1, 5))
    layer = picture.copy()
    kind = int(rng.integers(0, 3))
    if kind == 0:
        axes = (int(rng.uniform(0.15, 0.4) * unit), int(rng.uniform(0.12, 0.35) * unit))
        start = float(rng.uniform(0, 180))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(layer, (x, y), axes, turn, start, start + float(rng.uniform(180, 355)), ink, thick, cv2.LINE_AA)
    elif kind == 1:
        tip = (int(x + rng.uniform(-0.2, 0.2) * unit), int(y + rng.uniform(-0.2, 0.2) * unit))
        cv2.arrowedLine(layer, (x, y), tip, ink, thick, cv2.LINE_AA, 0, 0.35)
    else:
        for _ in range(int(rng.integers(2, 7))):
            dot = (int(x + rng.normal(0, 0.15) * unit), int(y + rng.normal(0, 0.15) * unit))
            cv2.circle(layer, dot, thick, ink, -1, cv2.LINE_AA)
    share = float(rng.uniform(0.5, 0.9))
    cv2.addWeighted(layer, share, picture, 1 - share, 0, dst=picture)


def _ruler(rng: np.random.Generator, picture: Picture) -> None:
    """A paper ruler along one edge."""
    h, w = picture.shape[:2]
    deep = int(rng.uniform(0.07, 0.12) * min(h, w))
    step = max(3, int(min(h, w) * float(rng.uniform(0.02, 0.045))))
    top = bool(rng.random() < 0.5)
    y0 = 0 if top else h - deep
    cv2.rectangle(picture, (0, y0), (w, y0 + deep), (240, 238, 228), -1)
    for i, x in enumerate(range(0, w, step)):
        length = int(deep * (0.6 if i % 5 == 0 else 0.3))
        start, end = (y0 + deep, y0 + deep - length) if top else (y0, y0 + length)
        cv2.line(picture, (x, start), (x, end), (30, 30, 30), 1)


def _cloth_edge(rng: np.random.Generator, picture: Picture) -> Picture:
    """Coloured cloth or a couch behind the limb, along one side or in a corner."""
    h, w = picture.shape[:2]
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    angle = float(rng.uniform(0, 2 * math.pi))
    u = (xx / w - 0.5) * math.cos(angle) + (yy / h - 0.5) * math.sin(angle)
    edge = float(rng.uniform(0.36, 0.5)) + 0.03 * noise(rng, (h, w), cell=min(h, w) / 4)
    cover = ramp(np.asarray(u - edge, np.float32), 0, 0.02)[..., None]
    colour = rng.uniform(20, 235, 3).astype(np.float32)
    weave = 1 + 0.08 * noise(rng, (h, w), cell=3)
    cloth = colour * weave[..., None]
    return np.clip(picture * (1 - cover) + cloth * cover, 0, 255).astype(np.uint8)
