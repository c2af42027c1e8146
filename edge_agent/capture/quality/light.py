"""Measure the light of a picture: whether there was enough, whether it was cut off, whether it shines or has a colour.

Darkness is judged by the brightest part of the picture, not by its middle: well-lit dark skin still shines somewhere and
fills the lower half of the range, an underexposed picture of any skin does not. Says nothing about a person's skin tone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.capture.quality.working import Lab, Working, centre
from edge_agent.contracts.case import Frame

_FULL = 250  # of 255: what a camera could not hold
_WHITE = 235  # of 255, in all three channels: white enough for a reflection
_TOP_PERCENT = 98.0
_BLOB_SHARE = 0.0004  # of the picture: a smaller spot is a glint on a hair or a skin line
_LIT_L = (20.0, 92.0)  # CIE L* of pixels whose colour says something


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one picture.

    ``top`` and ``middle``: 98th percentile and median of the brightest channel in the middle, 0-255. ``cut``: share of
    the middle in which at least two channels are at their end. ``glare``: share of the middle under white blobs. ``hue``: of the mean colour,
    degrees (0 red, 90 yellow, 180 green); ``chroma``: its strength in CIE units.
    """

    top: float
    middle: float
    cut: float
    glare: float
    hue: float
    chroma: float


def light(picture: Working) -> Light:
    """Measure the light of a picture."""
    middle = picture.coarse[centre(picture.coarse.shape)]
    cut = float(((middle >= _FULL).sum(axis=2) >= 2).mean())
    hue, chroma = _colour(picture.lab)
    top, half = np.percentile(middle.max(axis=2), (_TOP_PERCENT, 50))
    return Light(float(top), float(half), cut, _glare(middle), hue, chroma)


def _glare(middle: Frame) -> float:
    """Return the share of white blobs, glints left out."""
    white = (middle.min(axis=2) >= _WHITE).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    return float(areas[areas >= _BLOB_SHARE * white.size].sum() / white.size)


def _colour(lab: Lab) -> tuple[float, float]:
    """Return hue (degrees, -180 to 180) and chroma of the mean colour of what is neither black nor white."""
    lit = (lab[..., 0] > _LIT_L[0]) & (lab[..., 0] < _LIT_L[1])
    if not lit.any():
        return 0.0, 0.0
    a, b = (float(lab[..., n][lit].mean()) for n in (1, 2))
    return math.degrees(math.atan2(b, a)), math.hypot(a, b)
