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
class ExportWish:
    """What one export is to be.

    ``export_id`` names it and makes every id in it; ``made`` has a time zone; ``by``: who asked for it, as
    people write the name.
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


def check_consent(consent: Consent | None, *, is_taken_back: bool = False) -> None:
    """Refuse a file for another system that nobody consented to. A printed page, which the person carries, needs none.

    Args:
        consent: the case's record; None for a test case.
        is_taken_back: whether the person took back the referral package, or the pictures.

    Raises:
        CaseError: a test case, or the referral package was refused or taken back.
    """
    if consent is None:
        raise CaseError("a test case has no consent record and does not leave the device: print it with --pdf")
    if not consent.referral_package.granted:
        raise CaseError("the person refused the referral package: print the letter or the page with --pdf")
    if is_taken_back:
        raise CaseError("the person took back what may be sent: print the letter or the page with --pdf")


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
