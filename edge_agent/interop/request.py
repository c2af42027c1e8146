"""What one export is to be, and whether the person's consent lets it be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from edge_agent.contracts.case import View
from edge_agent.contracts.intake import Consent
from edge_agent.contracts.intake_values import INTIMATE_SITES
from edge_agent.contracts.terms import Language, Vocabulary
from edge_agent.errors import CaseError

DESTINATION = "dermatology_in_person"  # nobody's private signs go there, nor the TCM block


@dataclass(frozen=True, slots=True)
class Decision:
    """What a clinician decided about one part of the program's answer.

    ``section``: an id of ``decided_section``; ``decision``: of ``decision``; ``reason``: of ``decision_reason`` or None;
    ``by``: the account's name as the post knows it; ``at`` has a time zone.
    """

    section: str
    decision: str
    by: str
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExportWish:
    """What one export is to be.

    ``export_id`` names it and makes every id in it; ``made`` has a time zone; ``by``: the account that asked for it.
    ``has_reference`` adds the local reference. ``pictures``: JPEG by view index, only those that may leave
    (``may_leave``).
    """

    export_id: str
    made: datetime
    language: Language
    by: str = ""
    has_reference: bool = False
    destination: str = DESTINATION
    pictures: Mapping[int, bytes] | None = None


def check_consent(consent: Consent | None) -> None:
    """Refuse a file for another system that nobody consented to. A printed page, which the person carries, needs none.

    Raises:
        CaseError: a test case, or the referral package was refused.
    """
    if consent is None:
        raise CaseError(
            "a test case has no consent record and does not leave the device: print it with --pdf", reason="test_case"
        )
    if not consent.referral_package.granted:
        raise CaseError(
            "the person refused the referral package: print the letter or the page with --pdf", reason="package_refused"
        )


def why_kept(view: View, vocabulary: Vocabulary) -> str | None:
    """Say why a picture stays on the device; None where it may leave with a granted referral package.

    Fails closed: an overview may show a face, and a picture whose place nobody entered may show anything.
    """
    if view.body_site is None:
        return "nobody entered the body site"
    flags = vocabulary.lists["body_site"].terms[view.body_site].facts.get("flags", ())
    if view.body_site in INTIMATE_SITES or "intimate" in flags:
        return "an intimate site"
    if view.shot in {"overview", "tongue"}:
        return "a picture of the whole person or face may show who it is"
    return "a face" if {"face", "hair", "mucosa"} & set(flags) else None
