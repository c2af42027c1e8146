"""What may leave, what a picture may serve, who may look at it (R5, R6, R8, R9, R13, R14).

Pure: packs, encrypts and sends nothing. No answer here depends on the medium: a USB stick is asked like a network.

Source: policy R5, R6, R8, R9, R10, R13, R14.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from edge_agent.contracts.intake import Consent
from edge_agent.contracts.policy import Policy
from edge_agent.policy.camera import PictureKind
from edge_agent.policy.consent import capabilities

# What a picture could be used for beside the care of its person.
SecondaryUse = Literal["golden", "training", "console", "documentation"]


class SharingRefusal(StrEnum):
    """Why something stays on this device."""

    TEST_CASE = "test_case"
    NOT_CONSENTED = "not_consented"
    OFF_BY_POLICY = "off_by_policy"
    EMERGENCY_BASIS = "emergency_basis"
    STOPPED = "stopped"
    NO_KEY = "no_key"
    INTIMATE = "intimate"
    IDENTIFYING = "identifying"
    FICTITIOUS = "fictitious"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class SharingRule:
    """Say whether something may leave or be used; ``reason`` is None where it may."""

    is_allowed: bool
    reason: SharingRefusal | None


@dataclass(frozen=True, slots=True)
class ViewingRule:
    """Say how a stored picture may be looked at; a look is always logged with the account's name (R13)."""

    is_allowed: bool
    shows_thumbnail: bool
    must_log: bool = True


def sync_rule(policy: Policy, consent: Consent | None, *, is_withdrawn: bool = False) -> SharingRule:
    """Say whether a case's de-identified result may be queued for the hub (R2, R11, R14); pictures never are."""
    return _first(
        {
            SharingRefusal.TEST_CASE: consent is None,
            SharingRefusal.WITHDRAWN: is_withdrawn,
            SharingRefusal.OFF_BY_POLICY: policy.sync_results == "off",
            SharingRefusal.EMERGENCY_BASIS: _is_emergency(consent),
            SharingRefusal.NOT_CONSENTED: not capabilities(policy, consent).sync,
        }
    )


def counts(consent: Consent | None) -> bool:
    """Say whether a case counts in any figure: a test case never does (R14)."""
    return consent is not None


def package_rule(policy: Policy, consent: Consent | None, *, is_withdrawn: bool = False) -> SharingRule:
    """Say whether a file about a case may leave for another system, without pictures (R2, R8, R10, R11, R14).

    Paper that the person carries is no such file: it needs none of this (R1, R13).

    Args:
        policy: the policy in force.
        consent: of the case; None for a test case.
        is_withdrawn: the referral package was taken back.
    """
    return _first(_package_reasons(policy, consent, is_withdrawn=is_withdrawn))


def _package_reasons(policy: Policy, consent: Consent | None, *, is_withdrawn: bool) -> dict[SharingRefusal, bool]:
    return {
        SharingRefusal.TEST_CASE: consent is None,
        SharingRefusal.WITHDRAWN: is_withdrawn,
        SharingRefusal.OFF_BY_POLICY: policy.share_images == "off",
        SharingRefusal.EMERGENCY_BASIS: _is_emergency(consent),
        SharingRefusal.NOT_CONSENTED: not capabilities(policy, consent).package,
    }


def export_rule(
    policy: Policy,
    consent: Consent | None,
    *,
    kind: PictureKind,
    receiver_key: str | None,
    is_intimate_chosen: bool = False,
    is_stopped: bool = False,
    is_withdrawn: bool = False,
) -> SharingRule:
    """Say whether one picture may leave in a package (R5, R8, R9), on whatever medium.

    Args:
        policy: the policy in force.
        consent: of the case; None for a test case.
        kind: of the picture.
        receiver_key: name of the configured key that the package is encrypted to; None or blank: there is none.
        is_intimate_chosen: a signed-in clinician chose this very picture; without it an intimate one stays (R5).
        is_stopped: a sign of abuse was seen: no picture of the case leaves (R9).
        is_withdrawn: the referral package was withdrawn.
    """
    may = capabilities(policy, consent)
    return _first(
        {
            SharingRefusal.TEST_CASE: consent is None,
            SharingRefusal.STOPPED: is_stopped,
            **_package_reasons(policy, consent, is_withdrawn=is_withdrawn),
            SharingRefusal.NOT_CONSENTED: not (may.package and may.pictures),
            SharingRefusal.NO_KEY: not _is_named(receiver_key),
            SharingRefusal.INTIMATE: kind is PictureKind.INTIMATE and not is_intimate_chosen,
        }
    )


def secondary_use_rule(
    policy: Policy,
    consent: Consent | None,
    *,
    kind: PictureKind,
    use: SecondaryUse,
    is_withdrawn: bool = False,
) -> SharingRule:
    """Say whether a picture may serve anything but its person's care (R2, R5, R6, R10).

    ``golden``, ``console`` and ``documentation`` have no consent of their own and are refused for every real picture;
    an intimate or identifying picture is refused for all of them, with any consent.
    """
    return _first(
        {
            SharingRefusal.INTIMATE: kind is PictureKind.INTIMATE,
            SharingRefusal.IDENTIFYING: kind is PictureKind.IDENTIFYING,
            SharingRefusal.TEST_CASE: consent is None,
            SharingRefusal.FICTITIOUS: consent is not None and consent.fictitious,
            SharingRefusal.WITHDRAWN: is_withdrawn,
            SharingRefusal.OFF_BY_POLICY: policy.training_use == "off",
            SharingRefusal.EMERGENCY_BASIS: _is_emergency(consent),
            SharingRefusal.NOT_CONSENTED: use != "training" or not capabilities(policy, consent).training,
        }
    )


def viewing_rule(*, kind: PictureKind, viewer: str | None, is_clinician: bool) -> ViewingRule:
    """Say how a stored picture may be looked at (R5, R13).

    Args:
        kind: of the picture.
        viewer: name of the signed-in account; None or blank: nobody, and nobody sees a picture.
        is_clinician: the account has the role; an intimate picture is for clinicians only.
    """
    is_named = _is_named(viewer)
    is_intimate = kind is PictureKind.INTIMATE
    return ViewingRule(is_named and (is_clinician or not is_intimate), is_named and not is_intimate)


def _first(reasons: Mapping[SharingRefusal, bool]) -> SharingRule:
    """Return the first reason that holds, in the order in which they are written; allowed where none does."""
    reason = next((one for one, holds in reasons.items() if holds), None)
    return SharingRule(reason is None, reason)


def _is_emergency(consent: Consent | None) -> bool:
    return consent is not None and (consent.emergency_reason is not None or consent.capacity != "full")


def _is_named(name: str | None) -> bool:
    return name is not None and bool(name.strip())
