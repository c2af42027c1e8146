"""The parts of the intake form that ask for history, treatment, joints, mood and the clinician's own urgency.

Each part is optional and says nothing when it is left out: an empty part is ``not_examined``, never normal. Does not
read files and does not judge answers; ``contracts.intake`` puts the parts together.

Source: clinical-vocabulary sections 7.2 to 7.6 and 9.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edge_agent.contracts.intake_values import Avpu, Known, OwnTierReason, Response, Tier, Treatment

H = TypeVar("H", bound=Hashable)
Lax = Field(strict=False)  # a JSON list becomes a tuple; its items stay closed values
_CM_PER_M = 100.0


def _distinct(items: tuple[H, ...]) -> tuple[H, ...]:
    if len(set(items)) != len(items):
        raise ValueError("names a value twice")
    if "none" in items and len(items) > 1:
        raise ValueError("names none beside another value; keep one of the two")
    return items


Distinct = AfterValidator(_distinct)


class Record(BaseModel):
    """Base of the records: unknown keys and coerced types are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class VitalSigns(Record):
    """Measured vital signs (7.6): temperature in degrees C, rates per minute, spo2 in %, pressure in mmHg, kg, cm."""

    temp_c: float | None = Field(default=None, ge=30, le=43)
    heart_rate: int | None = Field(default=None, ge=20, le=250)
    resp_rate: int | None = Field(default=None, ge=4, le=80)
    spo2: int | None = Field(default=None, ge=50, le=100)
    sbp: int | None = Field(default=None, ge=40, le=260)
    dbp: int | None = Field(default=None, ge=20, le=160)
    avpu: Avpu | None = None
    weight_kg: float | None = Field(default=None, ge=0.5, le=300)
    height_cm: float | None = Field(default=None, ge=30, le=230)

    @property
    def bmi(self) -> float | None:
        """Return the body mass index in kg/m2, or None while weight or height is missing."""
        if self.weight_kg is None or self.height_cm is None:
            return None
        return self.weight_kg / (self.height_cm / _CM_PER_M) ** 2


class TreatmentNote(Record):
    """One treatment in use (7.3) and how it worked so far; the response is None while nobody asked."""

    kind: Treatment
    response: Response | None = None

    @model_validator(mode="after")
    def _nothing_has_no_response(self) -> TreatmentNote:
        if self.kind in {"none", "unknown"} and self.response is not None:
            raise ValueError(f"response stands beside the kind {self.kind}: name the treatment or drop response")
        return self


def _treatments(notes: tuple[TreatmentNote, ...]) -> tuple[TreatmentNote, ...]:
    _distinct(tuple(note.kind for note in notes))
    return notes


Treatments = Annotated[tuple[TreatmentNote, ...], Lax, Field(max_length=6), AfterValidator(_treatments)]


class Mood(Record):
    """Two mood questions and the one asked only face to face (7.5): ids only, no words; never leaves the device."""

    low_mood: Known | None = None
    loss_of_interest: Known | None = None
    self_harm_thoughts: Known | None = None


class WorkerView(Record):
    """The worker's own impression and urgency, recorded before the program's answer is shown."""

    impression: str | None = Field(default=None, max_length=400)
    tier: Tier | None = None
    worried: Literal["yes", "no"] | None = None


class ClinicianView(Record):
    """A clinician's own tier with the reason code that the record keeps; it alone may lower a tier (section 9)."""

    tier: Tier | None = None
    reason: OwnTierReason | None = None

    @model_validator(mode="after")
    def _tier_and_reason_go_together(self) -> ClinicianView:
        if (self.tier is None) != (self.reason is None):
            raise ValueError("a clinician's tier and its reason go together: enter both or neither")
        return self
