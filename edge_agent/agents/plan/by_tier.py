"""Bring a plan into line with the tier that a clinician set: the plan's own rules say what goes with a tier.

An item that hung on the old tier alone goes, what the rules propose for the new tier alone comes, and in an emergency only
what the rules allow beside a transfer stays. Proposes nothing else anew, and does not know what was decided about the plan.

Source: clinical-vocabulary sections 9 and 10; rules: ``contracts/tables/plan_rules.toml`` (PL-01 to PL-04, PL-36).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from edge_agent.agents.plan.book import PlanBook
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.rule_file import EMERGENCY, TIERS
from edge_agent.contracts.terms import Vocabulary

Row = Mapping[str, Any]
OF_TIER: Final = frozenset({"tier", "needs_human_reading", "always"})
# The post's one referral contact answers for the skin; beside another discipline's name it would send people astray.
SKIN_CLINICS: Final = frozenset({"dermatology_in_person", "dermatology_remote_reading"})
_OWN_GROUND: Final = ("rf_", *OF_TIER)


def referral_for(tier: str, vocabulary: Vocabulary) -> str | None:
    """Return to whom the plan's rules refer for a tier alone; None where the tier asks for nobody."""
    if tier == TIERS[-1]:
        return None
    return next((row["object"] for row in _items_of(tier, vocabulary) if row["action"] == "refer"), None)


def at_tier(items: Sequence[Row], tier: str, *, before: str, vocabulary: Vocabulary) -> tuple[list[Row], list[Row]]:
    """Return the items that go with a tier, numbered anew, and those that stand no more.

    Args:
        items: of the report's plan, made for the tier ``before``.
        tier: the one that counts now.
        before: the program's.
        vocabulary: holds the plan's objects.
    """
    if tier == before:
        return list(items), []
    allowed = {rule.id for rule in PlanBook.load(vocabulary).rules if rule.in_emergency}
    new = list(_items_of(tier, vocabulary))
    known = {row["object"] for row in new}
    kept: list[Row] = []
    gone: list[Row] = []
    for row in items:
        if row["object"] in known:
            continue  # comes with the new tier
        is_out = _hangs_on_tier(row) or (tier == EMERGENCY and row["rule"] not in allowed)
        (gone if is_out else kept).append(row)
    kept = [_with_tier(row, tier) for row in kept]
    order = {
        name: number for number, name in enumerate(("refer", "notify", "investigate", "treat", "advise", "follow_up"))
    }
    rows = sorted([*new, *kept], key=lambda row: (order[row["action"]], TIERS.index(row["tier"]) if row["tier"] else 9))
    return [{**row, "order": number} for number, row in enumerate(rows, start=1)], gone


def rests_on_syndrome(row: Row) -> bool:
    """Say whether an item would not be there without the syndrome."""
    return row["object"].startswith("tcm_") or "syndrome_given" in row["because"]


def rests_on_suspicion(row: Row) -> bool:
    """Say whether an item would not be there without the suspected conditions."""
    because = row["because"]
    if any(name.startswith("working_") for name in because):
        return True
    return any(name.startswith("condition_") for name in because) and not any(
        name.startswith(_OWN_GROUND) for name in because
    )


def is_general(row: Row) -> bool:
    """Say whether an item is told to everybody, whatever was found: when to come back, not to stop drugs."""
    return row["action"] == "advise" and bool(row["because"]) and set(row["because"]) <= OF_TIER


def _hangs_on_tier(row: Row) -> bool:
    return bool(row["because"]) and set(row["because"]) <= OF_TIER and "always" not in row["because"]


def _with_tier(row: Row, tier: str) -> Row:
    """A referral is never told as more urgent than the case; one of another's eyes alone keeps its own urgency."""
    own = row["tier"]
    if own is None or row["is_private"] or TIERS.index(own) >= TIERS.index(tier):
        return row
    return {**row, "tier": None if tier == TIERS[-1] else tier}


def _items_of(tier: str, vocabulary: Vocabulary) -> Iterator[dict[str, Any]]:
    book = PlanBook.load(vocabulary)
    facts: dict[str, Fact] = {"tier": tier, "needs_human_reading": tier != TIERS[-1]}
    for rule, because in book.fired(facts):
        if tier == EMERGENCY and not rule.in_emergency:
            continue
        for wish in rule.items:
            what = book.objects[wish["object"]]
            yield {
                "order": 0, "action": what.action, "object": what.id, "detail": None, "condition": wish.get("condition"),
                "interval_days": wish.get("interval_days"), "role": what.role, "origin": "rule", "status": "proposed",
                "tier": wish.get("tier"), "rule": rule.id, "because": list(because), "limits": list(what.limits),
                "prior_tests": list(what.prior_tests), "unchecked": [], "is_private": what.is_private,
            }  # fmt: skip
