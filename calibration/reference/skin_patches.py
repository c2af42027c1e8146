"""Find squares of bare real skin in a photograph, away from its lesion, and say which tone they appear to have.

Bare is judged by eye of a rule: no pixel of the dilated lesion mask, nothing far from the square's own middle colour
once hairs and pores are blurred away. What passes can still hold a mole that nobody masked; such a square makes the
pasted test harder, never easier. The tone is what the photograph shows, light and white balance included: it says
which drawing fits, nothing about the person.

Source: individual typology angle, Chardon et al., Int. J. Cosmet. Sci. 13 (1991) 191: atan((L* - 50) / b*).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing_skin import TONES
from calibration.reference.photographs import Photograph

LEAST_SIDE = 120  # px; a smaller square, enlarged, would be blurred skin, which is no photograph any more
MARGIN = 0.05  # of the photograph's side: masks end where the students stopped, lesions fade further out
SPREAD = 14.0  # CIE76 distance from the middle colour that 97 % of the blurred square stays within
SHARES = (0.62, 0.52, 0.43, 0.36, 0.3)  # side of the square over the photograph's shorter side, the largest first
PER_PHOTO = 4


@dataclass(frozen=True, slots=True)
class SkinPatch:
    """One square of bare skin: ``pixels`` uint8[S, S, 3] RGB, its apparent tone 1-5 and where it was found."""

    image_id: str
    patient_id: str
    pixels: NDArray[np.uint8]
    tone: int
    left: int
    top: int


def skin_patches(photo: Photograph) -> tuple[SkinPatch, ...]:
    """Return at most ``PER_PHOTO`` squares of bare skin, the largest first, overlapping by less than half.

    Args:
        photo: without a mask it gives none, since its lesion could be anywhere.
    """
    if photo.lesion is None:
        return ()
    height, width = photo.lesion.shape
    unit = min(height, width)
    reach = max(3, round(MARGIN * unit)) * 2 + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    taken = cv2.dilate(photo.lesion.astype(np.uint8), kernel)
    smooth = cv2.GaussianBlur(_lab(photo.pixels), (0, 0), max(1.0, unit / 90))
    found: list[tuple[int, int, int]] = []
    for share in SHARES:
        side = round(share * unit)
        if side < LEAST_SIDE:
            break
        step = max(1, side // 6)
        places = [(x, y) for y in range(0, height - side + 1, step) for x in range(0, width - side + 1, step)]
        rated = [(_spread(smooth[y : y + side, x : x + side]), x, y) for x, y in places if _is_free(taken, x, y, side)]
        for spread, x, y in sorted(rated):
            if spread <= SPREAD and len(found) < PER_PHOTO and all(_apart((x, y, side), other) for other in found):
                found.append((x, y, side))
    squares = [np.ascontiguousarray(photo.pixels[y : y + side, x : x + side]) for x, y, side in found]
    if not squares:
        return ()
    tone = apparent_tone(np.median([np.median(square, axis=(0, 1)) for square in squares], axis=0))  # one person
    return tuple(
        SkinPatch(photo.image_id, photo.patient_id, square, tone, x, y)
        for square, (x, y, _) in zip(squares, found, strict=True)
    )


def apparent_tone(colour: NDArray[np.float64]) -> int:
    """Return the drawn tone (1-5) whose typology angle is nearest to that of a colour (sRGB, three numbers 0-255)."""
    angle = typology_angle(colour)
    drawn = {tone: typology_angle(np.asarray(colour, np.float64)) for tone, colour in TONES.items()}
    return min(drawn, key=lambda tone: abs(drawn[tone] - angle))


def typology_angle(colour: NDArray[np.float64]) -> float:
    """Return the individual typology angle in degrees of one sRGB colour (three numbers, 0-255)."""
    lightness, _, yellow = (float(v) for v in _lab(colour.reshape(1, 1, 3).astype(np.float32))[0, 0])
    return math.degrees(math.atan2(lightness - 50, max(yellow, 1e-6)))


def _lab(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _is_free(taken: NDArray[np.uint8], x: int, y: int, side: int) -> bool:
    return not taken[y : y + side, x : x + side].any()


def _spread(lab: NDArray[np.float32]) -> float:
    """Return the CIE76 distance from the middle colour within which 97 % of the square lies."""
    rows = lab[::3, ::3].reshape(-1, 3)
    return float(np.quantile(np.linalg.norm(rows - np.median(rows, axis=0), axis=1), 0.97))


def _apart(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    """Say whether two squares (left, top, side) share less than half of the smaller."""
    across = max(0, min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0]))
    down = max(0, min(one[1] + one[2], other[1] + other[2]) - max(one[1], other[1]))
    return across * down < 0.5 * min(one[2], other[2]) ** 2
