"""When may a picture be taken: by site, age, sex, who is signed in, and what was asked (R3 to R7, R9).

Pure. The site picker asks before it opens the camera, the shutter asks again, an import asks in the same way; and
``contracts.case.Case`` refuses a minor's intimate picture once more, whoever forgot to ask.

Source: policy R3 to R7, R9; clinical-vocabulary sections 1 and 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from edge_agent.contracts.intake_values import INTIMATE_SITES, BodySite
from edge_agent.contracts.policy import ADULT_YEARS, Policy

CHEST = "chest"
FACE_SITES = frozenset({"face", "ear", "lips_mouth", "eye_area"})  # flag `face` of the vocabulary's sites
UNNAMED_SITES = frozenset({"other"})  # could be any place, so a minor's needs a name
SITES = frozenset(get_args(BodySite))
TONGUE_SHOT = "tongue"
NO_BREAST = frozenset({"male"})  # any other answer, and none, counts as a breast


class PictureKind(StrEnum):
    """How carefully a picture is kept and shared; the vault has a class for each."""

    ORDINARY = "ordinary"
    IDENTIFYING = "identifying"
    INTIMATE = "intimate"


class CameraNeed(StrEnum):
    """A step that is still open and that people can take now."""

    CLINICIAN = "clinician"
    CHAPERONE = "chaperone"
    SECOND_CONFIRMATION = "second_confirmation"
    ASK_EACH_TIME = "ask_each_time"
    MARK = "mark"


class CameraRefusal(StrEnum):
    """Why no picture is taken."""

    STOPPED = "stopped"
    NO_CONSENT = "no_consent"
    AGE_FIRST = "age_first"
    SITE_FIRST = "site_first"
    MINOR_INTIMATE = "minor_intimate"
    INTIMATE_OFF = "intimate_off"
    FACE_OFF = "face_off"
    TONGUE_OFF = "tongue_off"
    NEEDS_STEPS = "needs_steps"


@dataclass(frozen=True, slots=True)
class CameraRule:
    """Say whether a picture may be taken, why not, what would make it possible, and of which kind it would be.

    ``reason`` is None only where ``is_allowed``; it is ``needs_steps`` where ``needs`` lists steps that are open.
    """

    is_allowed: bool
    reason: CameraRefusal | None
    needs: tuple[CameraNeed, ...]
    kind: PictureKind


@dataclass(frozen=True, slots=True)
class PreviewRule:
    """How the live picture is treated (R7); nothing in the policy file can change the first three."""

    is_recorded: bool
    is_reachable_from_elsewhere: bool
    shows_sign_while_live: bool
    blanks_after_s: int


def is_minor(policy: Policy, *, age_years: int | None, age_months: int | None = None) -> bool:
    """Say whether a person counts as a minor; an age that nobody entered does, and so does an age told in months."""
    if age_years is None or age_months is not None:
        return True
    return age_years < max(ADULT_YEARS, policy.minor_below_years)


def picture_kind(
    *, site: str | None, sex: str | None, is_minor: bool, shot: str | None = None, has_mark: bool = False
) -> PictureKind:
    """Return the kind of a picture; what is not known counts as the more careful kind.

    Args:
        site: id of ``body_site``; None or unknown counts as intimate.
        sex: id of ``sex``; a chest is intimate unless it is a grown man's.
        is_minor: see ``is_minor``.
        shot: id of ``shot``; a tongue shows who somebody is (R6).
        has_mark: a tattoo, birthmark or scar is in the picture (R6).
    """
    if site not in SITES or (site in INTIMATE_SITES and not (site == CHEST and sex in NO_BREAST and not is_minor)):
        return PictureKind.INTIMATE
    if site in FACE_SITES or shot == TONGUE_SHOT or has_mark:
        return PictureKind.IDENTIFYING
    return PictureKind.ORDINARY


def camera_rule(
    policy: Policy,
    *,
    site: str | None,
    age_years: int | None,
    age_months: int | None,
    sex: str | None,
    is_clinician_signed_in: bool,
    chaperone: str | None,
    is_second_confirmed: bool,
    asked_each_time: bool,
    has_consent: bool,
    is_stopped: bool,
    shot: str | None = None,
    has_mark: bool | None = False,
) -> CameraRule:
    """Say whether the camera may be opened for one picture of one place.

    Args:
        policy: the policy in force.
        site: id of ``body_site``; None: not chosen yet.
        age_years: years, None where nobody entered them; ``age_months`` only under two years.
        age_months: all months since birth, or None.
        sex: id of ``sex`` or None.
        is_clinician_signed_in: a named account with the role clinician is signed in now.
        chaperone: the chaperone's name, or ``declined``; None or blank: not asked.
        is_second_confirmed: the second question about this very picture was answered with yes.
        asked_each_time: the person was asked about this very picture (face, tongue, tattoo).
        has_consent: ``care_pictures`` is granted, or an emergency basis covers it (``consent_rule``).
        is_stopped: a sign of abuse stopped photography for this case (R9).
        shot: id of ``shot``.
        has_mark: a tattoo, birthmark, jewellery or anything else by which people would know the person is in the
            picture; None: nobody asked yet, and an ordinary picture waits for the answer (R6).

    Returns:
        The rule; ``kind`` is filled in also where no picture may be taken.
    """
    minor = is_minor(policy, age_years=age_years, age_months=age_months)
    kind = picture_kind(site=site, sex=sex, is_minor=minor, shot=shot, has_mark=bool(has_mark))
    refusal = _refusal(policy, site=site, shot=shot, is_minor=minor, kind=kind)
    if is_stopped:
        refusal = CameraRefusal.STOPPED
    elif age_years is None and refusal is not CameraRefusal.SITE_FIRST:
        refusal = CameraRefusal.AGE_FIRST
    elif refusal is None and not has_consent:
        refusal = CameraRefusal.NO_CONSENT
    if refusal is not None:
        return CameraRule(False, refusal, (), kind)
    open_steps = {
        CameraNeed.CLINICIAN: kind is PictureKind.INTIMATE and not is_clinician_signed_in,
        CameraNeed.CHAPERONE: kind is PictureKind.INTIMATE and not (chaperone and chaperone.strip()),
        CameraNeed.SECOND_CONFIRMATION: kind is PictureKind.INTIMATE and not is_second_confirmed,
        CameraNeed.MARK: has_mark is None and kind is PictureKind.ORDINARY,
        CameraNeed.ASK_EACH_TIME: (site in FACE_SITES or shot == TONGUE_SHOT or has_mark) and not asked_each_time,
    }
    needs = tuple(step for step, is_open in open_steps.items() if is_open)
    return CameraRule(not needs, CameraRefusal.NEEDS_STEPS if needs else None, needs, kind)


def _refusal(
    policy: Policy, *, site: str | None, shot: str | None, is_minor: bool, kind: PictureKind
) -> CameraRefusal | None:
    """Return what no step can cure, apart from consent and age; R4 comes before every switch."""
    if site not in SITES or (is_minor and site in UNNAMED_SITES):
        return CameraRefusal.SITE_FIRST
    if kind is PictureKind.INTIMATE:
        if is_minor:
            return CameraRefusal.MINOR_INTIMATE
        if policy.intimate_photo_adult == "never":
            return CameraRefusal.INTIMATE_OFF
    if site in FACE_SITES and shot != TONGUE_SHOT and policy.face_photo == "off":
        return CameraRefusal.FACE_OFF
    if shot == TONGUE_SHOT and (policy.tongue_photo == "off" or policy.face_photo == "off"):
        return CameraRefusal.TONGUE_OFF
    return None


def preview_rule(policy: Policy) -> PreviewRule:
    """Return how the live picture is treated (R7)."""
    return PreviewRule(False, False, True, policy.screen_blank_s)
