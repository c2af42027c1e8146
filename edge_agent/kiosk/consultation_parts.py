"""What the rooms of a consultation work with, beside what every room has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_agent.consultation.course import Course
from edge_agent.contracts.case import Frame
from edge_agent.contracts.intake_values import ViewQuality
from edge_agent.store.consultations import Consultations
from edge_agent.store.episodes import Episodes
from edge_agent.store.vault import ImageVault

BURST = 3  # pictures of which the sharpest is kept
BURST_PAUSE_S = 0.12


class Judged(Protocol):
    """The gate's verdict on a burst: reasons are ids of ``quality_reason``, ``best`` the place of the picture to keep."""

    @property
    def verdict(self) -> ViewQuality:
        """Return the verdict."""
        ...

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why, the weightiest first."""
        ...

    @property
    def best(self) -> int:
        """Return which picture of the burst it is about."""
        ...


class Advice(Protocol):
    """A hint while framing: an id of ``coach_hint`` and an arrow, if any."""

    @property
    def id(self) -> str:
        """Return the hint."""
        ...

    @property
    def arrow(self) -> str | None:
        """Return where to move the camera."""
        ...


class PictureGate(Protocol):
    """Judge pictures and help to frame them."""

    def judge(self, frames: Sequence[Frame], *, shot: str | None, site: str | None) -> Judged:
        """Judge the best of a burst, frames uint8[H, W, 3] BGR."""
        ...

    def coach(self, frames: Sequence[Frame], *, shot: str | None) -> Advice:
        """Say what to do next with the camera."""
        ...


@dataclass(frozen=True, kw_only=True)
class ConsultationParts:
    """Hold the parts of the consultation; built by ``bootstrap``.

    ``on_refused`` is told each reason for which the gate refused a picture, and nothing else: for the device's numbers.
    """

    consultations: Consultations
    episodes: Episodes
    vault: ImageVault
    course: Course
    gate: PictureGate
    burst_pause_s: float = BURST_PAUSE_S
    on_refused: Callable[[str], None] = lambda _reason: None
