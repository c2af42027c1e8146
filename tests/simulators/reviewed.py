"""Decisions of an invented clinician on a report, for paper and files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from edge_agent.agents.report.review import Correction, Review, Ruling

NAME: Final = "Lin Hua"
DECIDED: Final = datetime(2026, 3, 5, 9, tzinfo=UTC)
PARTS: Final = ("findings", "representation", "severity", "reasoning", "triage", "plan")
LISTS: Final = {
    "family": "family", "phenotype": "phenotype", "stage": "stage", "pga": "pga", "condition": "biomedical_condition",
    "syndrome": "syndrome", "tier": "triage",
}  # fmt: skip


def accepted(section: str) -> Ruling:
    """Return an accepted part."""
    return Ruling(section, "accepted", NAME, DECIDED, "agree")


def rejected(section: str, reason: str = "unreadable") -> Ruling:
    """Return a rejected part."""
    return Ruling(section, "rejected", NAME, DECIDED, reason)


def corrected(section: str, reason: str = "wrong_lesion", **values: str) -> Ruling:
    """Return a corrected part; without values it was corrected in a note."""
    own = tuple(Correction(field, LISTS[field], value) for field, value in values.items())
    return Ruling(section, "corrected", NAME, DECIDED, reason, own)


def signed(*rulings: Ruling, follow_up: date | None = None) -> Review:
    """Return a signed review: the parts that are not named were accepted."""
    named = {one.section: one for one in rulings}
    whole = {part: named.get(part, accepted(part)) for part in PARTS}
    return Review(whole, signed_by=NAME, signed=DECIDED, follow_up=follow_up)


def unsigned(*rulings: Ruling) -> Review:
    """Return decisions that nobody has signed yet."""
    return Review({one.section: one for one in rulings})
