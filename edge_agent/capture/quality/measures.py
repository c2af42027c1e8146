"""Take every measure of one picture, once, for the gate and for the coach."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from edge_agent.capture.quality.framing import Framing, framing
from edge_agent.capture.quality.light import Light, light
from edge_agent.capture.quality.sharpness import Sharpness, sharpness
from edge_agent.capture.quality.skin import SkinColour, skin_colour
from edge_agent.capture.quality.working import working
from edge_agent.contracts.case import Frame


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of one picture; each part says what its numbers mean."""

    sharpness: Sharpness
    light: Light
    skin: SkinColour
    framing: Framing

    def flat(self) -> dict[str, float]:
        """Return every number by ``part.name``, for a table or a log."""
        return {f"{part}.{name}": float(value) for part, row in asdict(self).items() for name, value in row.items()}


def measure(frame: Frame) -> Measures:
    """Measure one picture, uint8[H, W, 3] BGR; tens of milliseconds at most on one core."""
    picture = working(np.ascontiguousarray(frame))
    return Measures(sharpness(picture), light(picture), skin_colour(picture.lab), framing(picture.lab))
