"""The urgent rules of a draft: which fire on what was entered so far, and which the worker has not read yet.

Uses the same rules as the report, without the model. Pictures add nothing here.

Source: clinical-vocabulary section 8; policy.md, the order of a consultation, R9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_agent.agents.rules.facts import facts_of
from edge_agent.agents.rules.red_flags import RuleBook, Verdict
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.consultation.draft import Draft
from edge_agent.contracts.case import Case

URGENT = frozenset(TIERS[:2])  # an emergency, or seen today


@dataclass(frozen=True, slots=True)
class Alert:
    """One urgent rule that fires: its tier, the inputs behind it, and whether it ends photography (R9).

    ``mark`` is what the draft keeps once the instruction was read: the same rule at a higher tier is a new alert.
    """

    rule_id: str
    tier: str
    because: tuple[str, ...]
    is_stronger: bool
    stops_photography: bool
    is_private: bool

    @property
    def mark(self) -> str:
        """Return the rule and its tier as one word."""
        return f"{self.rule_id}:{self.tier}"


def alerts(draft: Draft, rules: RuleBook) -> tuple[Alert, ...]:
    """Return the urgent rules that fire, the most urgent first.

    Raises:
        CaseError: two answers contradict each other.
    """
    # The rules read the form alone here: pictures are judged later, and who consents to what changes no danger.
    case = Case(draft.case_id, (), draft.to_intake(), None, draft.created)
    fired = [_alert(verdict) for verdict in rules.evaluate(facts_of(case)) if verdict.outcome == "fires"]
    return tuple(sorted((one for one in fired if one.tier in URGENT), key=lambda one: TIERS.index(one.tier)))


def unread(draft: Draft, found: Iterable[Alert]) -> tuple[Alert, ...]:
    """Return those alerts whose instruction the worker has not read."""
    return tuple(alert for alert in found if alert.mark not in draft.seen)


def _alert(verdict: Verdict) -> Alert:
    rule = verdict.rule
    return Alert(
        rule.id,
        verdict.tier or TIERS[-1],
        verdict.because,
        verdict.is_stronger,
        rule.stops_photography,
        rule.is_private,
    )
