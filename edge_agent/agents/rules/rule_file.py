"""Read a rule file: TOML tables of rules with their conditions, tiers, fixed words and own examples.

Checks every key, name and tier, because a misspelt rule would be a weaker rule. Does not evaluate anything.

Source: clinical-vocabulary sections 8 and 9.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.agents.rules.expressions import Fact, Kind, Node, parse
from edge_agent.contracts.intake_values import Tier
from edge_agent.contracts.punctuation import full_width
from edge_agent.contracts.terms import read_toml
from edge_agent.errors import ConfigError

TIERS: tuple[str, ...] = typing.get_args(Tier)  # most urgent first
EMERGENCY = TIERS[0]
_NEEDED = ("id", "when", "zh", "en", "status", "source", "since", "cases")
_MAY = (
    "stronger_when", "stronger_tier", "stronger_zh", "stronger_en", "picture_when", "when_unknown", "tier",
    "tier_choices", "human_reading", "stops_photography", "is_private",
)  # fmt: skip
_FLAGS = ("human_reading", "stops_photography", "is_private")


@dataclass(frozen=True, slots=True)
class RuleCase:
    """One example that ships with a rule: inputs by name (absent: unknown), the outcome, and the tier if it fires.

    ``tier`` is None where the example does not name one.
    """

    inputs: Mapping[str, Fact]
    outcome: str
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: condition, tier it asks for (None for a withholding rule), fixed words, its own examples.

    ``stronger_when`` marks a firing rule and, with ``stronger_tier``, raises it. ``picture_when`` reads the pictures'
    facts. ``tier_choices`` are the tiers among which a country's policy chooses; ``tier`` is the strictest of them.
    """

    id: str
    when: Node
    stronger_when: Node | None
    tier: str | None
    human_reading: bool
    withhold_unknown: bool
    zh: str
    en: str
    status: str
    cases: tuple[RuleCase, ...]
    source: str = ""
    stronger_tier: str | None = None
    stronger_words: tuple[str, str] | None = None
    picture_when: Node | None = None
    tier_choices: tuple[str, ...] = ()
    stops_photography: bool = False
    is_private: bool = False

    def words(self, lang: str, *, is_stronger: bool = False) -> str:
        """Return the fixed words to the worker in ``zh`` or ``en``; the stronger ones where the rule has them."""
        zh, en = self.stronger_words if is_stronger and self.stronger_words else (self.zh, self.en)
        return full_width(zh) if lang == "zh" else en


def composites(data: Mapping[str, Any], *, kinds: Mapping[str, Kind]) -> dict[str, Node]:
    """Parse the named composite signs (``[derived]``) of a rule file; each may use those above it.

    Raises:
        ConfigError: one is malformed or names an unknown input.
    """
    known: dict[str, Node] = {}
    for name, text in data.get("derived", {}).items():
        known[name] = parse(text, kinds=kinds, derived=known)
    return known


def read_rules(
    path: Path, *, table: str, kinds: Mapping[str, Kind], picture_kinds: Mapping[str, Kind]
) -> tuple[tuple[Rule, ...], int]:
    """Read one table of a rule file and the number of rules that the clinical draft has of it.

    Args:
        path: the file.
        table: the name of its table, e.g. ``rule``.
        kinds: the inputs that a condition may name.
        picture_kinds: the inputs that ``picture_when`` may name.

    Raises:
        ConfigError: the file or a rule is malformed; names the rule.
    """
    data = read_toml(path, what="rule file")
    derived = composites(data, kinds=kinds)
    rules = []
    for row in data.get(table, []):
        _check(row, path.name)
        conditions = {
            key: parse(row[key], kinds=kinds, derived=derived) for key in ("when", "stronger_when") if key in row
        }
        if "picture_when" in row:
            conditions["picture_when"] = parse(row["picture_when"], kinds=picture_kinds)
        rules.append(_rule(row, conditions))
    ids = [rule.id for rule in rules]
    if len(set(ids)) != len(ids):
        raise ConfigError(f"{path.name}: a rule id stands twice; ids are never re-used")
    return tuple(rules), int(data.get("total", len(rules)))


def _rule(row: Mapping[str, Any], conditions: Mapping[str, Node]) -> Rule:
    return Rule(
        id=row["id"],
        when=conditions["when"],
        stronger_when=conditions.get("stronger_when"),
        tier=row.get("tier"),
        human_reading=row.get("human_reading", False),
        withhold_unknown=row.get("when_unknown") == "withhold",
        zh=row["zh"],
        en=row["en"],
        status=row["status"],
        cases=tuple(RuleCase(case["inputs"], case["outcome"], case.get("tier")) for case in row["cases"]),
        source=row["source"],
        stronger_tier=row.get("stronger_tier"),
        stronger_words=(row["stronger_zh"], row["stronger_en"]) if "stronger_zh" in row else None,
        picture_when=conditions.get("picture_when"),
        tier_choices=tuple(row.get("tier_choices", ())),
        stops_photography=row.get("stops_photography", False),
        is_private=row.get("is_private", False),
    )


def _check(row: Mapping[str, Any], file: str) -> None:
    """Refuse a rule whose keys or tiers do not fit together."""
    where = f"{file}: rule {row.get('id')}"
    if unknown := set(row) - {*_NEEDED, *_MAY}:
        raise ConfigError(f"{where} has the unknown key {min(unknown)}; remove it")
    if lacking := [key for key in _NEEDED if key not in row]:
        raise ConfigError(f"{where} lacks {lacking[0]}; compare it with the other rules")
    if wrong := [key for key in _FLAGS if not isinstance(row.get(key, False), bool)]:
        raise ConfigError(f"{where}: {wrong[0]} must be true or false")
    tier, stronger, choices = row.get("tier"), row.get("stronger_tier"), row.get("tier_choices", [])
    if wrong := [name for name in (tier, stronger, *choices) if name is not None and name not in TIERS]:
        raise ConfigError(f"{where}: {wrong[0]} is no tier; use one of {', '.join(TIERS)}")
    if ("stronger_zh" in row) != ("stronger_en" in row):
        raise ConfigError(f"{where} has stronger words in one language only; write both")
    if stronger is not None and (
        tier is None or "stronger_when" not in row or TIERS.index(stronger) >= TIERS.index(tier)
    ):
        raise ConfigError(f"{where}: stronger_tier needs stronger_when and must be more urgent than tier")
    if choices and tier != min(choices, key=TIERS.index):
        raise ConfigError(f"{where}: tier must be the strictest of tier_choices")
