"""What one export is to be, and whether the person's consent lets it be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from edge_agent.contracts.case import View
from edge_agent.contracts.intake_values import INTIMATE_SITES
from edge_agent.contracts.terms import Language, Vocabulary
from edge_agent.errors import CaseError
from edge_agent.policy.sharing import SharingRefusal, SharingRule

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


_WHY: Mapping[SharingRefusal, str] = {
    SharingRefusal.TEST_CASE: "a test case has no consent record and does not leave the device",
    SharingRefusal.STOPPED: "pictures of this case do not leave: photography was stopped to protect the person",
    SharingRefusal.WITHDRAWN: "the person took back what may be sent",
    SharingRefusal.OFF_BY_POLICY: "the policy of this device lets no referral package leave",
    SharingRefusal.EMERGENCY_BASIS: "nobody could consent to a referral package in this emergency",
    SharingRefusal.NOT_CONSENTED: "the person refused the referral package, or consented to an older text of it",
    SharingRefusal.NO_KEY: "pictures leave encrypted to a named receiver only: name one with --for",
}


def check_rule(rule: SharingRule) -> None:
    """Refuse what policy does not let leave. A page without pictures, which the person carries, is not asked about.

    Raises:
        CaseError: says why, and what is possible instead.
    """
    if rule.reason is not None:
        why = f"{_WHY[rule.reason]}; a page without pictures can always be printed (--pdf)"
        raise CaseError(why, reason=rule.reason.value)


def why_kept(view: View, vocabulary: Vocabulary) -> str | None:
    """Say why a picture stays on the device; None where it may leave with a granted referral package.

    Fails closed: an overview may show a face, and a picture whose place nobody entered may show anything.
    """
    if view.body_site is None:
        return "nobody entered the body site"
    if view.has_mark:
        return "a tattoo, a birthmark or jewellery shows who it is"
    flags = vocabulary.lists["body_site"].terms[view.body_site].facts.get("flags", ())
    if view.body_site in INTIMATE_SITES or "intimate" in flags:
        return "an intimate site"
    if view.shot in {"overview", "tongue"}:
        return "a picture of the whole person or face may show who it is"
    return "a face" if {"face", "hair", "mucosa"} & set(flags) else None
