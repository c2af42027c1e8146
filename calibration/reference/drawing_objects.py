"""Draw pictures of things that are not skin: gradients, cloth, text, leaves, wood; some of them skin-coloured."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Colours, Picture, cells, noise, ramp
from calibration.reference.drawing_skin import TONES

_WORDS = ("EXIT", "No. 12", "CLINIC", "Total 48.20", "open 9-17", "WARD B", "2.5 kg", "Thank you", "A7-113")


def thing(rng: np.random.Generator, *, height: int, width: int, kind: str) -> Picture:
    """Draw one thing that is not skin, uint8[H, W, 3] RGB.

    Args:
        rng: the view's generator.
        height: pixels.
        width: pixels.
        kind: a name from ``signs_other.not_skin_signs``.
    """
    shape = (height, width)
    first, second = _colour(rng), _colour(rng)
    draw = {
        "gradient": _gradient,
        "noise": _clouds,
        "cloth": _cloth,
        "checks": _checks,
        "text": _text,
        "objects": _objects,
        "leaves": _leaves,
        "wood": _wood,
        "bricks": _bricks,
        "landscape": _landscape,
        "sand": _sand,
    }[kind]
    out = draw(rng, shape, first, second)
    return np.asarray(np.clip(out, 0, 255), np.uint8)


def _colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw any colour; one in three is a skin colour, or skin colour alone would mean skin."""
    if rng.random() < 0.33:
        return np.asarray(TONES[int(rng.integers(1, 6))], np.float32) * float(rng.uniform(0.85, 1.05))
    return rng.uniform(10, 245, 3).astype(np.float32)


def _mix(first: NDArray[np.float32], second: NDArray[np.float32], share: NDArray[np.float32]) -> Colours:
    return np.asarray(first + (second - first) * share[..., None], np.float32)


def _grid(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    yy, xx = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return yy, xx


def _gradient(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    yy, xx = _grid(shape)
    angle = float(rng.uniform(0, 2 * math.pi))
    along = (xx / shape[1] - 0.5) * math.cos(angle) + (yy / shape[0] - 0.5) * math.sin(angle) + 0.5
    return _mix(first, second, np.clip(along, 0, 1))


def _clouds(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    total = np.zeros(shape, np.float32)
    for octave in range(6):
        total += noise(rng, shape, cell=max(1.5, shape[0] / 3 / 2**octave)) / 1.6**octave
    return _mix(first, second, np.asarray(np.clip(0.5 + 0.3 * total, 0, 1), np.float32))


def _cloth(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    yy, xx = _grid(shape)
    period = float(rng.uniform(4, 14))
    weave = np.sin(xx * 2 * math.pi / period) * np.sin(yy * 2 * math.pi / period)
    folds = noise(rng, shape, cell=shape[0] / 4, aspect=0.5)
    out = _mix(first, second, np.asarray(0.3 + 0.3 * weave, np.float32))
    return np.asarray(out * (1 + 0.16 * folds)[..., None], np.float32)


def _checks(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    yy, xx = _grid(shape)
    angle, period = float(rng.uniform(0, math.pi)), float(rng.uniform(12, 60))
    u, v = xx * math.cos(angle) + yy * math.sin(angle), yy * math.cos(angle) - xx * math.sin(angle)
    stripes = (u // period) % 2
    pattern = stripes if rng.random() < 0.5 else (stripes + (v // period) % 2) % 2
    return _mix(first, second, np.asarray(pattern, np.float32))


def _text(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    del second
    out = np.empty((*shape, 3), np.uint8)  # putText of OpenCV 5 draws on bytes only
    out[:] = np.clip(first, 0, 255)
    ink = (20.0, 20.0, 30.0) if first.mean() > 110 else (240.0, 240.0, 230.0)
    y = int(rng.uniform(20, 50))
    while y < shape[0]:
        size = float(rng.uniform(0.5, 1.6))
        word = " ".join(_WORDS[int(i)] for i in rng.integers(0, len(_WORDS), 3))
        cv2.putText(out, word, (int(rng.uniform(-20, 30)), y), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1 + int(size))
        y += int(18 + 26 * size)
    return out.astype(np.float32)


def _objects(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    out = _gradient(rng, shape, first, second)
    h, w = shape
    for _ in range(int(rng.integers(2, 8))):
        colour = tuple(float(c) for c in _colour(rng))
        x, y, r = int(rng.uniform(0, w)), int(rng.uniform(0, h)), int(rng.uniform(0.06, 0.3) * h)
        if rng.random() < 0.5:
            cv2.circle(out, (x, y), r, colour, -1, cv2.LINE_AA)
            cv2.circle(out, (x - r // 3, y - r // 3), max(1, r // 5), (250.0, 250.0, 250.0), -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints(
                ((float(x), float(y)), (2.0 * r, float(rng.uniform(0.3, 2)) * r), float(rng.uniform(0, 90)))
            )
            cv2.fillPoly(out, [np.rint(box).astype(np.int32)], colour, cv2.LINE_AA)
    return out


def _leaves(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    del second
    h, w = shape
    out = np.empty((h, w, 3), np.float32)
    out[:] = first * 0.4
    for _ in range(int(rng.integers(15, 50))):
        green = (float(rng.uniform(20, 120)), float(rng.uniform(90, 200)), float(rng.uniform(20, 80)))
        centre = (int(rng.uniform(0, w)), int(rng.uniform(0, h)))
        long = int(rng.uniform(0.06, 0.22) * h)
        turn = float(rng.uniform(0, 360))
        cv2.ellipse(out, centre, (long, max(2, long // 3)), turn, 0, 360, green, -1, cv2.LINE_AA)
        dx, dy = long * math.cos(math.radians(turn)), long * math.sin(math.radians(turn))
        a, b = (int(centre[0] - dx), int(centre[1] - dy)), (int(centre[0] + dx), int(centre[1] + dy))
        cv2.line(out, a, b, tuple(0.7 * c for c in green), 1, cv2.LINE_AA)
    return out


def _wood(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    del first, second
    yy, xx = _grid(shape)
    bend = noise(rng, shape, cell=shape[0] / 3, aspect=2)
    period = float(rng.uniform(6, 24))
    grain = 0.5 + 0.5 * np.sin((yy + 0.05 * xx) * 2 * math.pi / period + 3 * bend)
    dark, light = np.asarray((110, 70, 40), np.float32), np.asarray((196, 150, 100), np.float32)
    return _mix(dark, light * float(rng.uniform(0.8, 1.15)), np.asarray(grain, np.float32))


def _bricks(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    yy, xx = _grid(shape)
    high = float(rng.uniform(16, 44))
    row = yy // high
    x = xx + (row % 2) * high
    joint = ((yy % high) < 3) | ((x % (2 * high)) < 3)
    out = _mix(first, second, joint.astype(np.float32))
    return np.asarray(out * (1 + 0.06 * noise(rng, shape, cell=5))[..., None], np.float32)


def _landscape(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    del second
    yy, _ = _grid(shape)
    skyline = shape[0] * (float(rng.uniform(0.35, 0.7)) + 0.08 * noise(rng, shape, cell=shape[1] / 5)[0][None, :])
    ground = ramp(np.asarray(yy - skyline, np.float32), -1, 1)
    high, low = np.asarray((120, 165, 220), np.float32), np.asarray((225, 225, 225), np.float32)
    sky = _mix(high, low, np.asarray(yy / shape[0], np.float32))
    soil = first * (1 + 0.2 * noise(rng, shape, cell=6))[..., None]
    return np.asarray(sky * (1 - ground[..., None]) + soil * ground[..., None], np.float32)


def _sand(
    rng: np.random.Generator, shape: tuple[int, int], first: NDArray[np.float32], second: NDArray[np.float32]
) -> Colours:
    del first, second
    value, edge = cells(rng, shape, size=float(rng.uniform(5, 22)))
    stone = np.asarray(TONES[int(rng.integers(1, 5))], np.float32)
    grains = 0.55 + 0.6 * value - 0.03 * edge
    return np.asarray(stone * grains[..., None], np.float32)
