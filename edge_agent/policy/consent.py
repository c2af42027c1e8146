"""Who can decide, what may be asked, and whether a written consent holds (R1, R2, R3, R10, R15).

Pure. Does not show a text and stores nothing. The order of a consultation stays the page's: danger signs, then age,
then this.

Source: policy R1, R2, R3, R10, R14, R15; PIPL Art. 28 as quoted in the policy draft (not reviewed by a lawyer).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from edge_agent.contracts.consent_values import EMERGENCY_PURPOSES, PURPOSES, Assent, Capacity, ConsentPurpose
from edge_agent.contracts.intake import Consent
from edge_agent.contracts.policy import Policy

DATA_PURPOSES: frozenset[ConsentPurpose] = frozenset(PURPOSES) - EMERGENCY_PURPOSES
Basis = Literal["consent", "emergency"]


class Decider(StrEnum):
    """Who decides."""

    PERSON = "person"
    GUARDIAN = "guardian"
    GUARDIAN_AND_PERSON = "guardian_and_person"
    NOBODY = "nobody"


class ConsentNeed(StrEnum):
    """A step that is still open before the consent can be written down."""

    GUARDIAN = "guardian"
    ASSENT = "assent"
    AGREEMENT = "agreement"
    WITNESS = "witness"
    EMERGENCY_REASON = "emergency_reason"


class ConsentRefusal(StrEnum):
    """Why only a text case is possible now; care goes on."""

    AGE_FIRST = "age_first"
    NO_GUARDIAN = "no_guardian"
    CHILD_REFUSES = "child_refuses"
    CANNOT_DECIDE = "cannot_decide"


class ConsentFault(StrEnum):
    """What is wrong with a consent record that somebody wants to save."""

    NOT_OPEN = "not_open"
    WRONG_GIVER = "wrong_giver"
    ASSENT_MISSING = "assent_missing"
    WITNESS_MISSING = "witness_missing"
    WITNESS_RECORDS = "witness_records"
    NOT_READ_ALOUD = "not_read_aloud"
    OLD_TEXT = "old_text"
    REASON_MISSING = "reason_missing"


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """What the page knows before it asks for consent.

    ``age_months`` only under two years. ``assent`` is the child's own answer, None while nobody asked. ``has_emergency``:
    a danger sign of tier T1 fired on the form. ``emergency_reason``: why it cannot wait, written by the worker.
    ``can_read`` None: nobody asked, and then a witness is needed as for a person who cannot.
    """

    age_years: int | None
    age_months: int | None = None
    capacity: Capacity = "full"
    has_guardian: bool = False
    assent: Assent | None = None
    has_emergency: bool = False
    emergency_reason: str | None = None
    can_read: bool | None = None
    has_witness: bool = False


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Say who decides, on which basis, about which purposes, and what is still missing.

    ``purposes`` may be asked; all others are written down as refused. ``data_decided_by`` differs from ``who_decides``
    for a minor who is old enough to share the decision on data. With a ``refusal`` the case goes on in words alone.
    """

    who_decides: Decider
    data_decided_by: Decider
    basis: Basis | None
    purposes: frozenset[ConsentPurpose]
    needs: tuple[ConsentNeed, ...]
    refusal: ConsentRefusal | None

    @property
    def is_text_case_only(self) -> bool:
        """Say whether neither picture nor program is possible now."""
        return not self.purposes


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a finished consent makes possible; care in words is always possible (R1)."""

    text_case: bool
    pictures: bool
    program: bool
    sync: bool
    package: bool
    training: bool


def consent_rule(policy: Policy, facts: ConsentFacts) -> ConsentRule:
    """Say who can consent to what.

    An emergency basis never opens a place that R4 closes, and never a second use.
    """
    if facts.capacity != "full":
        return _without_free_decision(policy, facts)
    if facts.age_years is None:
        return _emergency(policy, facts, who=Decider.NOBODY) or _refused(ConsentRefusal.AGE_FIRST)
    if facts.age_years >= policy.age_of_consent_years and facts.age_months is None:
        return ConsentRule(
            Decider.PERSON, Decider.PERSON, "consent", _open_purposes(policy), _witness(policy, facts), None
        )
    return _of_a_minor(policy, facts)


def _of_a_minor(policy: Policy, facts: ConsentFacts) -> ConsentRule:
    if facts.assent == "refused":
        return _refused(ConsentRefusal.CHILD_REFUSES, who=Decider.GUARDIAN)
    if not facts.has_guardian:
        found = _emergency(policy, facts, who=Decider.NOBODY)
        return found or _refused(ConsentRefusal.NO_GUARDIAN, needs=(ConsentNeed.GUARDIAN,))
    needs = list(_witness(policy, facts))
    if must_assent(policy, facts) and facts.assent != "given":
        needs.insert(0, ConsentNeed.ASSENT)
    age = facts.age_years or 0
    shares = facts.age_months is None and age >= policy.guardian_data_consent_below_years
    return ConsentRule(
        Decider.GUARDIAN,
        Decider.GUARDIAN_AND_PERSON if shares else Decider.GUARDIAN,
        "consent",
        _open_purposes(policy),
        tuple(needs),
        None,
    )


def _without_free_decision(policy: Policy, facts: ConsentFacts) -> ConsentRule:
    """R10: emergency care only. Who is held in custody but awake is still asked, and may still say no."""
    who = Decider.PERSON if facts.capacity == "detained" else Decider.NOBODY
    return _emergency(policy, facts, who=who) or _refused(ConsentRefusal.CANNOT_DECIDE)


def _emergency(policy: Policy, facts: ConsentFacts, *, who: Decider) -> ConsentRule | None:
    if not facts.has_emergency or facts.assent == "refused":
        return None
    is_written = facts.emergency_reason is not None and facts.emergency_reason.strip()
    needs = () if is_written else (ConsentNeed.EMERGENCY_REASON,)
    if who is Decider.PERSON:
        needs = (*needs, ConsentNeed.AGREEMENT, *_witness(policy, facts))
    return ConsentRule(who, Decider.NOBODY, "emergency", EMERGENCY_PURPOSES, needs, None)


def _refused(
    refusal: ConsentRefusal, *, who: Decider = Decider.NOBODY, needs: tuple[ConsentNeed, ...] = ()
) -> ConsentRule:
    return ConsentRule(who, who, None, frozenset(), needs, refusal)


def must_assent(policy: Policy, facts: ConsentFacts) -> bool:
    """Say whether a child is old enough to be asked; only ``too_young`` under that age goes without (R3)."""
    return facts.age_months is None and (facts.age_years or 0) >= policy.child_assent_from_years


def _witness(policy: Policy, facts: ConsentFacts) -> tuple[ConsentNeed, ...]:
    is_needed = policy.witness_required_if_illiterate and facts.can_read is not True and not facts.has_witness
    return (ConsentNeed.WITNESS,) if is_needed else ()


def _open_purposes(policy: Policy) -> frozenset[ConsentPurpose]:
    closed: set[ConsentPurpose] = set()
    if policy.sync_results == "off":
        closed.add("deidentified_result")
    if policy.share_images == "off":
        closed.add("referral_package")
    if policy.training_use == "off":
        closed.add("training")
    return frozenset(PURPOSES) - closed


def consent_faults(policy: Policy, consent: Consent, facts: ConsentFacts) -> tuple[ConsentFault, ...]:
    """Hold a finished consent against the policy before it is stored; empty where it holds.

    A record that refuses everything needs no basis: saying no is always possible (R1).

    Args:
        policy: the policy in force.
        consent: what the page wants to save.
        facts: what the page knows; the record's own assent, capacity and reading count where both tell them.
    """
    granted = {purpose for purpose in PURPOSES if getattr(consent, purpose).granted}
    if not granted:
        return ()
    rule = consent_rule(policy, facts)
    giver = "guardian" if rule.who_decides is Decider.GUARDIAN else rule.who_decides.value
    wants_assent = rule.who_decides is Decider.GUARDIAN and must_assent(policy, facts)
    needs_witness = consent.can_read is not True and rule.who_decides is not Decider.NOBODY
    found = {
        ConsentFault.NOT_OPEN: bool(granted - rule.purposes),
        ConsentFault.WRONG_GIVER: consent.given_by != giver or consent.capacity != facts.capacity,
        ConsentFault.ASSENT_MISSING: wants_assent and consent.assent != "given",
        ConsentFault.WITNESS_MISSING: needs_witness and not consent.witness,
        ConsentFault.WITNESS_RECORDS: consent.witness is not None and consent.witness == consent.recorded_by,
        ConsentFault.NOT_READ_ALOUD: rule.basis == "consent" and not consent.read_aloud,
        ConsentFault.OLD_TEXT: bool(asked_with_another_text(policy, consent)),
        ConsentFault.REASON_MISSING: rule.basis == "emergency" and consent.emergency_reason is None,
    }
    return tuple(fault for fault, is_there in found.items() if is_there)


def asked_with_another_text(policy: Policy, consent: Consent) -> tuple[ConsentPurpose, ...]:
    """Name the granted purposes whose text is not the one in force: ask again before anything new is done (R15).

    A fictitious consent has texts of its own and is never asked again.
    """
    if consent.fictitious:
        return ()
    return tuple(
        purpose
        for purpose in PURPOSES
        if getattr(consent, purpose).granted
        and getattr(consent, purpose).version != policy.consent_versions.of(purpose)
    )


def capabilities(policy: Policy, consent: Consent | None) -> Capabilities:
    """Say what is possible with a consent; refusing one purpose takes away that one alone (R1).

    Without a record it is a test case: pictures and program work on it and nothing of it leaves (R14).
    """
    if consent is None:
        return Capabilities(text_case=True, pictures=True, program=True, sync=False, package=False, training=False)
    open_now = _open_purposes(policy)
    old = set(asked_with_another_text(policy, consent))
    may = {
        purpose: getattr(consent, purpose).granted and purpose in open_now and purpose not in old
        for purpose in PURPOSES
    }
    return Capabilities(
        text_case=True,
        pictures=may["care_pictures"],
        program=may["program_help"],
        sync=may["deidentified_result"],
        package=may["referral_package"],
        training=may["training"],
    )
