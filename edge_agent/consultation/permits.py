"""What a draft may do: where the camera is allowed, who decides about consent. The answers come from the policy.

Puts the facts of a draft into the policy's words; judges nothing itself.

Source: policy.md R1, R3-R6, R9, R10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_agent.consultation.draft import Decider, Draft
from edge_agent.consultation.pictures import SiteChoice
from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose
from edge_agent.contracts.policy import Policy
from edge_agent.policy.rules import (
    ConsentFacts,
    SafeguardingRule,
    camera_rule,
    consent_faults,
    consent_rule,
    safeguarding_rule,
)
from edge_agent.policy.rules import Decider as Decision

Kind = Literal["ordinary", "identifying", "intimate"]


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
    """Say who decides, what is still missing for it (``needs``), and which purposes can be granted at all.

    ``shares``: a minor who is old enough decides about data together with the guardian. ``refusal`` says why only words
    are possible, None where something can be granted.
    """

    who_decides: Decider
    needs: tuple[str, ...]
    grantable: frozenset[ConsentPurpose]
    basis: Literal["consent", "emergency"] = "consent"
    shares: bool = False
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyPermits:
    """Answer for one device's policy.

    Args:
        policy: the policy in force.
    """

    policy: Policy

    def camera(
        self, draft: Draft, site: SiteChoice, *, shot: str | None, clinician: str | None, is_stopped: bool
    ) -> CameraPermit:
        """Judge one picture of one site of a draft."""
        person = draft.person
        rule = camera_rule(
            self.policy,
            site=site.body_site,
            shot=shot,
            age_years=person.age_years,
            age_months=person.age_months,
            sex=person.sex,
            is_clinician_signed_in=clinician is not None,
            chaperone=site.chaperone,
            is_second_confirmed=site.is_confirmed,
            asked_each_time=site.is_asked,
            has_consent=draft.agreement.grants("care_pictures"),
            is_stopped=is_stopped,
            has_mark=site.has_mark,
        )
        needs = tuple(need.value for need in rule.needs)
        return CameraPermit(rule.is_allowed, None if rule.reason is None else rule.reason.value, needs, rule.kind.value)

    def consent(self, draft: Draft, *, is_emergency: bool) -> ConsentPermit:
        """Judge who decides about the draft's consents.

        Args:
            draft: the consultation.
            is_emergency: a danger sign of the most urgent tier fired.
        """
        rule = consent_rule(self.policy, _facts(draft, is_emergency=is_emergency))
        who: Decider = "nobody"
        if rule.who_decides is not Decision.NOBODY:
            who = "person" if rule.who_decides is Decision.PERSON else "guardian"
        needs = tuple(need.value for need in rule.needs)
        # An emergency covers nothing while nobody has written why it cannot wait; words alone are always possible.
        grantable = frozenset[ConsentPurpose]() if "emergency_reason" in needs else rule.purposes
        return ConsentPermit(
            who,
            needs,
            grantable,
            rule.basis or "consent",
            rule.data_decided_by is Decision.GUARDIAN_AND_PERSON,
            None if rule.refusal is None else rule.refusal.value,
        )

    def consent_faults(self, draft: Draft, *, is_emergency: bool) -> tuple[str, ...]:
        """Return what is wrong with a draft's complete consents, as ids; empty where they hold.

        Raises:
            CaseError: a consent was not asked yet.
        """
        facts = _facts(draft, is_emergency=is_emergency)
        return tuple(fault.value for fault in consent_faults(self.policy, draft.to_consent(), facts))

    def safeguarding(self, *, is_suspected: bool) -> SafeguardingRule:
        """Say what a sign of abuse changes (R9)."""
        return safeguarding_rule(self.policy, is_suspected=is_suspected)

    @property
    def versions(self) -> dict[ConsentPurpose, str]:
        """Return the version of the text in force for each purpose (R15)."""
        return {purpose: self.policy.consent_versions.of(purpose) for purpose in PURPOSES}


def _facts(draft: Draft, *, is_emergency: bool) -> ConsentFacts:
    person = draft.person
    return ConsentFacts(
        age_years=person.age_years,
        age_months=person.age_months,
        capacity=person.capacity or "lacks_capacity",  # not asked is not a yes
        has_guardian=person.guardian_present == "yes",
        assent=person.assent,
        has_emergency=is_emergency,
        emergency_reason=person.emergency_reason,
        can_read=None if person.can_read is None else person.can_read == "yes",
        has_witness=person.witness is not None,
    )
