"""Evaluate rules that are data: danger signs first, without the model, also when inference is down.

A rule fires, is silent, or cannot be assessed because nobody entered what it needs; the third is listed and never
counted as the second. Findings of the model never remove or lower a flag: they are not even an input here.

Source: clinical-vocabulary sections 0.6, 8 and 9 (not clinically reviewed).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_agent.agents.expressions import Fact, Node, evaluate, grounds, names, parse
from edge_agent.agents.facts import KINDS
from edge_agent.contracts.terms import FOLDER
from edge_agent.errors import ConfigError

Outcome = Literal["fires", "silent", "unknown"]
_OUTCOMES: dict[bool | None, Outcome] = {True: "fires", False: "silent", None: "unknown"}
_KEYS = {
    "id", "when", "stronger_when", "when_unknown", "tier", "human_reading", "zh", "en", "status", "source",
    "since", "cases",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleCase:
    """One example that ships with a rule: inputs by name (absent: unknown) and the outcome."""

    inputs: Mapping[str, Fact]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: condition, tier it asks for (None for a withholding rule), fixed words, its own examples."""

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule said about one case; ``because`` holds the signs that are yes, ``missing`` the unknown inputs."""

    rule: Rule
    outcome: Outcome
    because: tuple[str, ...]
    missing: tuple[str, ...]
    is_stronger: bool


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules of one table of one file, in order; ``total`` is how many the clinical draft has."""

    rules: tuple[Rule, ...]
    total: int

    @classmethod
    def load(cls, file: str, *, table: str = "rule", folder: Path = FOLDER) -> RuleBook:
        """Read one rule table and check every name, id and key in it.

        Raises:
            ConfigError: the file or a rule is malformed; names the rule.
        """
        try:
            data = tomllib.loads((folder / file).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            raise ConfigError(f"cannot read the rule file {file}: {exc}") from exc
        derived: dict[str, Node] = {}
        for name, text in data.get("derived", {}).items():
            derived[name] = parse(text, kinds=KINDS, derived=derived)
        rules = tuple(_rule(row, derived, file) for row in data.get(table, []))
        ids = [rule.id for rule in rules]
        if len(set(ids)) != len(ids):
            raise ConfigError(f"{file}: a rule id stands twice; ids are never re-used")
        return cls(rules, int(data.get("total", len(rules))))

    def evaluate(self, facts: Mapping[str, Fact]) -> tuple[Verdict, ...]:
        """Judge every rule; the order is the file's."""
        return tuple(_judge(rule, facts) for rule in self.rules)

    @property
    def is_complete(self) -> bool:
        """Say whether every rule of the clinical draft is here; only then may anyone say "no danger signs"."""
        return len(self.rules) == self.total


def _judge(rule: Rule, facts: Mapping[str, Fact]) -> Verdict:
    outcome = _OUTCOMES[evaluate(rule.when, facts, kinds=KINDS)]
    stronger = rule.stronger_when is not None and evaluate(rule.stronger_when, facts, kinds=KINDS) is True
    missing = tuple(n for n in names(rule.when) if facts.get(n) is None)
    return Verdict(
        rule=rule,
        outcome=outcome,
        because=grounds(rule.when, facts, kinds=KINDS),
        missing=missing if outcome == "unknown" else (),
        is_stronger=outcome == "fires" and stronger,
    )


def _rule(row: Mapping[str, Any], derived: Mapping[str, Node], file: str) -> Rule:
    if unknown := set(row) - _KEYS:
        raise ConfigError(f"{file}: rule {row.get('id')} has the unknown key {min(unknown)}; remove it")
    try:
        stronger = row.get("stronger_when")
        return Rule(
            id=row["id"],
            when=parse(row["when"], kinds=KINDS, derived=derived),
            stronger_when=parse(stronger, kinds=KINDS, derived=derived) if stronger else None,
            tier=row.get("tier"),
            human_reading=bool(row.get("human_reading", False)),
            withhold_unknown=row.get("when_unknown") == "withhold",
            zh=row["zh"],
            en=row["en"],
            status=row["status"],
            cases=tuple(RuleCase(case["inputs"], case["outcome"]) for case in row["cases"]),
        )
    except KeyError as exc:
        raise ConfigError(f"{file}: rule {row.get('id')} lacks {exc}; compare it with the other rules") from exc
