"""The picture gate of this release, as the rooms of a consultation ask it."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.capture.quality.coach import Hint, coach
from edge_agent.capture.quality.gate import Quality, judge
from edge_agent.contracts.case import Frame


class ReleasedGate:
    """Judge and coach by the limits of this release."""

    def judge(self, frames: Sequence[Frame], *, shot: str | None, site: str | None) -> Quality:
        """Judge the best of a burst, frames uint8[H, W, 3] BGR."""
        return judge(frames, shot=shot, site=site)

    def coach(self, frames: Sequence[Frame], *, shot: str | None) -> Hint:
        """Say what to do next with the camera."""
        return coach(frames, shot=shot)
