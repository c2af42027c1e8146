"""Where on the drawn body the lesions of each distribution stand. Numbers only; draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Point = tuple[float, float]  # x to the figure's side (mirrored for the other side), y downwards; 1 = figure height


@dataclass(frozen=True, slots=True)
class Site:
    """One place on one side of the body: centre, spread of the lesions and their number; shares of the height."""

    x: float
    y: float
    spread: float
    count: int = 3
    size: float = 1.0


HEAD: tuple[Point, float] = ((0.0, 0.125), 0.125)
JOINTS: dict[str, Point] = {
    "shoulder": (0.14, 0.28),
    "elbow": (0.245, 0.42),
    "hand": (0.285, 0.585),
    "hip": (0.085, 0.55),
    "knee": (0.125, 0.74),
    "foot": (0.155, 0.935),
}
SITES: dict[str, tuple[Site, ...]] = {
    "extensor": (Site(0.25, 0.425, 0.02, 4), Site(0.128, 0.745, 0.024, 4)),  # elbows and knees, on the outer side
    "flexural": (Site(0.135, 0.335, 0.016, 3), Site(0.215, 0.405, 0.012, 2, 0.8), Site(0.05, 0.645, 0.018, 3)),
    "scalp": (Site(0.05, 0.035, 0.018, 4, 0.8), Site(0.09, 0.075, 0.014, 3, 0.8)),
    "truncal": (Site(0.07, 0.32, 0.03), Site(0.065, 0.41, 0.03), Site(0.06, 0.49, 0.025)),
    "acral": (Site(0.285, 0.59, 0.024, 4), Site(0.165, 0.945, 0.024, 4)),
    "nail": (),
    "photo_exposed": (
        Site(0.055, 0.12, 0.024, 3, 0.9),
        Site(0.05, 0.165, 0.016, 2, 0.8),
        Site(0.022, 0.268, 0.012, 2, 0.8),
        Site(0.268, 0.51, 0.018, 3, 0.8),
        Site(0.285, 0.575, 0.018, 2, 0.8),
    ),
    "dermatomal": (),
    "generalised": (
        Site(0.06, 0.1, 0.03, 3, 0.8),
        Site(0.07, 0.32, 0.03, 3),
        Site(0.065, 0.42, 0.03, 3),
        Site(0.05, 0.5, 0.02, 2),
        Site(0.19, 0.345, 0.012, 2, 0.7),
        Site(0.245, 0.43, 0.012, 2, 0.7),
        Site(0.268, 0.51, 0.012, 2, 0.7),
        Site(0.285, 0.585, 0.014, 2, 0.7),
        Site(0.105, 0.66, 0.012, 2),
        Site(0.125, 0.75, 0.015, 2),
        Site(0.14, 0.84, 0.012, 2, 0.8),
        Site(0.16, 0.94, 0.015, 2, 0.8),
    ),
}
# One of these, and nothing elsewhere: one large patch that no other distribution has.
LOCALISED: tuple[Site, ...] = (
    Site(0.075, 0.36, 0.02, 5),
    Site(0.07, 0.47, 0.02, 5),
    Site(0.105, 0.67, 0.016, 4),
    Site(0.145, 0.83, 0.016, 4),
    Site(0.205, 0.355, 0.012, 4, 0.8),
)
FINGERS = 4
_HAND, _TIPS, _FOOT = (0.285, 0.585), 0.078, (0.16, 0.935)


def finger_tips() -> tuple[Point, ...]:
    """Return the tips of the fingers of one hand, then of the toes of one foot."""
    angles = np.linspace(0.1, 1.85, FINGERS)
    fingers = tuple((_HAND[0] + _TIPS * float(np.cos(a)), _HAND[1] + _TIPS * float(np.sin(a))) for a in angles)
    toes = tuple((_FOOT[0] - 0.05 + 0.035 * n, _FOOT[1] + 0.048) for n in range(4))
    return fingers + toes


def dermatome(rng: np.random.Generator) -> list[Point]:
    """Return the middles of the lesions of one band around one side of the trunk, from the middle line outwards."""
    level = float(rng.uniform(0.33, 0.48))
    slope = float(rng.uniform(0.05, 0.3))
    return [(x, level - slope * x + float(rng.normal(0, 0.007))) for x in np.arange(0.014, 0.125, 0.013)]
