"""Whom a worker calls: what was signed first, each number once, and what is missing by its key."""

from __future__ import annotations

from edge_agent.contracts.policy import Policy
from edge_agent.contracts.practice import Contact, Contacts, Practice
from edge_agent.policy.whom_to_call import whom_to_call


def test_a_local_number_never_hides_the_signed_one() -> None:
    """Policy R9: the ministry's number stands first, the practice's own behind it."""
    practice = Practice(contacts=Contacts(emergency_number="0571 999"))
    assert whom_to_call(Policy(emergency_number="120"), practice).emergency == ("120", "0571 999")


def test_the_same_number_stands_once() -> None:
    """A practice that repeats the ministry's number does not make a worker choose."""
    practice = Practice(contacts=Contacts(emergency_number="120"))
    assert whom_to_call(Policy(emergency_number="120"), practice).emergency == ("120",)


def test_what_nobody_set_is_named_by_its_key() -> None:
    """The maintainer finds the very words to write into the file."""
    lead = Contact(name="Dr Sun", phone="1")
    found = whom_to_call(Policy(), Practice(contacts=Contacts(safeguarding_contact=lead)))
    assert found.missing == ("emergency_number", "crisis_contact", "referral_contact")
    assert found.safeguarding == ("Dr Sun, 1",)
