"""The closed values of a consent record: its five purposes, and what is not yes or no; the vocabulary has the labels.

Source: policy R2, R3, R10.
"""

from __future__ import annotations

from typing import Literal, get_args

ConsentPurpose = Literal["care_pictures", "program_help", "deidentified_result", "referral_package", "training"]
PURPOSES: tuple[ConsentPurpose, ...] = get_args(ConsentPurpose)
Capacity = Literal["full", "unconscious", "lacks_capacity", "detained"]
Assent = Literal["given", "refused", "too_young"]
GuardianRelation = Literal[
    "mother", "father", "grandparent", "sibling", "legal_guardian", "other_relative", "other_carer"
]
# What an emergency basis can stand for (R3, R10).
EMERGENCY_PURPOSES: frozenset[ConsentPurpose] = frozenset({"care_pictures", "program_help"})
