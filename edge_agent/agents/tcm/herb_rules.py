"""Read and judge the rules of the herb check: data, three-valued, each with its own examples.

A rule says when it holds and what it does to which herbs. Does not know formulas; ``agents.herbs`` does.

Source: clinical-vocabulary section 5.4 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edge_agent.agents.rules.expressions import Fact, Kind, Node, evaluate, open_names, parse
from edge_agent.agents.rules.facts import KINDS
from edge_agent.contracts.terms import FOLDER, read_toml
from edge_agent.errors import ConfigError

TABLES = FOLDER.parent / "tables"
FILE = "herb_rules.toml"
Outcome = Literal["fires", "silent", "unknown"]
_OUTCOMES: dict[bool | None, Outcome] = {True: "fires", False: "silent", None: "unknown"}
# What code finds out about the formula itself, beside the form's facts.
FORMULA_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "formula_of_syndrome": "sign",
        "is_filled": "sign",
        "has_incompatible_pair": "sign",
        "has_banned_substance": "sign",
        "syndrome": "id",
        "secondary_syndrome": "id",
    }
)
HERB_KINDS: Mapping[str, Kind] = MappingProxyType({**KINDS, **FORMULA_KINDS})
_KEYS = {
    "id", "when", "when_unknown", "block_all", "warn_all", "block_herbs", "warn_herbs", "zh", "en", "status", "source",
    "since", "cases",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HerbCase:
    """One example that ships with a rule: inputs by name (absent: unknown) and the outcome."""

    inputs: Mapping[str, Fact]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class HerbRule:
    """One rule: its condition, what it blocks, what it warns of, fixed words, its own examples.

    ``withhold_unknown``: an unanswered condition acts as if it held.
    """

    id: str
    when: Node
    withhold_unknown: bool
    block_all: bool
    warn_all: bool
    block_herbs: frozenset[str]
    warn_herbs: frozenset[str]
    zh: str
    en: str
    status: str
    source: str
    cases: tuple[HerbCase, ...]

    def judge(self, facts: Mapping[str, Fact]) -> Outcome:
        """Say whether the condition holds; an absent fact is unknown."""
        return _OUTCOMES[evaluate(self.when, facts, kinds=HERB_KINDS)]

    def missing(self, facts: Mapping[str, Fact]) -> tuple[str, ...]:
        """List the unanswered inputs that keep the condition open; empty when it is decided without them."""
        return open_names(self.when, facts, kinds=HERB_KINDS)

    def touches(self, herbs: frozenset[str]) -> bool:
        """Say whether the rule does anything to a formula with these herbs."""
        return self.blocks(herbs) or self.warns(herbs)

    def blocks(self, herbs: frozenset[str]) -> bool:
        """Say whether the rule, when it holds, keeps a formula with these herbs from being shown."""
        return self.block_all or bool(self.block_herbs & herbs)

    def warns(self, herbs: frozenset[str]) -> bool:
        """Say whether the rule, when it holds, puts a warning beside a formula with these herbs."""
        return self.warn_all or bool(self.warn_herbs & herbs)


def load_herb_rules(*, herbs: frozenset[str], folder: Path = TABLES) -> tuple[HerbRule, ...]:
    """Read the rules, in the file's order.

    Args:
        herbs: every known herb id; a rule may name no other.
        folder: where ``herb_rules.toml`` stands.

    Raises:
        ConfigError: the file or a rule is malformed, names an unknown herb, or an id stands twice; names the rule.
    """
    data = read_toml(folder / FILE, what="rule file")
    rules = tuple(_rule(row) for row in data.get("rule", []))
    ids = [rule.id for rule in rules]
    if len(set(ids)) != len(ids):
        raise ConfigError(f"{FILE}: a rule id stands twice; ids are never re-used")
    for rule in rules:
        if unknown := (rule.block_herbs | rule.warn_herbs) - herbs:
            raise ConfigError(f"{FILE}: rule {rule.id} names {min(unknown)}, which is no herb; mend the id")
    return rules


def _rule(row: Mapping[str, Any]) -> HerbRule:
    if unknown := set(row) - _KEYS:
        raise ConfigError(f"{FILE}: rule {row.get('id')} has the unknown key {min(unknown)}; remove it")
    rule_id = row.get("id")
    if row.get("when_unknown") not in {None, "withhold"}:
        raise ConfigError(f'{FILE}: rule {rule_id}: when_unknown is "withhold" or left out')
    try:
        rule = HerbRule(
            id=row["id"],
            when=parse(row["when"], kinds=HERB_KINDS),
            withhold_unknown="when_unknown" in row,
            block_all=_switch(row, "block_all"),
            warn_all=_switch(row, "warn_all"),
            block_herbs=_herbs(row, "block_herbs"),
            warn_herbs=_herbs(row, "warn_herbs"),
            zh=row["zh"],
            en=row["en"],
            status=row["status"],
            source=row["source"],
            cases=tuple(HerbCase(case["inputs"], case["outcome"]) for case in row["cases"]),
        )
    except (KeyError, TypeError) as exc:
        raise ConfigError(f"{FILE}: rule {rule_id} lacks {exc}; compare it with the other rules") from exc
    if not (rule.block_all or rule.warn_all or rule.block_herbs or rule.warn_herbs):
        raise ConfigError(
            f"{FILE}: rule {rule_id} does nothing; give it block_all, warn_all, block_herbs or warn_herbs"
        )
    return rule


def _switch(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{FILE}: rule {row.get('id')}: {key} is true or false")
    return value


def _herbs(row: Mapping[str, Any], key: str) -> frozenset[str]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(herb, str) for herb in value):
        raise ConfigError(f"{FILE}: rule {row.get('id')}: {key} is a list of herb ids")
    return frozenset(value)
