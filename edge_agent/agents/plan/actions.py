"""Propose plan items by rule: refer, test, treat, advise, notify, follow up; a model may add to them, never remove.

Every item is ``proposed``; people accept, change or refuse it. What is prescribed is a prescriber's and waits for a
clinician's review. In an emergency the transfer stands first and only what is safe stands beside it. Nothing here is
generated text or a dose. Does not triage, store or print.

Source: clinical-vocabulary section 10 (not clinically reviewed); rules: ``contracts/tables/plan_rules.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.agents.plan.book import PlanBook
from edge_agent.agents.plan.input import PlanInput, facts_of_plan, is_limited
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.rule_file import EMERGENCY, TIERS
from edge_agent.contracts.terms import Vocabulary

__all__ = ["Item", "Plan", "PlanFinding", "PlanInput", "Planner"]

MAX_ITEMS = 12
INTERVALS = (1, 3, 7, 14, 28, 42, 56, 84, 182, 365)
REVIEW = "after_clinician_review"
ANOTHER_PICTURE = "repeat_photo"  # proposed by nobody once a sign of abuse stopped photography
MODEL_PRIORITY = 6  # after every rule's item: a model never pushes one out
_KEPT = ("refer", "notify", "advise", "treat", "follow_up", "investigate")  # of priority 1 the last are cut first
_GROUPS = ("refer", "notify", "investigate", "treat", "advise", "follow_up")


@dataclass(frozen=True, slots=True)
class Item:
    """One proposed item. ``tier`` only for refer; ``limits``: never there; ``prior_tests``: before it;
    ``unchecked``: inputs of its contraindications that nobody entered; ``because``: what made the rule propose it;
    ``is_private``: never on the person's print.
    """

    object: str
    action: str
    role: str
    condition: str | None = None
    interval_days: int | None = None
    tier: str | None = None
    detail: str | None = None
    origin: str = "rule"
    rule: str | None = None
    because: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    prior_tests: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    is_private: bool = False
    priority: int = 3


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """Something that was not taken over as it came: an id of ``plan_finding``, who asked, which object (or None)."""

    finding: str
    origin: str
    object: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """At most twelve items in order, what was cut for want of room (the least urgent), and what was not taken over."""

    items: tuple[Item, ...]
    cut: tuple[Item, ...]
    findings: tuple[PlanFinding, ...]

    def to_report(self) -> dict[str, Any]:
        """Return the report's section: ``items`` in order, ``is_cut``, ``cut`` and ``findings``; ids and numbers only.

        An item holds order, action, object, detail, condition, interval_days, role, origin, status, tier, rule,
        because, limits, prior_tests, unchecked, is_private.
        """
        return {
            "items": [_row(item, order) for order, item in enumerate(self.items, start=1)],
            "is_cut": bool(self.cut),
            "cut": [{"action": item.action, "object": item.object, "is_private": item.is_private} for item in self.cut],
            "findings": [{"finding": f.finding, "origin": f.origin, "object": f.object} for f in self.findings],
        }


class Planner:
    """Make plans from one vocabulary and its rules; the rules are read once."""

    def __init__(self, vocabulary: Vocabulary, book: PlanBook | None = None) -> None:
        self._book = book or PlanBook.load(vocabulary)

    def plan(self, given: PlanInput) -> Plan:
        """Return the plan of one case; the same input gives the same plan."""
        facts = facts_of_plan(given, self._book.kinds)
        findings: list[PlanFinding] = []
        rows = self._by_rule(given, facts, findings) + self._notices(given)
        if given.formula is not None and given.tier != EMERGENCY:
            formula = self._make("tcm_formula_proposal", facts, condition=REVIEW, detail=given.formula)
            rows.append(replace(formula, origin="model", priority=MODEL_PRIORITY))
        rows = _merged(rows)
        have = {(item.object, item.detail) for item in rows}
        for proposal in given.proposals:
            item = self._proposed(proposal, given, facts, findings)
            if item is not None and (item.object, item.detail) not in have:
                have.add((item.object, item.detail))
                rows.append(item)
        kept, cut = _cut(rows)
        return Plan(tuple(sorted(kept, key=_display)), tuple(cut), tuple(findings))

    def _by_rule(self, given: PlanInput, facts: Mapping[str, Fact], findings: list[PlanFinding]) -> list[Item]:
        rows: list[Item] = []
        for rule, because in self._book.fired(facts):
            if given.tier == EMERGENCY and not rule.in_emergency:
                continue
            for wish in rule.items:
                told = {key: wish[key] for key in wish if key != "object"}
                item = self._make(wish["object"], facts, **told)
                item = replace(item, rule=rule.id, because=because, priority=rule.priority)
                allowed = self._allowed(item, given, facts, findings)
                if allowed is not None:
                    rows.append(allowed)
        return rows

    def _notices(self, given: PlanInput) -> list[Item]:
        """Propose the notifications of the national list; two diseases of one rule are told apart by the differential."""
        named = {row.object for row in self._book.notifiable if row.conditions & given.conditions}
        rows = []
        for row in self._book.notifiable:
            rules = row.rules & given.fired
            rivals = {r.object for r in self._book.notifiable if r.rules & rules}
            if row.object in named or (rules and not rivals & named):
                because = (*sorted(rules), *sorted(f"condition_{c}" for c in row.conditions & given.conditions))
                what = self._book.objects[row.object]
                rows.append(Item(what.id, what.action, what.role, condition=REVIEW, because=because, priority=1))
        return rows

    def _make(self, name: str, facts: Mapping[str, Fact], **told: Any) -> Item:
        what = self._book.objects[name]
        return Item(
            object=name,
            action=what.action,
            role=what.role,
            limits=what.limits,
            prior_tests=what.prior_tests,
            unchecked=self._book.unchecked(what, facts),
            is_private=what.is_private,
            **told,
        )

    def _allowed(
        self, item: Item, given: PlanInput, facts: Mapping[str, Fact], findings: list[PlanFinding]
    ) -> Item | None:
        """Return the item, a milder one where the site or age forbids it, or None; what was changed is told."""
        what = self._book.objects[item.object]
        if self._book.is_barred(what, facts) or (given.is_photography_stopped and item.object == ANOTHER_PICTURE):
            findings.append(PlanFinding("contraindicated", item.origin, item.object))
            return None
        if not is_limited(what, given):
            return item
        findings.append(PlanFinding("site_limit", item.origin, item.object))
        if what.milder is None:
            return None
        milder = self._make(what.milder, facts, condition=item.condition)
        milder = replace(milder, origin=item.origin, rule=item.rule, because=item.because, priority=item.priority)
        return self._allowed(milder, given, facts, findings)

    def _proposed(
        self,
        proposal: Mapping[str, Any],
        given: PlanInput,
        facts: Mapping[str, Fact],
        findings: list[PlanFinding],
    ) -> Item | None:
        """Return a model's proposal as an item, or None with a named finding."""
        name = proposal.get("object") if isinstance(proposal, Mapping) else None
        problem = self._problem(proposal, given)
        if problem is not None:
            known = isinstance(name, str) and name in self._book.objects
            findings.append(PlanFinding(problem, "model", name if known else None))
            return None
        what = self._book.objects[str(name)]
        waits = (what.action == "treat" and what.role == "prescriber") or what.action == "notify"
        condition = REVIEW if waits else proposal.get("condition")
        item = self._make(what.id, facts, condition=condition, interval_days=proposal.get("interval_days"))
        item = replace(item, origin="model", priority=MODEL_PRIORITY)
        if what.action == "refer":  # a model names no tier here; it raises one through triage
            item = replace(item, tier=_later(given.tier))
        return self._allowed(item, given, facts, findings)

    def _problem(self, proposal: Any, given: PlanInput) -> str | None:
        if not isinstance(proposal, Mapping) or not isinstance(proposal.get("object"), str):
            return "malformed"
        what = self._book.objects.get(proposal["object"])
        if what is None or proposal.get("action", what.action) != what.action:
            return "unknown_object"
        if not what.for_model:
            return "not_for_model"
        if given.tier == EMERGENCY:
            return "waits_for_transfer"
        if not _is_interval(proposal.get("interval_days"), is_visit=what.action == "follow_up"):
            return "unknown_interval"
        condition = proposal.get("condition")
        is_known = condition is None or (isinstance(condition, str) and condition in what.conditions)
        return None if is_known else "unknown_condition"


def _row(item: Item, order: int) -> dict[str, Any]:
    return {
        "order": order,
        "action": item.action,
        "object": item.object,
        "detail": item.detail,
        "condition": item.condition,
        "interval_days": item.interval_days,
        "role": item.role,
        "origin": item.origin,
        "status": "proposed",
        "tier": item.tier,
        "rule": item.rule,
        "because": list(item.because),
        "limits": list(item.limits),
        "prior_tests": list(item.prior_tests),
        "unchecked": list(item.unchecked),
        "is_private": item.is_private,
    }


def _merged(rows: Sequence[Item]) -> list[Item]:
    """Join items that ask for the same thing: the most urgent tier and the higher priority win."""
    found: dict[tuple[str, str | None], Item] = {}
    for item in rows:
        key = (item.object, item.detail)
        first = found.get(key)
        if first is None:
            found[key] = item
            continue
        tiers = [tier for tier in (first.tier, item.tier) if tier is not None]
        found[key] = replace(
            first,
            tier=min(tiers, key=TIERS.index) if tiers else None,
            condition=first.condition if first.condition == item.condition else None if _is_free(first) else REVIEW,
            priority=min(first.priority, item.priority),
            because=tuple(dict.fromkeys((*first.because, *item.because))),
        )
    return list(found.values())


def _is_free(item: Item) -> bool:
    """Say whether an item may stand without a condition; a prescriber's treatment never does."""
    return not (item.action == "treat" and item.role == "prescriber")


def _cut(rows: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Keep the twelve most urgent; of equals the earlier one stays, but no test before what a person must be told."""

    def urgency(item: Item) -> tuple[int, int]:
        return item.priority, _KEPT.index(item.action) if item.priority == 1 else 0

    by_urgency = sorted(rows, key=urgency)
    return by_urgency[:MAX_ITEMS], by_urgency[MAX_ITEMS:]


def _display(item: Item) -> tuple[int, int, int]:
    """Order for reading: the referral by urgency first, then what is told, tested, given, said and booked."""
    return (_GROUPS.index(item.action), TIERS.index(item.tier) if item.tier else len(TIERS), item.priority)


def _later(tier: str) -> str:
    """Return the tier of a referral that a model adds: the case's own, routine at the most local."""
    return tier if TIERS.index(tier) < TIERS.index("T4_routine") else "T4_routine"


def _is_interval(value: Any, *, is_visit: bool) -> bool:
    if not is_visit:
        return value is None
    return isinstance(value, int) and not isinstance(value, bool) and value in INTERVALS
