"""Evaluate rules that are data: danger signs first, without the model, also when inference is down.

A rule fires, is silent, or cannot be assessed because nobody entered what it needs; the third is listed and never
counted as the second. Findings of the model may add a flag, marked ``picture`` and unconfirmed; they are judged apart
(``add_pictures``), so they can neither remove nor lower one of the form's.

Source: clinical-vocabulary sections 0.6, 8 and 9 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edge_agent.agents.rules.expressions import Fact, Kind, evaluate, grounds, names, open_names
from edge_agent.agents.rules.facts import KINDS
from edge_agent.agents.rules.rule_file import Rule, read_rules
from edge_agent.contracts.terms import FOLDER, Vocabulary

Outcome = Literal["fires", "silent", "unknown"]
FlagOrigin = Literal["form", "picture"]
_OUTCOMES: dict[bool | None, Outcome] = {True: "fires", False: "silent", None: "unknown"}


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the model's findings may add to the rules; they are unconfirmed until a person looked.

    ``pustular_regions`` counts the regions (head, arms, trunk, legs) with a picture whose decided family is pustular.
    """

    pustular_regions: int = 0

    @classmethod
    def of(cls, found: Iterable[tuple[str | None, str | None]], vocabulary: Vocabulary) -> PictureFacts:
        """Count the regions.

        Args:
            found: (body site from the form, decided family) per readable view; None where nobody said or could tell.
            vocabulary: names the region of each body site; a site without one counts in none.
        """
        sites = vocabulary.lists["body_site"].terms
        regions = {sites[site].facts.get("pasi_region") for site, family in found if site and family == "pustular"}
        return cls(len(regions - {None}))


PICTURE_KINDS: Mapping[str, Kind] = MappingProxyType({"pustular_regions": "number"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule said about one case.

    ``because`` holds the inputs that made it fire, ``missing`` those that keep it from being assessed.
    ``missing_for_stronger`` holds what keeps a firing rule from being known to be the stronger one or not.
    """

    rule: Rule
    outcome: Outcome
    because: tuple[str, ...]
    missing: tuple[str, ...]
    is_stronger: bool
    missing_for_stronger: tuple[str, ...] = ()
    origin: FlagOrigin = "form"

    @property
    def tier(self) -> str | None:
        """Return the tier that the rule asks for in this case; None for a withholding rule."""
        return self.rule.stronger_tier or self.rule.tier if self.is_stronger else self.rule.tier

    @property
    def is_confirmed(self) -> bool:
        """Say whether people, not pictures, made the rule fire."""
        return self.origin == "form"


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
        rules, total = read_rules(folder / file, table=table, kinds=KINDS, picture_kinds=PICTURE_KINDS)
        return cls(rules, total)

    def evaluate(self, facts: Mapping[str, Fact]) -> tuple[Verdict, ...]:
        """Judge every rule by the form; the order is the file's."""
        return tuple(_judge(rule, facts) for rule in self.rules)

    def add_pictures(self, verdicts: Sequence[Verdict], pictures: PictureFacts) -> tuple[Verdict, ...]:
        """Return the form's verdicts unchanged, and after them the flags that only the pictures raise.

        Args:
            verdicts: what ``evaluate`` said of the same case.
            pictures: what the model's findings may add.
        """
        facts: dict[str, Fact] = {"pustular_regions": pictures.pustular_regions}
        fired = {v.rule.id for v in verdicts if v.outcome == "fires"}
        return (*verdicts, *(_seen(rule, facts) for rule in self.rules if _is_added(rule, facts, fired)))

    @property
    def is_complete(self) -> bool:
        """Say whether every rule of the clinical draft is here; only then may anyone say "no danger signs"."""
        return len(self.rules) == self.total


def stops_photography(verdicts: Iterable[Verdict]) -> bool:
    """Say whether a rule that fired forbids any further picture of the person (policy R9)."""
    return any(v.outcome == "fires" and v.rule.stops_photography for v in verdicts)


def as_report(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the report's sections on danger signs: ids and booleans, no words.

    ``red_flags``: per fired rule ``id``, ``tier`` asked for, ``because`` (inputs), ``is_stronger``,
    ``missing_for_stronger`` (inputs that could still raise it), ``origin`` (``form`` or ``picture``), ``is_confirmed``
    and ``is_private``: never on the person's copy and never sent. ``not_assessed``: ``id``, ``missing`` inputs and
    ``is_private``: the person's copy leaves out private rules whatever they said, so a gap tells nothing.
    ``stops_photography``: no further picture.
    """
    return {
        "red_flags": [_flag(v) for v in verdicts if v.outcome == "fires"],
        "not_assessed": [
            {"id": v.rule.id, "missing": list(v.missing), "is_private": v.rule.is_private}
            for v in verdicts
            if v.outcome == "unknown"
        ],
        "stops_photography": stops_photography(verdicts),
    }


def _flag(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.rule.id,
        "tier": verdict.tier,
        "because": list(verdict.because),
        "is_stronger": verdict.is_stronger,
        "missing_for_stronger": list(verdict.missing_for_stronger),
        "origin": verdict.origin,
        "is_confirmed": verdict.is_confirmed,
        "is_private": verdict.rule.is_private,
    }


def _judge(rule: Rule, facts: Mapping[str, Fact]) -> Verdict:
    outcome = _OUTCOMES[evaluate(rule.when, facts, kinds=KINDS)]
    fires, more = outcome == "fires", rule.stronger_when
    stronger = fires and more is not None and evaluate(more, facts, kinds=KINDS) is True
    because = grounds(rule.when, facts, kinds=KINDS)
    if stronger and more is not None:
        because = tuple(dict.fromkeys((*because, *grounds(more, facts, kinds=KINDS))))
    return Verdict(
        rule=rule,
        outcome=outcome,
        because=because,
        missing=open_names(rule.when, facts, kinds=KINDS),
        is_stronger=stronger,
        missing_for_stronger=open_names(more, facts, kinds=KINDS) if fires and more is not None else (),
    )


def _is_added(rule: Rule, facts: Mapping[str, Fact], fired: set[str]) -> bool:
    if rule.picture_when is None or rule.id in fired:
        return False
    return evaluate(rule.picture_when, facts, kinds=PICTURE_KINDS) is True


def _seen(rule: Rule, facts: Mapping[str, Fact]) -> Verdict:
    because = names(rule.picture_when) if rule.picture_when is not None else ()
    return Verdict(rule, "fires", tuple(n for n in because if facts.get(n)), (), False, origin="picture")
