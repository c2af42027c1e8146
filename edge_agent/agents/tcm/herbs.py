"""Check a proposed formula herb by herb before anyone sees it; deterministic, from tables and the form.

A formula is shown only when no rule blocks it. What a checkpoint takes out of a formula never lifts a block, and what
it adds is checked even when it is not taken over. Knows no dose and has no place for one.

Source: clinical-vocabulary sections 5.3 and 5.4; the classical eighteen incompatibilities and nineteen antagonisms
(not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.tcm.herb_rules import TABLES, HerbRule, load_herb_rules
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ConfigError

MAX_CHANGES = 6
NO_SECOND = "none"
ACTIONS = ("add", "remove")
PAIR_RULE = "FB-08"
CHECK_ONLY = "check_only"  # a herb that is known so that a pair is recognised; nobody may add it


@dataclass(frozen=True, slots=True)
class Change:
    """One change to a formula: ``add`` or ``remove`` a herb. ``herb`` is None for a herb that no table knows."""

    action: str
    herb: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a checkpoint asks for.

    ``changes`` is its ``modification`` value as it came, whatever it is; ``text_names_banned`` says whether its free
    text names a banned substance (``agents.free_text``).
    """

    formula: str
    syndrome: str
    secondary: str | None = None
    changes: Any = ()
    text_names_banned: bool = False


@dataclass(frozen=True, slots=True)
class HerbVerdict:
    """One herb of the formula or of its changes: shown, warned, unchecked or blocked, and by which rules."""

    herb: str
    verdict: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HerbCheck:
    """What the check found out about one proposed formula.

    ``is_filled`` is False where no TCM pharmacist has written the ingredients: then no herb could be checked.
    ``changes`` are taken over, ``dropped`` are not (with the reason). ``blocked_by``, ``warned_by`` and ``unchecked``
    are rule ids in the file's order; ``pairs`` are ids of ``incompatible_pair``; ``missing`` the unanswered inputs
    of the unchecked rules and of those that block because nobody answered.
    """

    formula: str
    base: tuple[str, ...]
    is_filled: bool
    changes: tuple[Change, ...]
    dropped: tuple[tuple[Change, str], ...]
    herbs: tuple[HerbVerdict, ...]
    blocked_by: tuple[str, ...]
    warned_by: tuple[str, ...]
    unchecked: tuple[str, ...]
    pairs: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_shown(self) -> bool:
        """Say whether the formula may be shown."""
        return not self.blocked_by


@dataclass(frozen=True, slots=True)
class HerbBook:
    """The tables and rules of the herb check; pure look-ups.

    ``herbs`` maps a herb to its use, ``base`` a formula to its herbs, ``formulas`` a syndrome to its formulas and
    ``pairs`` the id of an incompatible pair to its two members.
    """

    rules: tuple[HerbRule, ...]
    herbs: Mapping[str, str]
    base: Mapping[str, tuple[str, ...]]
    formulas: Mapping[str, frozenset[str]]
    pairs: Mapping[str, frozenset[str]]
    banned: frozenset[str]

    @classmethod
    def load(cls, vocabulary: Vocabulary, *, folder: Path = TABLES) -> HerbBook:
        """Take the tables from the vocabulary and read the rules beside it.

        Raises:
            ConfigError: a rule or a table row is malformed or names an unknown id; names the place.
        """
        lists = vocabulary.lists
        herbs = {term.id: str(term.facts["use"]) for term in lists["herb"].terms.values()}
        base = {term.id: tuple(term.facts["herbs"]) for term in lists["formula_base"].terms.values()}
        for formula, members in base.items():
            if unknown := set(members) - set(herbs):
                raise ConfigError(f"tcm.toml: formula_base {formula} names {min(unknown)}, which is no herb; mend it")
        profiles = lists["syndrome_profile"].terms.values()
        return cls(
            rules=load_herb_rules(herbs=frozenset(herbs), folder=folder),
            herbs=MappingProxyType(herbs),
            base=MappingProxyType(base),
            formulas=MappingProxyType({term.id: frozenset(term.facts["formulas"]) for term in profiles}),
            pairs=MappingProxyType(
                {term.id: frozenset(term.facts["herbs"]) for term in lists["incompatible_pair"].terms.values()}
            ),
            banned=frozenset(lists["banned_substance"].terms),
        )

    def check(self, asked: Asked, *, facts: Mapping[str, Fact]) -> HerbCheck:
        """Check one proposed formula.

        Args:
            asked: the formula with its syndrome and changes.
            facts: the form's facts (``facts.facts_of``); an absent one is unknown.
        """
        base = self.base.get(asked.formula, ())
        taken, dropped, named = self._sort(asked.changes, base)
        added = [herb for herb in named if herb in self.herbs]
        present = tuple(dict.fromkeys([*base, *added]))
        held = frozenset(present)
        pairs = tuple(pair for pair, both in self.pairs.items() if both <= held)
        known = self._facts(asked, facts, is_filled=bool(base), pairs=pairs, named=named)
        # Nobody knows what is in an unwritten formula: every rule about a herb then counts as touching it.
        judged = [(rule, rule.judge(known)) for rule in self.rules if not base or rule.touches(held)]
        acting = [rule for rule, outcome in judged if outcome == "fires" or _is_withheld(rule, outcome)]
        open_rules = [rule for rule, outcome in judged if outcome == "unknown" and not rule.withhold_unknown]
        blocking = [rule for rule in acting if rule.blocks(held) or (not base and rule.block_herbs)]
        warning = [rule for rule in acting if rule.warns(held) or (not base and rule.warn_herbs)]
        gaps = [name for rule, outcome in judged if outcome == "unknown" for name in rule.missing(known)]
        return HerbCheck(
            formula=asked.formula,
            base=base,
            is_filled=bool(base),
            changes=taken,
            dropped=dropped,
            herbs=tuple(_verdict(herb, acting, open_rules, self._of(pairs)) for herb in present),
            blocked_by=tuple(rule.id for rule in blocking),
            warned_by=tuple(rule.id for rule in warning),
            unchecked=tuple(rule.id for rule in open_rules),
            pairs=pairs,
            missing=tuple(dict.fromkeys(gaps)),
        )

    def _of(self, pairs: Sequence[str]) -> frozenset[str]:
        return frozenset(herb for pair in pairs for herb in self.pairs[pair])

    def _facts(
        self,
        asked: Asked,
        facts: Mapping[str, Fact],
        *,
        is_filled: bool,
        pairs: Sequence[str],
        named: Sequence[str],
    ) -> dict[str, Fact]:
        """Add what code knows about the formula to the form's facts."""
        return {
            **facts,
            "syndrome": asked.syndrome,
            "secondary_syndrome": asked.secondary or NO_SECOND,
            "formula_of_syndrome": asked.formula in self.formulas.get(asked.syndrome, frozenset()),
            "is_filled": is_filled,
            # Two herbs that conflict among the changes are known also where the base is not.
            "has_incompatible_pair": True if pairs else False if is_filled else None,
            "has_banned_substance": asked.text_names_banned or any(herb in self.banned for herb in named),
        }

    def _sort(
        self, changes: Any, base: Sequence[str]
    ) -> tuple[tuple[Change, ...], tuple[tuple[Change, str], ...], tuple[str, ...]]:
        """Part the changes into taken and dropped; the third is every string that a checkpoint wants to add."""
        taken: list[Change] = []
        dropped: list[tuple[Change, str]] = []
        named: list[str] = []
        rows = changes if isinstance(changes, list | tuple) else ()
        for row in rows:
            action, herb = (row.get("action"), row.get("herb")) if isinstance(row, Mapping) else (None, None)
            if action != "remove" and isinstance(herb, str):  # whatever it calls the change
                named.append(herb)
            is_known = isinstance(herb, str) and herb in self.herbs and action in ACTIONS
            change = Change(action if action in ACTIONS else "add", herb if is_known else None)
            reason = self._why_not(change, taken=taken, base=base)
            if reason is None:
                taken.append(change)
            else:
                dropped.append((change, reason))
        return tuple(taken), tuple(dropped[:MAX_CHANGES]), tuple(named)

    def _why_not(self, change: Change, *, taken: Sequence[Change], base: Sequence[str]) -> str | None:
        if change.herb is None:
            return "unknown_herb"
        if len(taken) == MAX_CHANGES:
            return "too_many"
        if any(change.herb == other.herb for other in taken):
            return "twice"
        if change.action == "remove":
            return None if change.herb in base else "not_in_formula"
        if change.herb in base:
            return "already_there"
        return "not_allowed" if self.herbs[change.herb] == CHECK_ONLY else None


def _is_withheld(rule: HerbRule, outcome: str) -> bool:
    return outcome == "unknown" and rule.withhold_unknown


def _verdict(
    herb: str, acting: Sequence[HerbRule], open_rules: Sequence[HerbRule], paired: frozenset[str]
) -> HerbVerdict:
    """Judge one herb: what acts on it counts before what could not be checked."""
    one = frozenset({herb})
    # A pair blocks the two herbs that it names, not the whole list.
    blocked = [r.id for r in acting if (herb in paired if r.id == PAIR_RULE else r.blocks(one))]
    warned = [r.id for r in acting if r.warns(one)]
    unchecked = [r.id for r in open_rules if r.touches(one)]
    for verdict, rules in (("blocked", blocked), ("warned", warned), ("unchecked", unchecked)):
        if rules:
            return HerbVerdict(herb, verdict, tuple(rules))
    return HerbVerdict(herb, "shown", ())
