"""No combination of facts gives a second use without a free decision, or a purpose without somebody who may decide."""

from __future__ import annotations

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.contracts.consent_values import EMERGENCY_PURPOSES, Assent, Capacity
from edge_agent.contracts.policy import Policy
from edge_agent.policy.consent import ConsentFacts, Decider, consent_rule

FACTS = st.builds(
    ConsentFacts,
    age_years=st.one_of(st.none(), st.integers(0, 120)),
    age_months=st.one_of(st.none(), st.integers(0, 23)),
    capacity=st.sampled_from(get_args(Capacity)),
    has_guardian=st.booleans(),
    assent=st.sampled_from([*get_args(Assent), None]),
    has_emergency=st.booleans(),
    emergency_reason=st.sampled_from([None, "", " ", "cannot breathe"]),
    can_read=st.sampled_from([True, False, None]),
    has_witness=st.booleans(),
)
POLICIES = st.builds(Policy, age_of_consent_years=st.integers(16, 25), child_assent_from_years=st.integers(0, 7))


@settings(max_examples=600, deadline=None)
@given(POLICIES, FACTS)
def test_a_second_use_needs_a_free_decision_of_who_may_decide(policy: Policy, facts: ConsentFacts) -> None:
    """R3, R10: a grown person, or a guardian who is here and a child that does not say no."""
    rule = consent_rule(policy, facts)
    if rule.purposes - EMERGENCY_PURPOSES:
        assert facts.capacity == "full"
        assert rule.basis == "consent"
        is_grown = (facts.age_years or 0) >= policy.age_of_consent_years and facts.age_months is None
        assert is_grown or (facts.has_guardian and facts.assent != "refused" and facts.age_years is not None)
        assert rule.who_decides is (Decider.PERSON if is_grown else Decider.GUARDIAN)


@settings(max_examples=600, deadline=None)
@given(POLICIES, FACTS)
def test_words_alone_exactly_where_it_is_refused(policy: Policy, facts: ConsentFacts) -> None:
    """R1: no purpose without a basis, no basis beside a refusal; and training is closed by default."""
    rule = consent_rule(policy, facts)
    assert (rule.refusal is not None) == rule.is_text_case_only == (rule.basis is None)
    assert "training" not in rule.purposes
    if rule.basis == "emergency":
        assert facts.has_emergency
        assert rule.purposes == EMERGENCY_PURPOSES
        has_reason = bool((facts.emergency_reason or "").strip())
        assert ("emergency_reason" in rule.needs) != has_reason
