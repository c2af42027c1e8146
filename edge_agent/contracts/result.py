"""What may leave the device: a de-identified result, or the withdrawal of one.

Ids are those of the clinical vocabulary; the wire carries no other words. ``contracts.messages`` packs these
bodies into records.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

RecordId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]

AgeBand = Literal[
    "0_4", "5_11", "12_17", "18_29", "30_44", "45_59", "60_74", "75_89", "90_plus", "not_examined"
]  # fmt: skip
Sex = Literal["female", "male", "intersex", "not_stated", "not_examined"]
ToneGroup = Literal["i_ii", "iii_iv", "v_vi", "not_examined"]  # Fitzpatrick, three groups
Family = Literal[
    "papulosquamous", "eczematous", "annular_scaly", "vesicular", "bullous", "pustular", "ulcer_erosion",
    "pigmented_lesion", "nodule_tumour", "purpuric", "wheal", "hypopigmented", "burrow_papular", "other",
    "cannot_tell", "not_applicable",
]  # fmt: skip
Phenotype = Literal[
    "chronic_plaque", "guttate", "flexural", "scalp", "nail", "palmoplantar", "palmoplantar_pustular",
    "generalised_pustular", "erythrodermic", "arthropathic_suspected", "not_psoriasis_like", "cannot_tell",
    "not_applicable",
]  # fmt: skip
Stage = Literal["progressive", "stationary", "regressing", "remission", "cannot_tell", "not_applicable"]
SeverityBand = Literal["mild", "moderate", "severe", "not_examined"]
Scope = Literal["in_scope", "out_of_scope", "abstained"]
Syndrome = Literal[
    "blood_heat", "blood_dryness", "blood_stasis", "damp_heat", "fire_toxin", "wind_damp_impediment",
    "mixed_or_other", "insufficient_information", "not_applicable",
]  # fmt: skip
Triage = Literal["T1_emergency", "T2_same_day", "T3_urgent", "T4_routine", "T5_local"]
# RF-24 (self-harm) and RF-25 (safeguarding) have no place on the wire.
RedFlag = Annotated[str, Field(pattern=r"^RF-(0[1-9]|1[0-9]|2[0-3]|2[6-8])$")]
AbstainReason = Literal[
    "image_quality", "not_skin", "no_lesion_visible", "out_of_scope_condition", "low_confidence", "views_disagree",
    "tone_outside_evidence", "age_outside_evidence", "site_outside_evidence", "remission_stage",
    "insufficient_history", "red_flag_active", "no_calibration", "runaway_text", "text_not_coded", "engine_failure",
]  # fmt: skip
DecisionReason = Literal[
    "agree", "wrong_site", "wrong_lesion", "wrong_colour", "wrong_condition", "wrong_syndrome", "wrong_severity",
    "unsafe_plan", "missed_red_flag", "unreadable", "not_applicable_here", "other_local_text",
]  # fmt: skip
Section = Literal["findings", "representation", "severity", "reasoning", "triage", "plan"]
QualityReason = Literal[
    "blur_focus", "blur_motion", "too_dark", "too_bright", "glare", "too_far", "too_near", "lesion_cut_off",
    "colour_cast", "obstructed", "not_skin", "no_lesion_visible", "frozen_frame",
]  # fmt: skip


def _ascending(values: tuple[str, ...]) -> tuple[str, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError("must be sorted, without duplicates")  # an order could carry information
    return values


class Wire(BaseModel):
    """Base of everything on the wire: unknown keys are errors, no coercion, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SectionDecision(Wire):
    """What a clinician did with one section of the report, as codes; the words stay on the device."""

    section: Section
    decision: Literal["accepted", "corrected", "rejected"]
    reason: DecisionReason


class Result(Wire):
    """One de-identified result: closed vocabularies only (clinical vocabulary, section 11).

    It holds no device, post, place, time finer than ``period`` (a calendar year), picture, hash or free text.
    ``not_examined``: nobody looked. ``not_applicable``: the step did not run for this case. None: this version
    of the program does not report the field.
    """

    record_id: RecordId = Field(description="128 random bits; the local map stays on the device")
    period: int = Field(ge=2020, le=2199)
    age_band: AgeBand
    sex: Sex
    tone_group: ToneGroup
    scope: Scope
    family: Family
    phenotype: Phenotype
    stage: Stage
    severity_band: SeverityBand
    syndrome: Syndrome
    triage_final: Triage
    red_flag_ids: Annotated[tuple[RedFlag, ...], Field(max_length=26), AfterValidator(_ascending)]
    abstain_reason: Annotated[tuple[AbstainReason, ...], Field(max_length=16), AfterValidator(_ascending)]
    bundle_release: str = Field(pattern=r"^[a-z0-9][a-z0-9._+@-]{0,63}$")
    device_profile_class: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    language: Literal["en", "zh"]
    condition: None = None  # reported from k cells on; no such rule yet
    verifiability_percent: int | None = Field(default=None, ge=0, le=100)
    visit_index_band: Literal["1", "2_3", "4_plus"] | None = None
    decisions: Annotated[tuple[SectionDecision, ...], Field(max_length=6)] = ()
    quality_refusals: dict[QualityReason, Annotated[int, Field(ge=1, le=99)]] = {}


class Tombstone(Wire):
    """A withdrawal: the hub removes the result with this id and never stores it again."""

    record_id: RecordId
