"""Spoil a picture in one known way and strength: defocus, movement, light, glare, colour, compression.

Light is changed in linear light (the sRGB curve undone), as less or more of it on the sensor would. Lengths are shares of
the picture's shorter side, so that one strength means the same at every size. Judges nothing.

Source: sRGB curve, IEC 61966-2-1. What counts as strong was decided by looking at the copies, before any limit was set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.case import Frame

Light = NDArray[np.float32]  # [H, W, 3], linear, 1 = what the camera can hold
Expect = Literal["refuse", "report", "accept"]
_MIDDLE_GREY = 0.18
_READ_NOISE = 0.0035  # of full scale, linear: a phone sensor at a high ISO setting
_SHOT_NOISE = 0.0004  # of the light itself


@dataclass(frozen=True, slots=True)
class Way:
    """One way of spoiling: its name, group, what a person would do with the copy, and how it is made."""

    name: str
    group: str
    expect: Expect
    spoil: Callable[[Frame, np.random.Generator], Frame]


def to_light(frame: Frame) -> Light:
    """Undo the sRGB curve: float32[H, W, 3], linear."""
    v = frame.astype(np.float32) / np.float32(255)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_frame(light: Light) -> Frame:
    """Clip at what a camera can hold and apply the sRGB curve."""
    v = np.clip(light, 0, 1)
    out = np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(out * 255), np.uint8)


def defocus(share: float) -> Callable[[Frame, np.random.Generator], Frame]:
    """Blur by a Gaussian whose sigma is a share of the shorter side."""

    def spoil(frame: Frame, rng: np.random.Generator) -> Frame:
        blurred = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), share * min(frame.shape[:2]))
        return _quantised(blurred, rng)

    return spoil


def movement(share: float) -> Callable[[Frame, np.random.Generator], Frame]:
    """Smear along a line of a random direction whose length is a share of the shorter side."""

    def spoil(frame: Frame, rng: np.random.Generator) -> Frame:
        length = max(2.0, share * min(frame.shape[:2]))
        angle = float(rng.uniform(0, math.pi))
        size = int(length) | 1
        kernel = np.zeros((size + 2, size + 2), np.float32)
        middle = (size + 1) / 2
        dx, dy = math.cos(angle) * length / 2, math.sin(angle) * length / 2
        ends = [(round((middle + s * dx) * 16), round((middle + s * dy) * 16)) for s in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
        smeared = cv2.filter2D(frame.astype(np.float32), -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
        return _quantised(smeared, rng)

    return spoil


def less_light(stops: float) -> Callable[[Frame, np.random.Generator], Frame]:
    """Take so many stops less light than the picture had, with the noise of a small sensor."""

    def spoil(frame: Frame, rng: np.random.Generator) -> Frame:
        light = to_light(frame) / np.float32(2**stops)
        sigma = np.sqrt(_READ_NOISE**2 + _SHOT_NOISE * light)
        return to_frame(light + sigma * rng.standard_normal(light.shape, dtype=np.float32))

    return spoil


def overexposed(stops: float) -> Callable[[Frame, np.random.Generator], Frame]:
    """Meter wrongly: the picture's middle comes so many stops above middle grey; what the camera cannot hold is cut.

    Relative to middle grey, not to the picture as it was: with three stops more light dark skin would only be well lit.
    """

    def spoil(frame: Frame, _rng: np.random.Generator) -> Frame:
        light = to_light(frame)
        middle = max(1e-4, float(np.median(light @ np.asarray([0.0722, 0.7152, 0.2126], np.float32))))
        return to_frame(light * np.float32(_MIDDLE_GREY * 2**stops / middle))

    return spoil


def glare(share: float) -> Callable[[Frame, np.random.Generator], Frame]:
    """Lay white blobs with a soft edge on the middle; together about ``share`` of the picture."""

    def spoil(frame: Frame, rng: np.random.Generator) -> Frame:
        h, w = frame.shape[:2]
        plane = np.zeros((h, w), np.float32)
        for _ in range(3):
            centre = (int(rng.uniform(0.3, 0.7) * w), int(rng.uniform(0.3, 0.7) * h))
            radius = math.sqrt(share * h * w / 3 / math.pi)
            axes = (max(1, int(radius * rng.uniform(0.8, 1.25))), max(1, int(radius)))
            cv2.ellipse(plane, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        plane = cv2.GaussianBlur(plane, (0, 0), 0.012 * min(h, w))
        white = frame.astype(np.float32) * (1 - plane[..., None]) + 262 * plane[..., None]
        return np.asarray(np.clip(white, 0, 255), np.uint8)

    return spoil


def cast(blue: float, green: float, red: float) -> Callable[[Frame, np.random.Generator], Frame]:
    """Colour the light."""

    def spoil(frame: Frame, _rng: np.random.Generator) -> Frame:
        return to_frame(to_light(frame) * np.asarray([blue, green, red], np.float32))

    return spoil


def jpeg(quality: int) -> Callable[[Frame, np.random.Generator], Frame]:
    """Make one JPEG round trip."""

    def spoil(frame: Frame, _rng: np.random.Generator) -> Frame:
        _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    return spoil


def smaller(share: float) -> Callable[[Frame, np.random.Generator], Frame]:
    """Reduce both sides, never below 112 px: what a lesser camera or a crop gives."""

    def spoil(frame: Frame, _rng: np.random.Generator) -> Frame:
        h, w = frame.shape[:2]
        scale = max(share, min(1.0, 112 / min(h, w)))
        return np.asarray(cv2.resize(frame, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA))

    return spoil


def _quantised(picture: NDArray[np.float32], rng: np.random.Generator) -> Frame:
    """Add the faint noise of a sensor, which a real blurred picture has too, and round."""
    noisy = picture + rng.standard_normal(picture.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


WAYS = (
    Way("defocus 0.4 %", "defocus", "report", defocus(0.004)),
    Way("defocus 0.8 %", "defocus", "report", defocus(0.008)),
    Way("defocus 1.6 %", "defocus", "refuse", defocus(0.016)),
    Way("defocus 3 %", "defocus", "refuse", defocus(0.03)),
    Way("movement 1.5 %", "movement", "report", movement(0.015)),
    Way("movement 5 %", "movement", "refuse", movement(0.05)),
    Way("movement 8 %", "movement", "refuse", movement(0.08)),
    Way("2 stops darker", "dark", "report", less_light(2)),
    Way("3 stops darker", "dark", "report", less_light(3)),
    Way("4 stops darker", "dark", "report", less_light(4)),
    Way("5 stops darker", "dark", "refuse", less_light(5)),
    Way("6 stops darker", "dark", "refuse", less_light(6)),
    Way("overexposed 1 stop", "bright", "report", overexposed(1)),
    Way("overexposed 2 stops", "bright", "report", overexposed(2)),
    Way("overexposed 3 stops", "bright", "refuse", overexposed(3)),
    Way("overexposed 4 stops", "bright", "refuse", overexposed(4)),
    Way("glare 3 %", "glare", "report", glare(0.03)),
    Way("glare 25 %", "glare", "report", glare(0.25)),
    Way("yellow lamp", "colour", "report", cast(0.35, 0.85, 1.05)),
    Way("blue light", "colour", "report", cast(1.4, 0.95, 0.6)),
    Way("JPEG 60", "compression", "accept", jpeg(60)),
    Way("JPEG 25", "compression", "report", jpeg(25)),
    Way("half the size", "size", "accept", smaller(0.5)),
)
