"""Whom a worker calls: the numbers of the ministry's policy and of the practice's own file, in this order.

Both stand on the screen where both are set: a local file hides nothing that was signed. Invents no number.

Source: policy R9; clinical-vocabulary section 8 (RF-24, RF-25).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.contracts.policy import Policy
from edge_agent.contracts.practice import Practice
from edge_agent.policy.reading import safeguarding_rule


@dataclass(frozen=True, slots=True)
class WhomToCall:
    """Hold what is shown as a number to call; each is empty where nobody has set it."""

    emergency: tuple[str, ...]
    safeguarding: tuple[str, ...]
    crisis: tuple[str, ...]
    referral: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the keys of ``[contacts]`` that would fill what is not set."""
        given = {
            "emergency_number": self.emergency,
            "safeguarding_contact": self.safeguarding,
            "crisis_contact": self.crisis,
            "referral_contact": self.referral,
        }
        return tuple(key for key, numbers in given.items() if not numbers)


def whom_to_call(policy: Policy, practice: Practice) -> WhomToCall:
    """Return the numbers that hold at this post, each once."""
    own = practice.contacts
    return WhomToCall(
        emergency=_given(policy.emergency_number, own.emergency_number),
        safeguarding=_given(safeguarding_rule(policy, is_suspected=True).contact, own.safeguarding_contact),
        crisis=_given(own.crisis_contact),
        referral=_given(own.referral_contact),
    )


def _given(*entries: object | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one) for one in entries if one is not None))
