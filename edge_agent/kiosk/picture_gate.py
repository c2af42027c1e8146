"""The picture gate of this release, as the rooms of a consultation ask it.

What it judges with (OpenCV) is loaded with the first picture: a kiosk that waits for a person holds 17 MB less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.capture.quality.coach import Hint
    from edge_agent.capture.quality.gate import Quality
    from edge_agent.contracts.case import Frame


class ReleasedGate:
    """Judge and coach by the limits of this release."""

    def judge(self, frames: Sequence[Frame], *, shot: str | None, site: str | None) -> Quality:
        """Judge the best of a burst, frames uint8[H, W, 3] BGR."""
        from edge_agent.capture.quality.gate import judge

        return judge(frames, shot=shot, site=site)

    def coach(self, frames: Sequence[Frame], *, shot: str | None) -> Hint:
        """Say what to do next with the camera."""
        from edge_agent.capture.quality.coach import coach

        return coach(frames, shot=shot)
