"""Every rule of the policy by name: the one door for pages, camera, store and uplink.

The functions stand in the modules beside this one and are pure. ``RULES`` says which of them answers which rule; what
asks them stands in docs/policy.md.

Source: policy R1 to R16.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge_agent.policy.camera import (
    CameraNeed,
    CameraRefusal,
    CameraRule,
    PictureKind,
    PreviewRule,
    camera_rule,
    is_minor,
    picture_kind,
    preview_rule,
)
from edge_agent.policy.consent import (
    Capabilities,
    ConsentFacts,
    ConsentFault,
    ConsentNeed,
    ConsentRefusal,
    ConsentRule,
    Decider,
    asked_with_another_text,
    capabilities,
    consent_faults,
    consent_rule,
    must_assent,
)
from edge_agent.policy.reading import (
    ReadingReason,
    SafeguardingRule,
    deadline_hours,
    program_notices,
    safeguarding_rule,
    second_reading_reasons,
    with_country_deadlines,
)
from edge_agent.policy.retention import Kept, RetentionClass, RetentionRule, RetentionWait, retention
from edge_agent.policy.sharing import (
    SharingRefusal,
    SharingRule,
    ViewingRule,
    counts,
    export_rule,
    package_rule,
    secondary_use_rule,
    sync_rule,
    viewing_rule,
)
from edge_agent.policy.withdrawal import WithdrawalAction, WithdrawalStep, withdrawal_plan

RULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "R1": ("capabilities", "consent_rule"),
        "R2": ("consent_faults", "capabilities"),
        "R3": ("consent_rule", "must_assent"),
        "R4": ("camera_rule",),
        "R5": ("camera_rule", "viewing_rule", "export_rule"),
        "R6": ("camera_rule", "secondary_use_rule"),
        "R7": ("preview_rule",),
        "R8": ("export_rule", "package_rule"),
        "R9": ("safeguarding_rule", "camera_rule", "export_rule"),
        "R10": ("consent_rule", "consent_faults", "sync_rule", "package_rule"),
        "R11": ("withdrawal_plan",),
        "R12": ("retention",),
        "R13": ("viewing_rule",),
        "R14": ("sync_rule", "counts"),
        "R15": ("asked_with_another_text",),
        "R16": ("program_notices",),
    }
)

__all__ = [
    "RULES",
    "CameraNeed",
    "CameraRefusal",
    "CameraRule",
    "Capabilities",
    "ConsentFacts",
    "ConsentFault",
    "ConsentNeed",
    "ConsentRefusal",
    "ConsentRule",
    "Decider",
    "Kept",
    "PictureKind",
    "PreviewRule",
    "ReadingReason",
    "RetentionClass",
    "RetentionRule",
    "RetentionWait",
    "SafeguardingRule",
    "SharingRefusal",
    "SharingRule",
    "ViewingRule",
    "WithdrawalAction",
    "WithdrawalStep",
    "asked_with_another_text",
    "camera_rule",
    "capabilities",
    "consent_faults",
    "consent_rule",
    "counts",
    "deadline_hours",
    "export_rule",
    "is_minor",
    "must_assent",
    "package_rule",
    "picture_kind",
    "preview_rule",
    "program_notices",
    "retention",
    "safeguarding_rule",
    "second_reading_reasons",
    "secondary_use_rule",
    "sync_rule",
    "viewing_rule",
    "with_country_deadlines",
    "withdrawal_plan",
]
