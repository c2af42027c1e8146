"""Compare a policy with another, and with the texts that people are read: where is it laxer, what does it open.

Pure: reads no file and decides nothing; ``edge_agent.policy.load`` refuses by what is said here, and so does the
command that signs. A key that no rule below knows would be a hole: a test asks that every key of the file stands here.

Source: policy R15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from edge_agent.contracts.consent_values import ConsentPurpose
from edge_agent.contracts.policy import (
    FacePhoto,
    IntimateAdult,
    NeverPhoto,
    Policy,
    ShareImages,
    SyncResults,
    TrainingUse,
)

# Who may be asked, what is kept because the law wants it: a smaller number is laxer.
SMALLER_IS_LAXER = (
    "age_of_consent_years",
    "guardian_data_consent_below_years",
    "retention_record_years",
    "retention_record_child_until_age_years",
    "audit_log_months_min",
)
# What is kept although nobody needs it, how long something stands open or waits: a larger number is laxer.
LARGER_IS_LAXER = (
    "child_assent_from_years",
    "retention_images_days_after_signoff",
    "retention_unconsented_draft_hours",
    "retention_refused_frame_hours",
    "t4_deadline_weeks",
    "session_timeout_min",
    "screen_blank_s",
)
STRICT_TO_LAX: Mapping[str, tuple[str | bool, ...]] = {
    "witness_required_if_illiterate": (True, False),
    "intimate_photo_adult": get_args(IntimateAdult),
    "intimate_photo_minor": get_args(NeverPhoto),
    "breast_photo_minor": get_args(NeverPhoto),
    "face_photo": get_args(FacePhoto),
    "tongue_photo": get_args(FacePhoto),
    "tattoo_or_birthmark_warning": (True, False),
    "sync_results": get_args(SyncResults),
    "share_images": get_args(ShareImages),
    "training_use": get_args(TrainingUse),
}
SETS = ("second_reader_required",)  # fewer members are laxer
NOT_COMPARED = (
    "schema_version", "version", "country", "authority", "issued", "valid_until", "consent_versions", "safeguarding_contact",
    "emergency_number",
)  # fmt: skip
# The key that opens a purpose for everybody. A consent text says how far it covers the purpose (R15).
OPENED_BY: Mapping[ConsentPurpose, str] = {
    "deidentified_result": "sync_results",
    "referral_package": "share_images",
    "training": "training_use",
}

# How far a signed file may leave the strict defaults. Whoever changes a line here changes what a ministry may allow.
FLOOR = Policy(
    age_of_consent_years=16,  # the youngest age at which a country may let people decide alone
    guardian_data_consent_below_years=14,
    child_assent_from_years=7,
    intimate_photo_adult="clinician_present",  # R5 knows no case without a clinician: "allowed" is refused
    face_photo="ask_each_time",
    tongue_photo="ask_each_time",
    sync_results="consented_only",
    share_images="separate_consent",
    training_use="separate_consent",  # only under a text that covers it (R15)
    second_reader_required=("dark_tone", "minor", "abstained", "T3", "remission"),
    retention_record_years=7,  # the shortest that the sources name (Australia) [S 46]
    retention_record_child_until_age_years=18,
    retention_images_days_after_signoff=365,
    retention_unconsented_draft_hours=24,
    audit_log_months_min=6,
    t4_deadline_weeks=12,
    session_timeout_min=15,
    screen_blank_s=60,
)


def laxer_than(policy: Policy, floor: Policy) -> tuple[str, ...]:
    """Name every key in which ``policy`` is laxer than ``floor``, in the order of the file; empty when none is."""
    found: set[str] = set()
    for key in SMALLER_IS_LAXER:
        if getattr(policy, key) < getattr(floor, key):
            found.add(key)
    for key in LARGER_IS_LAXER:
        if getattr(policy, key) > getattr(floor, key):
            found.add(key)
    for key, order in STRICT_TO_LAX.items():
        if order.index(getattr(policy, key)) > order.index(getattr(floor, key)):
            found.add(key)
    for key in SETS:
        if not set(getattr(floor, key)) <= set(getattr(policy, key)):
            found.add(key)
    return tuple(key for key in Policy.model_fields if key in found)


def beyond_the_text(policy: Policy, covered: Mapping[ConsentPurpose, str]) -> tuple[ConsentPurpose, ...]:
    """Name the purposes that a policy opens further than the text that people are read covers (R15).

    Args:
        policy: any policy.
        covered: for each purpose of ``OPENED_BY`` the laxest value of its key that the text asks people about.
    """
    return tuple(
        purpose
        for purpose, key in OPENED_BY.items()
        if STRICT_TO_LAX[key].index(getattr(policy, key)) > STRICT_TO_LAX[key].index(covered[purpose])
    )
