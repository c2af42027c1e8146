"""A second person's reading of a report that policy asks for: scores, agreement, and who may give it.

The six items are those by which the physicians of the DERM-3R study judged its reports, 0 to 10 each; the six dimensions
are DermEval's, 1 to 5 each. Scores never leave the device in this version. Does not change the report or its decisions.

Source: DERM-3R, arXiv 2604.09596 (blind reading by 15 physicians); DermEval in SkinGPT-R1, arXiv 2511.15242; policy
``second_reader_required``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_agent.contracts.case import ADULT_YEARS
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
DARK_FITZPATRICK, DARK_MONK = (
    5,
    7,
)  # tones 5-6, Monk 7-10: erythema is hard to see there (clinical-vocabulary section 2)
READERS: Final = frozenset({"clinician", "tcm_practitioner"})
Tenth = Annotated[int, Field(ge=0, le=10)]
Fifth = Annotated[int, Field(ge=1, le=5)]


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What policy looks at to ask for a second reading. ``fitzpatrick`` 1 to 6, ``monk`` 1 to 10; None: nobody said."""

    age_years: int | None
    fitzpatrick: int | None
    monk: int | None
    has_abstained: bool
    tier: str
    stage: str | None


def reasons(facts: ReportFacts, required: Collection[str]) -> tuple[str, ...]:
    """Return why a report needs a second reader, of the reasons that policy names, in policy's order.

    Args:
        facts: of one report.
        required: ids of ``second_reader_required``: dark_tone, minor, abstained, T3, remission.
    """
    found = {
        "dark_tone": (facts.fitzpatrick or 0) >= DARK_FITZPATRICK or (facts.monk or 0) >= DARK_MONK,
        "minor": facts.age_years is not None and facts.age_years < ADULT_YEARS,
        "abstained": facts.has_abstained,
        "T3": facts.tier == "T3_urgent",
        "remission": facts.stage == "remission",
    }
    return tuple(name for name in required if found.get(name, False))


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
