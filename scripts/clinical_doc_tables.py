"""Write the tables of docs/clinical.md from the rule files and the vocabulary. Reads no page and writes none.

A condition is put into words from the very tree that the device evaluates, so the page cannot say something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_agent.agents.rules.expressions import Node
from edge_agent.agents.rules.facts import KINDS
from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.rules.rule_file import Rule, composites
from edge_agent.contracts.terms import FOLDER, Vocabulary, read_toml

_LISTS = ("danger_sign", "vital_sign", "form_field", "severity_input")
_SIGNS = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠", "*": "×"}


@dataclass(frozen=True, slots=True)
class RuleWords:
    """Put the rules of one file into English words: names from the vocabulary, composite signs by their own name."""

    vocabulary: Vocabulary
    composites: Mapping[str, Node]

    @classmethod
    def of(cls, file: str, vocabulary: Vocabulary) -> RuleWords:
        """Read the composite signs (``[derived]``) of one rule file."""
        return cls(vocabulary, composites(read_toml(FOLDER / file, what="rule file"), kinds=KINDS))

    def condition(self, node: Node, *, is_inner: bool = False) -> str:
        """Return a condition in words; ``is_inner`` puts a choice of several into brackets."""
        for name, composite in self.composites.items():
            if node == composite:
                return f"*{name.replace('_', ' ')}*"
        return self._spelt(node, is_inner=is_inner)

    def definition(self, name: str) -> str:
        """Return what a composite sign means."""
        return self._spelt(self.composites[name], is_inner=False)

    def _spelt(self, node: Node, *, is_inner: bool) -> str:
        """Write connectives in capitals: the words of a sign hold an "or" of their own."""
        if node.kind in {"and", "or"}:
            told = f" {node.kind.upper()} ".join(self.condition(part, is_inner=True) for part in node.parts)
            return f"({told})" if is_inner else told
        if node.kind == "not":
            inner = node.parts[0]
            same = inner.kind == "same_id"
            return self._same(inner, "is not") if same else f"NOT {self.condition(inner, is_inner=True)}"
        return self._compared(node)

    def _compared(self, node: Node) -> str:
        if node.kind == "same_id":
            return self._same(node, "is")
        if node.kind == "number":
            return f"{float(node.value):g}"
        if node.kind == "name":
            return self.input(str(node.value))
        told = [self.condition(part, is_inner=True) for part in node.parts]
        return f" {_SIGNS.get(node.kind, node.kind)} ".join(told)

    def _same(self, node: Node, verb: str) -> str:
        name, value = (str(part.value) for part in node.parts)
        return f"{self.input(name)} {verb} {value.replace('_', ' ')}"

    def input(self, name: str) -> str:
        """Return the words for one input, or its id where the vocabulary has none (a syndrome, a formula)."""
        for found in _LISTS:
            if self.vocabulary.has(name, of=found):
                return self.vocabulary.label(name, "en", of=found)
        return name


def blocks(vocabulary: Vocabulary) -> dict[str, str]:
    """Return every generated block of the page by its name.

    Args:
        vocabulary: the device's vocabulary.
    """
    return {
        "danger_signs": _rules("red_flags.toml", vocabulary),
        "danger_sign_inputs": _added_inputs(vocabulary),
        "tiers": _tiers(vocabulary),
        "triage": _rules("triage_rules.toml", vocabulary),
        "status": _status(vocabulary),
    }


def _rules(file: str, vocabulary: Vocabulary) -> str:
    words = RuleWords.of(file, vocabulary)
    rules = RuleBook.load(file).rules
    head = ["| id | fires when | tier | words to the worker | source | status |", "|---|---|---|---|---|---|"]
    rows = [_row(rule, words) for rule in rules]
    used = [name for name in words.composites if any(f"*{name.replace('_', ' ')}*" in row for row in rows)]
    terms = [f"- *{name.replace('_', ' ')}*: {words.definition(name)}" for name in used]
    told = "\n".join([*head, *rows])
    return f"{told}\n\nComposite signs:\n\n" + "\n".join(terms) if terms else told


def _row(rule: Rule, words: RuleWords) -> str:
    when = words.condition(rule.when)
    if rule.picture_when is not None:
        when += f"; **from the pictures, unconfirmed:** {words.condition(rule.picture_when)}"
    cells = [rule.id, when, _tier(rule, words), _said(rule), rule.source, rule.status]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tier(rule: Rule, words: RuleWords) -> str:
    told = _short(rule.tier)
    if rule.stronger_when is not None:
        reason = words.condition(rule.stronger_when)
        told += f"; **{_short(rule.stronger_tier)}** if {reason}" if rule.stronger_tier else f"; stronger if {reason}"
    if rule.tier_choices:
        told += f" (a country may choose {' or '.join(_short(tier) for tier in rule.tier_choices)})"
    notes = [("a person reads it", rule.human_reading), ("stops photography", rule.stops_photography)]
    notes.append(("private: not on the person's copy, not sent", rule.is_private))
    return "; ".join([told, *(note for note, holds in notes if holds)])


def _said(rule: Rule) -> str:
    told = f"{rule.en}<br>{rule.zh}"
    if rule.stronger_words is not None:
        zh, en = rule.stronger_words
        told += f"<br>**stronger:** {en}<br>{zh}"
    return told


def _short(tier: str | None) -> str:
    return "none" if tier is None else tier.split("_", maxsplit=1)[0]


def _added_inputs(vocabulary: Vocabulary) -> str:
    rows = [
        f"| `{term.id}` | {term.en} | {term.zh} | {term.source} |"
        for term in vocabulary.lists["danger_sign"].terms.values()
        if term.source.startswith("input of")
    ]
    return "\n".join(["| id | en | zh | why |", "|---|---|---|---|", *rows])


def _tiers(vocabulary: Vocabulary) -> str:
    rows = ["| tier | meaning | latest until a person has seen or read it | source |", "|---|---|---|---|"]
    for term in vocabulary.lists["triage"].terms.values():
        hours = term.facts.get("deadline_hours")
        latest = "the next visit" if hours is None else "now" if hours == 0 else f"{hours} hours"
        rows.append(f"| {term.id} | {term.en} / {term.zh} | {latest} | {term.source} |")
    return "\n".join(rows)


def _status(vocabulary: Vocabulary) -> str:
    rules = [*RuleBook.load("red_flags.toml").rules, *RuleBook.load("triage_rules.toml").rules]
    reviewed = sum(rule.status == "reviewed" for rule in rules)
    entries = [term.status == "reviewed" for found in vocabulary.lists.values() for term in found.terms.values()]
    cases = sum(len(rule.cases) for rule in rules)
    return (
        f"{reviewed} of {len(rules)} rules and {sum(entries)} of all vocabulary entries are reviewed by a clinician. The"
        f" rules carry {cases} cases of their own (positive, negative, unknown), each run as a test."
    )
