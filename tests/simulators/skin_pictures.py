"""Small pictures made by code for the quality gate: textured skin of five tones with a lesion, and things."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.contracts.case import Frame

# sRGB of skin from very light to very dark, chosen by eye.
TONES = {1: (243, 217, 199), 2: (228, 187, 158), 3: (199, 151, 117), 4: (142, 96, 70), 5: (88, 58, 45)}


def skin_picture(
    tone: int = 3, *, seed: int = 1, size: int = 360, lesion: tuple[float, float, float] | None = (0, 0, 0.2)
) -> Frame:
    """Draw sharp, well-lit skin, uint8[size, size, 3] BGR.

    Args:
        tone: 1 (lightest) to 5.
        seed: of texture and hairs.
        size: of both sides in pixels.
        lesion: middle x and y (-1 to 1) and radius (share of the side) of a red-brown patch; None: bare skin.
    """
    rng = np.random.default_rng(seed)
    skin = np.empty((size, size, 3), np.float32)
    skin[:] = TONES[tone][::-1]
    relief = cv2.resize(
        rng.standard_normal((size // 4, size // 4)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    skin *= (1 + 0.06 * relief)[..., None]
    if lesion is not None:
        x, y, radius = lesion
        plane = np.zeros((size, size), np.uint8)
        middle = (round((x + 1) / 2 * size), round((y + 1) / 2 * size))
        cv2.circle(plane, middle, round(radius * size), 1, -1, cv2.LINE_AA)
        skin[plane > 0] *= np.asarray([0.45, 0.5, 0.8], np.float32)
    out = np.clip(skin, 0, 255).astype(np.uint8)
    dark = tuple(float(v) for v in 0.45 * np.asarray(TONES[tone][::-1]))
    for _ in range(30):
        a, b = rng.integers(0, size, 2), rng.integers(-size // 8, size // 8, 2)
        cv2.line(out, (int(a[0]), int(a[1])), (int(a[0] + b[0]), int(a[1] + b[1])), dark, 1, cv2.LINE_AA)
    return np.asarray(np.clip(out + rng.normal(0, 0.8, out.shape), 0, 255), np.uint8)


def cloth_picture(colour: tuple[int, int, int] = (160, 90, 30), *, size: int = 360) -> Frame:
    """Draw woven cloth of one colour (BGR), uint8[size, size, 3]."""
    yy, xx = np.mgrid[0:size, 0:size]
    weave = 1 + 0.2 * (((xx // 4) + (yy // 4)) % 2) - 0.1
    return np.asarray(np.clip(np.asarray(colour, np.float32) * weave[..., None], 0, 255), np.uint8)


def moved_aside(frame: Frame, pixels: int) -> Frame:
    """Shift a picture sideways, as a hand does between two frames."""
    return np.ascontiguousarray(np.roll(frame, pixels, axis=1))
