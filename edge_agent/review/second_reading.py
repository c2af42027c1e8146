"""A second person's reading of a report: scores, agreement, and who may give it; the policy says when one is needed.

The six items are those by which the physicians of the DERM-3R study judged its reports, 0 to 10 each; the six dimensions
are DermEval's, 1 to 5 each. Scores never leave the device in this version. Does not change the report or its decisions.

Source: DERM-3R, arXiv 2604.09596 (blind reading by 15 physicians); DermEval in SkinGPT-R1, arXiv 2511.15242; policy
``second_reader_required`` (``policy.rules.second_reading_reasons``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_agent.errors import CaseError

PHYSICIAN_ITEMS: Final = (
    "lesion_description",
    "aetiology_pathogenesis",
    "syndrome_differentiation",
    "treatment_principle",
    "prescription_medication",
    "readability",
)
DERMEVAL_DIMENSIONS: Final = (
    "accuracy",
    "safety",
    "medical_groundedness",
    "clinical_coverage",
    "reasoning_coherence",
    "description_precision",
)
READERS: Final = frozenset({"clinician", "tcm_practitioner"})
Tenth = Annotated[int, Field(ge=0, le=10)]
Fifth = Annotated[int, Field(ge=1, le=5)]


class SecondReading(BaseModel):
    """One second reading. A score that is left out was not judged, which is no zero. ``note`` stays local."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(min_length=1, max_length=64)
    read: datetime
    agrees: bool
    physician: Mapping[str, Tenth] = Field(default_factory=dict)
    dermeval: Mapping[str, Fifth] = Field(default_factory=dict)
    note: Annotated[str, Field(max_length=400)] = ""

    @model_validator(mode="after")
    def _scores_are_known(self) -> SecondReading:
        for given, known in ((self.physician, PHYSICIAN_ITEMS), (self.dermeval, DERMEVAL_DIMENSIONS)):
            unknown = sorted(set(given) - set(known))
            if unknown:
                raise ValueError(f"{unknown[0]} is no item: use {', '.join(known)}")
        if not self.agrees and not self.note.strip():
            raise ValueError("who does not agree says why in the note")
        if self.read.tzinfo is None:
            raise ValueError("a reading's time needs a time zone")
        return self

    @property
    def physician_total(self) -> int | None:
        """Return the sum out of 60, or None while an item is not judged."""
        return sum(self.physician.values()) if len(self.physician) == len(PHYSICIAN_ITEMS) else None


def check_reader(account: str, *, roles: Collection[str], first_readers: Collection[str]) -> None:
    """Refuse a second reading by somebody who decided on the report, or who is no reader.

    Raises:
        CaseError: says who may read instead.
    """
    if not READERS & set(roles):
        raise CaseError("a second reading needs a clinician or a TCM practitioner: sign in as one")
    if account in first_readers:
        raise CaseError("you decided on this report yourself: another person gives the second reading")
