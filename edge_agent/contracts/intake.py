"""The intake and consent records: what people, not pictures, say about a case.

Everything is optional: what is left out is ``not_examined`` and stays so, it is never read as normal
(clinical-vocabulary section 0.2). Ids are checked against closed lists; labels live in the vocabulary files.
Nothing here is synced as it is; ``edge_agent.privacy`` decides what may leave the device.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge_agent.contracts.consent_values import EMERGENCY_PURPOSES, PURPOSES, Assent, Capacity, GuardianRelation
from edge_agent.contracts.intake_parts import (
    ClinicianView,
    Distinct,
    Lax,
    Mood,
    Record,
    Treatments,
    VitalSigns,
    WorkerView,
)
from edge_agent.contracts.intake_values import (
    AffectedRegion,
    Alcohol,
    Allergy,
    BodySite,
    CoatingColour,
    CoatingTexture,
    Comorbidity,
    Course,
    DangerSign,
    DrugClass,
    Duration,
    Examined,
    FamilyHistory,
    GeneralSign,
    Known,
    Laterality,
    PestItem,
    Pregnancy,
    Pulse,
    Season,
    Sex,
    Shot,
    Smoking,
    SublingualVeins,
    Symptom,
    TcmExaminer,
    TongueColour,
    TongueFeature,
    Trigger,
    ViewQuality,
    WorkerSign,
)
from edge_agent.contracts.result import QualityReason

Scale10 = Annotated[int, Field(ge=0, le=10)]
Percent = Annotated[float, Field(ge=0, le=100)]
MONTHS_UNTIL_YEARS = 24  # below this the form asks for months (7.1)


class ViewNote(Record):
    """What the form says about one picture, in the order of the pictures; the model never says it.

    ``reasons``: what the gate found wrong with a picture that was kept all the same. ``has_mark``: somebody said that it
    shows a tattoo, a birthmark, jewellery or anything else by which people would know the person (policy R6).
    """

    shot: Shot | None = None
    body_site: BodySite | None = None
    laterality: Laterality | None = None
    quality: ViewQuality | None = None  # what the gate or the person who took it said; None: nobody judged
    reasons: Annotated[tuple[QualityReason, ...], Lax, Field(max_length=4), Distinct] = ()
    has_mark: bool = False


class Tongue(Record):
    """The tongue as a person saw it (7.8)."""

    body_colour: TongueColour | None = None
    body_feature: Annotated[tuple[TongueFeature, ...], Lax, Field(max_length=3), Distinct] = ()
    coating_colour: CoatingColour | None = None
    coating_texture: Annotated[tuple[CoatingTexture, ...], Lax, Field(max_length=2), Distinct] = ()
    sublingual_veins: SublingualVeins | None = None


class Intake(Record):
    """One visit's form (section 7). Nothing is required; what is left out is ``not_examined`` and stays so.

    A list that is None was not asked. ``region_area_percent`` is the affected share of THAT region, ``bsa_percent``
    of the whole body. ``age_months`` counts all months since birth, under two years of age.
    """

    local_reference: str | None = Field(default=None, max_length=64)
    age_years: int | None = Field(default=None, ge=0, le=120)
    age_months: int | None = Field(default=None, ge=0, le=MONTHS_UNTIL_YEARS - 1)
    sex: Sex | None = None
    pregnancy: Pregnancy | None = None
    breastfeeding: Known | None = None
    guardian_present: Known | None = None
    interpreter_used: Known | None = None
    fitzpatrick: int | None = Field(default=None, ge=1, le=6)
    monk: int | None = Field(default=None, ge=1, le=10)
    duration: Duration | None = None
    course: Course | None = None
    new_lesions_two_weeks: Known | None = None
    symptoms: Annotated[tuple[Symptom, ...], Lax, Field(max_length=7), Distinct] | None = None
    itch_nrs: Scale10 | None = None
    pain_nrs: Scale10 | None = None
    sleep_nrs: Scale10 | None = None
    impact_nrs: Scale10 | None = None
    season: Season | None = None
    trigger: Annotated[tuple[Trigger, ...], Lax, Field(max_length=4), Distinct] | None = None
    household_itch: Known | None = None
    contact_or_travel_risk: Known | None = None
    known_psoriasis: Known | None = None
    known_eczema: Known | None = None
    new_drug_within_8_weeks: Known | None = None
    new_drug_classes: Annotated[tuple[DrugClass, ...], Lax, Field(max_length=4), Distinct] | None = None
    current_treatment: Treatments | None = None
    previous_treatment_periods_without_response: int | None = Field(default=None, ge=0, le=20)
    allergy: Annotated[tuple[Allergy, ...], Lax, Field(max_length=8), Distinct] | None = None
    allergy_text: str | None = Field(default=None, max_length=200)
    comorbidity: Annotated[tuple[Comorbidity, ...], Lax, Field(max_length=8), Distinct] | None = None
    family_history: Annotated[tuple[FamilyHistory, ...], Lax, Field(max_length=4), Distinct] | None = None
    smoking: Smoking | None = None
    alcohol: Alcohol | None = None
    pest: dict[PestItem, Examined] = Field(default_factory=dict)
    mood: Mood = Mood()
    bsa_percent: Percent | None = None
    region_area_percent: dict[AffectedRegion, Percent] = Field(default_factory=dict)
    pga: int | None = Field(default=None, ge=0, le=4)
    vital_signs: VitalSigns = VitalSigns()
    danger_signs: dict[DangerSign, Examined] = Field(default_factory=dict)
    worker_examination: dict[WorkerSign, Examined] = Field(default_factory=dict)
    tcm_examiner: TcmExaminer | None = None
    tongue: Tongue = Tongue()
    pulse: Annotated[tuple[Pulse, ...], Lax, Field(max_length=3), Distinct] = ()
    general: dict[GeneralSign, Examined] = Field(default_factory=dict)
    worker: WorkerView = WorkerView()
    clinician: ClinicianView = ClinicianView()
    views: Annotated[tuple[ViewNote, ...], Lax] = ()

    @model_validator(mode="after")
    def _pulse_needs_a_practitioner(self) -> Intake:
        """Refuse a felt pulse from anyone but a TCM practitioner (7.8)."""
        if any(value != "not_examined" for value in self.pulse) and self.tcm_examiner != "tcm_practitioner":
            raise ValueError(
                "pulse counts only from a practitioner: set tcm_examiner to tcm_practitioner or drop pulse"
            )
        return self

    @model_validator(mode="after")
    def _age_is_told_once(self) -> Intake:
        """Refuse months that are not the same age as the years: RF-12 rests on them."""
        years, months = self.age_years, self.age_months
        if years is None or months is None or months // 12 == years:
            return self
        if years * 12 >= MONTHS_UNTIL_YEARS:
            raise ValueError(f"age_months is asked only under 2 years: drop it or mend age_years {years}")
        raise ValueError(
            f"age_months counts all months since birth: {years * 12} to {years * 12 + 11} for age_years {years}"
        )

    @model_validator(mode="after")
    def _answers_agree(self) -> Intake:
        """Refuse two answers of which one must be a slip."""
        if self.sex == "male" and self.pregnancy in {"yes", "possible"}:
            raise ValueError(f"pregnancy {self.pregnancy} stands beside sex male: mend one of the two")
        if self.new_drug_classes and self.new_drug_within_8_weeks == "no":
            raise ValueError("new_drug_classes names a drug but new_drug_within_8_weeks is no: mend one of the two")
        return self


class Purpose(Record):
    """One purpose of the consent: granted or refused, and under which version of its text."""

    granted: bool
    version: str = Field(min_length=1, max_length=32)


class Consent(Record):
    """Five separate, versioned consents (policy R2) and who recorded them, for whom, when and how.

    ``fictitious`` marks the demo's consent: it syncs like a real one and is named on the report. ``given_by`` is
    ``nobody`` where nobody who can decide was there: then ``emergency_reason`` says why it could not wait, and only
    care is covered (R3, R10). The fields from ``guardian_name`` on are newer and optional; whether they suffice for one
    person under one country's policy is asked of ``edge_agent.policy.rules.consent_faults``.

    Raises:
        ValueError: the record contradicts itself, or covers a purpose that its basis never can.
    """

    care_pictures: Purpose
    program_help: Purpose
    deidentified_result: Purpose
    referral_package: Purpose
    training: Purpose
    given_by: Literal["person", "guardian", "nobody"]
    language: str = Field(min_length=2, max_length=16)
    read_aloud: bool
    witness: str | None = Field(default=None, max_length=64)
    recorded_by: str = Field(min_length=1, max_length=64)
    recorded_at: datetime
    fictitious: bool = False
    guardian_name: str | None = Field(default=None, max_length=64)
    guardian_relation: GuardianRelation | None = None
    assent: Assent | None = None  # the child's own answer; None: not asked
    capacity: Capacity = "full"
    can_read: bool | None = None  # None: nobody asked
    emergency_reason: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _basis_covers_the_purposes(self) -> Consent:
        """Refuse what no policy can allow: a second use without a free decision, pictures of a child that said no."""
        if self.given_by == "nobody" and self.emergency_reason is None:
            raise ValueError("given_by nobody needs emergency_reason: write why it could not wait")
        is_free = self.capacity == "full" and self.emergency_reason is None
        for purpose in () if is_free else PURPOSES:
            if getattr(self, purpose).granted and purpose not in EMERGENCY_PURPOSES:
                raise ValueError(f"{purpose} needs a person who decides freely: an emergency covers care only")
        if self.assent == "refused" and self.care_pictures.granted:
            raise ValueError("care_pictures is granted but the child said no: refuse care_pictures")
        if self.can_read is False and not (self.read_aloud and self.witness):
            raise ValueError("a person who cannot read needs read_aloud and a witness")
        return self

    @model_validator(mode="after")
    def _time_has_a_zone(self) -> Consent:
        if self.recorded_at.tzinfo is None:
            raise ValueError("recorded_at needs a time zone, e.g. 2026-01-31T09:30:00Z")
        return self

    @property
    def is_sync_allowed(self) -> bool:
        """Say whether the de-identified result may leave the device (policy R14; the pictures never do)."""
        return self.deidentified_result.granted
