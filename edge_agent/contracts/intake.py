"""The intake and consent records: what people, not pictures, say about a case.

Everything is optional: what is left out is ``not_examined`` and stays so, it is never read as normal
(clinical-vocabulary section 0.2). Ids are checked against closed lists; labels live in the vocabulary files.
Nothing here is synced as it is; ``edge_agent.privacy`` decides what may leave the device.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edge_agent.contracts.intake_values import (
    Avpu,
    BodySite,
    CoatingColour,
    CoatingTexture,
    Course,
    DangerSign,
    Duration,
    Examined,
    GeneralSign,
    Known,
    Laterality,
    Pregnancy,
    Pulse,
    Sex,
    Shot,
    SublingualVeins,
    Symptom,
    TcmExaminer,
    Tier,
    TongueColour,
    TongueFeature,
)

T = TypeVar("T")
Scale10 = Annotated[int, Field(ge=0, le=10)]


def _distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(items)) != len(items):
        raise ValueError("names a value twice")
    return items


Lax = Field(strict=False)  # a JSON list becomes a tuple; its items stay closed values


class Record(BaseModel):
    """Base of the records: unknown keys and coerced types are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ViewNote(Record):
    """What the form says about one picture, in the order of the pictures; the model never says it."""

    shot: Shot | None = None
    body_site: BodySite | None = None
    laterality: Laterality | None = None


class VitalSigns(Record):
    """Measured vital signs (7.6); temperature in degrees C, rates per minute, spo2 in %, pressure in mmHg."""

    temp_c: float | None = Field(default=None, ge=30, le=43)
    heart_rate: int | None = Field(default=None, ge=20, le=250)
    resp_rate: int | None = Field(default=None, ge=4, le=80)
    spo2: int | None = Field(default=None, ge=50, le=100)
    sbp: int | None = Field(default=None, ge=40, le=260)
    dbp: int | None = Field(default=None, ge=20, le=160)
    avpu: Avpu | None = None


class Tongue(Record):
    """The tongue as a person saw it (7.8)."""

    body_colour: TongueColour | None = None
    body_feature: Annotated[tuple[TongueFeature, ...], Lax, Field(max_length=3), AfterValidator(_distinct)] = ()
    coating_colour: CoatingColour | None = None
    coating_texture: Annotated[tuple[CoatingTexture, ...], Lax, Field(max_length=2), AfterValidator(_distinct)] = ()
    sublingual_veins: SublingualVeins | None = None


class WorkerView(Record):
    """The worker's own impression and urgency, recorded before the program's answer is shown."""

    impression: str | None = Field(default=None, max_length=400)
    tier: Tier | None = None
    worried: Literal["yes", "no"] | None = None


class Intake(Record):
    """One visit's form as far as this release reads it. Nothing is required; absent means ``not_examined``."""

    local_reference: str | None = Field(default=None, max_length=64)
    age_years: int | None = Field(default=None, ge=0, le=120)
    age_months: int | None = Field(default=None, ge=0, le=23)
    sex: Sex | None = None
    pregnancy: Pregnancy | None = None
    breastfeeding: Known | None = None
    guardian_present: Known | None = None
    fitzpatrick: int | None = Field(default=None, ge=1, le=6)
    monk: int | None = Field(default=None, ge=1, le=10)
    duration: Duration | None = None
    course: Course | None = None
    new_lesions_two_weeks: Known | None = None
    symptoms: Annotated[tuple[Symptom, ...], Lax, Field(max_length=7), AfterValidator(_distinct)] | None = None
    itch_nrs: Scale10 | None = None
    pain_nrs: Scale10 | None = None
    sleep_nrs: Scale10 | None = None
    impact_nrs: Scale10 | None = None
    new_drug_within_8_weeks: Known | None = None
    bsa_percent: float | None = Field(default=None, ge=0, le=100)
    vital_signs: VitalSigns = VitalSigns()
    danger_signs: dict[DangerSign, Examined] = {}
    tcm_examiner: TcmExaminer | None = None
    tongue: Tongue = Tongue()
    pulse: Annotated[tuple[Pulse, ...], Lax, Field(max_length=3), AfterValidator(_distinct)] = ()
    general: Annotated[dict[GeneralSign, Examined], Field(max_length=8)] = {}
    worker: WorkerView = WorkerView()
    views: Annotated[tuple[ViewNote, ...], Lax] = ()

    @model_validator(mode="after")
    def _pulse_needs_a_practitioner(self) -> Intake:
        """Refuse a felt pulse from anyone but a TCM practitioner (7.8)."""
        if any(value != "not_examined" for value in self.pulse) and self.tcm_examiner != "tcm_practitioner":
            raise ValueError(
                "pulse counts only from a practitioner: set tcm_examiner to tcm_practitioner or drop pulse"
            )
        return self


class Purpose(Record):
    """One purpose of the consent: granted or refused, and under which version of its text."""

    granted: bool
    version: str = Field(min_length=1, max_length=32)


class Consent(Record):
    """Five separate, versioned consents (policy R2) and who recorded them, for whom, when and how.

    ``fictitious`` marks the demo's consent: it syncs like a real one and is named on the report.
    """

    care_pictures: Purpose
    program_help: Purpose
    deidentified_result: Purpose
    referral_package: Purpose
    training: Purpose
    given_by: Literal["person", "guardian"]
    language: str = Field(min_length=2, max_length=16)
    read_aloud: bool
    witness: str | None = Field(default=None, max_length=64)
    recorded_by: str = Field(min_length=1, max_length=64)
    recorded_at: datetime
    fictitious: bool = False

    @model_validator(mode="after")
    def _time_has_a_zone(self) -> Consent:
        if self.recorded_at.tzinfo is None:
            raise ValueError("recorded_at needs a time zone, e.g. 2026-01-31T09:30:00Z")
        return self

    @property
    def is_sync_allowed(self) -> bool:
        """Say whether the de-identified result may leave the device (policy R14; the pictures never do)."""
        return self.deidentified_result.granted
