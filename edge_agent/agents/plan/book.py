"""Read the plan's data: which object may be proposed how, and which rule proposes it.

The inputs of a rule are names with a prefix (``rf_20``: that danger sign fired; ``condition_scabies``: it stands in the
differential; ``comorbidity_hiv``: the form names it) or one of ``KINDS``. Does not judge a case; ``agents.plan`` does.

Source: clinical-vocabulary section 10 (not clinically reviewed).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_agent.agents.rules.expressions import Fact, Kind, Node, evaluate, grounds, names, parse
from edge_agent.contracts.terms import Vocabulary, read_toml
from edge_agent.errors import ConfigError

TABLES = Path(__file__).parents[2] / "contracts" / "tables"
FILE = "plan_rules.toml"
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        **dict.fromkeys(("tier", "scope", "severity_band", "phenotype"), "id"),
        **dict.fromkeys(("age_years", "pest_score"), "number"),
        **dict.fromkeys(
            (
                "always",
                "needs_human_reading",
                "wants_retake",
                "syndrome_given",
                "working_psoriasis",
                "not_known_child",
                "pregnancy_not_excluded",
                "pregnancy_open",
                "breastfeeding",
                "smoker",
                "alcohol_taken",
                "alcohol_daily",
                "unlabelled_products",
            ),
            "sign",
        ),
    }
)
_PREFIXED = re.compile(r"\b(?:rf_\d\d|condition_[a-z0-9_]+|comorbidity_[a-z0-9_]+)\b")
_RULE_KEYS = {"id", "when", "priority", "in_emergency", "items", "source", "fires", "silent"}
_ITEM_KEYS = {"object", "condition", "interval_days", "tier", "detail"}


@dataclass(frozen=True, slots=True)
class PlanObject:
    """What one object of the vocabulary allows (the facts of its entry in ``plan.toml``)."""

    id: str
    action: str
    role: str
    conditions: frozenset[str]
    limits: tuple[str, ...]
    milder: str | None
    not_when: Node | None
    prior_tests: tuple[str, ...]
    for_model: bool
    is_private: bool


@dataclass(frozen=True, slots=True)
class PlanRule:
    """One rule with its own cases (inputs under which it must fire, and under which it must not)."""

    id: str
    when: Node
    priority: int
    in_emergency: bool
    items: tuple[Mapping[str, Any], ...]
    fires: tuple[Mapping[str, Fact], ...]
    silent: tuple[Mapping[str, Fact], ...]


@dataclass(frozen=True, slots=True)
class Notifiable:
    """One disease of the national list: the rules and conditions that ask for its notification."""

    object: str
    rules: frozenset[str]
    conditions: frozenset[str]


@dataclass(frozen=True, slots=True)
class PlanBook:
    """Objects, rules and the national list of notifiable diseases; ``kinds`` are the inputs that they read."""

    objects: Mapping[str, PlanObject]
    rules: tuple[PlanRule, ...]
    notifiable: tuple[Notifiable, ...]
    kinds: Mapping[str, Kind]

    @classmethod
    def load(cls, vocabulary: Vocabulary, folder: Path = TABLES) -> PlanBook:
        """Read the rules and check every name, object and key in them against the vocabulary.

        Raises:
            ConfigError: the file or a rule is malformed; names the rule.
        """
        data = read_toml(folder / FILE, what="rule file")
        terms = vocabulary.lists["plan_object"].terms
        told = " ".join([str(data), *(str(term.facts.get("not_when", "")) for term in terms.values())])
        kinds: dict[str, Kind] = {**KINDS, **dict.fromkeys(_PREFIXED.findall(told), "sign")}
        objects = {name: _object(name, term.facts, kinds) for name, term in terms.items()}
        rules = tuple(_rule(row, kinds, objects) for row in data.get("rule", []))
        if len({rule.id for rule in rules}) != len(rules):
            raise ConfigError(f"{FILE}: a rule id stands twice; ids are never re-used")
        notifiable = tuple(_notifiable(row, objects) for row in data.get("notifiable", []) if row.get("is_notifiable"))
        return cls(MappingProxyType(objects), rules, notifiable, MappingProxyType(kinds))

    def fired(self, facts: Mapping[str, Fact]) -> Iterator[tuple[PlanRule, tuple[str, ...]]]:
        """Yield each rule that fires, with the inputs that made it fire; an unknown input fires nothing."""
        for rule in self.rules:
            if evaluate(rule.when, facts, kinds=self.kinds) is True:
                yield rule, grounds(rule.when, facts, kinds=self.kinds)

    def is_barred(self, what: PlanObject, facts: Mapping[str, Fact]) -> bool:
        """Say whether something on the form speaks against an object."""
        return what.not_when is not None and evaluate(what.not_when, facts, kinds=self.kinds) is True

    def unchecked(self, what: PlanObject, facts: Mapping[str, Fact]) -> tuple[str, ...]:
        """List the inputs of an object's contraindications that nobody entered."""
        return () if what.not_when is None else tuple(n for n in names(what.not_when) if facts.get(n) is None)


def _object(name: str, facts: Mapping[str, Any], kinds: Mapping[str, Kind]) -> PlanObject:
    try:
        barred = facts.get("not_when")
        return PlanObject(
            id=name,
            action=facts["action"],
            role=facts["role"],
            conditions=frozenset(facts["conditions"]),
            limits=tuple(facts.get("limits", ())),
            milder=facts.get("milder"),
            not_when=parse(barred, kinds=kinds) if barred else None,
            prior_tests=tuple(facts.get("prior_tests", ())),
            for_model=bool(facts.get("model", True)),
            is_private=bool(facts.get("is_private", False)),
        )
    except KeyError as exc:
        raise ConfigError(f"plan.toml: the object {name} lacks {exc}; compare it with the others") from exc


def _rule(row: Mapping[str, Any], kinds: Mapping[str, Kind], objects: Mapping[str, PlanObject]) -> PlanRule:
    name = row.get("id")
    try:
        _known(set(row), _RULE_KEYS, f"the rule {name} has the unknown key")
        for item in row["items"]:
            _known(set(item), _ITEM_KEYS, f"an item of the rule {name} has the unknown key")
            _known({item["object"]}, objects, f"the rule {name} names the unknown object")
            if "condition" in item:
                allowed = objects[item["object"]].conditions
                _known({item["condition"]}, allowed, f"the rule {name} gives {item['object']} the condition")
        return PlanRule(
            id=row["id"],
            when=parse(row["when"], kinds=kinds),
            priority=row["priority"],
            in_emergency=bool(row.get("in_emergency", False)),
            items=tuple(MappingProxyType(item) for item in row["items"]),
            fires=tuple(row["fires"]),
            silent=tuple(row["silent"]),
        )
    except KeyError as exc:
        raise ConfigError(f"{FILE}: the rule {name} lacks {exc}; compare it with the other rules") from exc


def _notifiable(row: Mapping[str, Any], objects: Mapping[str, PlanObject]) -> Notifiable:
    try:
        _known({row["object"]}, objects, "the list of notifiable diseases names the unknown object")
        return Notifiable(row["object"], frozenset(row["rules"]), frozenset(row["conditions"]))
    except KeyError as exc:
        raise ConfigError(f"{FILE}: a notifiable disease lacks {exc}; compare it with the others") from exc


def _known(found: set[str], allowed: Iterable[str], what: str) -> None:
    if unknown := found - set(allowed):
        raise ConfigError(f"{FILE}: {what} {min(unknown)}; mend or remove it")
