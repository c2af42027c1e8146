"""What a draft may do: where the camera is allowed, who decides about consent. The answers come from the policy.

Puts the facts of a draft into the policy's words; judges nothing itself.

Source: policy.md R1, R3-R6, R9, R10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from edge_agent.consultation.draft import PURPOSES, Decider, Draft, PurposeId, SiteChoice
from edge_agent.contracts.intake_values import INTIMATE_SITES

Kind = Literal["ordinary", "identifying", "intimate"]
FACE_SITES = frozenset({"face", "ear", "lips_mouth", "eye_area"})


@dataclass(frozen=True, slots=True)
class CameraPermit:
    """Say whether a site may be pictured now.

    ``reason`` is a vocabulary id, None where it is allowed. ``needs`` names what would make it allowed; empty and not
    allowed means that nothing does. ``kind`` is the vault's class.
    """

    is_allowed: bool
    reason: str | None
    needs: tuple[str, ...]
    kind: Kind

    @property
    def is_possible(self) -> bool:
        """Say whether the site may be pictured, perhaps after something is done first."""
        return self.is_allowed or bool(self.needs)


@dataclass(frozen=True, slots=True)
class ConsentPermit:
    """Say who decides, what is still missing for it (``needs``), and which purposes can be granted at all."""

    who_decides: Decider
    needs: tuple[str, ...]
    grantable: frozenset[PurposeId]
    is_emergency_basis: bool = False


class Permits(Protocol):
    """Answer for one device's policy."""

    def camera(
        self, draft: Draft, site: SiteChoice, *, clinician: str | None, is_stopped: bool, is_emergency: bool
    ) -> CameraPermit:
        """Judge one site of a draft."""
        ...

    def consent(self, draft: Draft, *, is_emergency: bool) -> ConsentPermit:
        """Judge who decides about the draft's consents."""
        ...


class StrictPermits:
    """The strictest policy, in code."""

    def camera(
        self, draft: Draft, site: SiteChoice, *, clinician: str | None, is_stopped: bool, is_emergency: bool
    ) -> CameraPermit:
        """Judge one site of a draft."""
        del is_emergency
        kind: Kind = (
            "intimate"
            if site.body_site in INTIMATE_SITES
            else "identifying"
            if site.body_site in FACE_SITES
            else "ordinary"
        )
        if is_stopped:
            return CameraPermit(False, "safeguarding", (), kind)
        if not draft.agreement.grants("care_pictures"):
            return CameraPermit(False, "no_consent", (), kind)
        needs: list[str] = []
        if kind == "intimate":
            if draft.person.is_minor:
                return CameraPermit(False, "minor_intimate_site", (), kind)
            needs += [] if clinician else ["clinician"]
            needs += [] if site.chaperone else ["chaperone"]
            needs += [] if site.is_confirmed else ["second_confirmation"]
        if kind == "identifying" and not site.is_asked:
            needs.append("ask")
        return CameraPermit(not needs, needs[0] if needs else None, tuple(needs), kind)

    def consent(self, draft: Draft, *, is_emergency: bool) -> ConsentPermit:
        """Judge who decides about the draft's consents."""
        del is_emergency
        person = draft.person
        if person.has_capacity == "no":
            return ConsentPermit("nobody", (), frozenset())
        if person.is_minor and person.guardian_present != "yes":
            return ConsentPermit("nobody", ("guardian",), frozenset())
        needs = ("witness",) if person.can_read == "no" and not person.witness else ()
        return ConsentPermit("guardian" if person.is_minor else "person", needs, frozenset(PURPOSES))
