"""What the hand-over of a consultation asks of others: a desk that takes the case, rules that say what it may hold."""

from __future__ import annotations

from typing import Literal, Protocol

from edge_agent.consultation.draft import Draft
from edge_agent.contracts.case import Case, Frame
from edge_agent.contracts.previous import PreviousVisit


class CaseDesk(Protocol):
    """Take finished cases: stored durably, then queued for the agents."""

    def submit(self, case: Case, *, language: Literal["zh", "en"], awaits_sign_off: bool = False) -> None:
        """Store the case, then queue it."""
        ...


class Rules(Protocol):
    """What the hand-over asks of the rules; ``consultation.course.Course`` answers."""

    def without_forbidden(self, draft: Draft) -> Draft:
        """Return the draft without what may not be."""
        ...

    def case_of(self, draft: Draft, images: dict[str, Frame], previous: PreviousVisit | None) -> Case:
        """Build the case of a finished draft."""
        ...
