"""Bring a frame to the size at which it is measured: one size for every camera, so that one limit holds for all.

A picture is reduced, never enlarged: enlarging would add blur that nobody photographed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.case import Frame

FINE_PX = 480  # shorter side for focus and movement
COARSE_PX = 160  # shorter side for light, colour and framing: the noise of single pixels is averaged away
CENTRE_SHARE = 0.8  # of both sides: what lies in the corners decides nothing about light

Plane = NDArray[np.float32]  # [H, W]
Lab = NDArray[np.float32]  # [H, W, 3], CIE L* 0-100, a*, b*


@dataclass(frozen=True, slots=True)
class Working:
    """One frame at the sizes of measuring.

    ``fine`` uint8[h, w, 3] BGR, shorter side at most 480 px; ``grey`` float32[h, w] of it, 0-255; ``coarse``
    uint8[h', w', 3] BGR, shorter side at most 160 px; ``lab`` float32[h', w', 3] of it.
    """

    fine: Frame
    grey: Plane
    coarse: Frame
    lab: Lab


def working(frame: Frame) -> Working:
    """Reduce a frame (uint8[H, W, 3], BGR) to the sizes of measuring.

    Raises:
        RuntimeError: not three channels of 8 bits (a programmer's mistake: readers and cameras check it).
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise RuntimeError(f"a frame is uint8[H, W, 3], not {frame.dtype}{list(frame.shape)}")
    fine = reduced(frame, FINE_PX)
    coarse = reduced(fine, COARSE_PX)
    grey = np.asarray(cv2.cvtColor(fine, cv2.COLOR_BGR2GRAY), np.float32)
    lab = cv2.cvtColor(coarse.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2Lab)
    return Working(fine, grey, coarse, np.asarray(lab, np.float32))


def reduced(frame: Frame, edge_px: int) -> Frame:
    """Reduce a frame so that its shorter side has at most ``edge_px`` pixels."""
    scale = edge_px / min(frame.shape[:2])
    if scale >= 1:
        return frame
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def centre(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the middle of a picture as two slices."""
    rows, columns = (round(n * (1 - CENTRE_SHARE) / 2) for n in shape[:2])
    return slice(rows, shape[0] - rows), slice(columns, shape[1] - columns)
