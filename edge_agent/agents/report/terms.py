"""Look up the words of a report: labels, values, tiers, times, inputs; one language at a time.

Unknown is written as unknown: what nobody looked at, what the model could not tell and what was withheld are three
different wordings. Does not know which section a word stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from edge_agent.agents.abstention import is_nothing
from edge_agent.agents.report.fixed_texts import filled
from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.rules.rule_file import Rule
from edge_agent.agents.tcm.herb_rules import HerbRule
from edge_agent.agents.tcm.herbs import HerbBook
from edge_agent.contracts.local_time import PLAIN, Dates
from edge_agent.contracts.punctuation import full_width
from edge_agent.contracts.speech import Speech, english, foreign
from edge_agent.contracts.terms import Language, Vocabulary

_INPUT_LISTS = (
    "danger_sign", "vital_sign", "form_field", "severity_input", "herb_input", "pest", "mood", "worker_examination",
    "general_sign",
)  # fmt: skip
_TEXT_LISTS = ("text", "evidence_limit")
# How a value was read in an agent's text -> the word beside it.
_CODED = {"lexicon": "coded", "second_turn": "coded_second_turn"}
# A field of Reason whose words stand in a list of another name.
_OTHER_LISTS = {"secondary_syndrome": "syndrome"}


class Terms:
    """The words of one language; pure look-ups.

    Args:
        vocabulary: the words for ids.
        lang: ``zh`` or ``en``, or a language drafted over the English one (a screen's; never paper's).
        dates: writes days and moments; a page brings its own way, so that one page has one.
        contact: whom to tell who cannot come; None leaves a line to write on.
    """

    def __init__(
        self, vocabulary: Vocabulary, lang: Language | Speech, *, dates: Dates = PLAIN, contact: str | None = None
    ) -> None:
        self.vocabulary, self.dates, self.contact = vocabulary, dates, contact
        self.speech = lang if isinstance(lang, Speech) else None
        self.lang: Language = "en" if isinstance(lang, Speech) else lang
        self.comma = self.speech.comma if self.speech else "、" if self.lang == "zh" else ", "
        self.semicolon = self.speech.semicolon if self.speech else "；" if self.lang == "zh" else "; "
        self.colon = "：" if self.lang == "zh" else ": "
        self.danger_rules = RuleBook.load("red_flags.toml")
        others = (RuleBook.load("triage_rules.toml").rules, HerbBook.load(vocabulary).rules)
        self._rules: dict[str, Rule | HerbRule] = {
            rule.id: rule for rules in (self.danger_rules.rules, *others) for rule in rules
        }

    def word(self, name: str, /, **blanks: Any) -> str:
        """Return a heading or small word with its blanks filled."""
        told = self.label(name, of="word")
        return told.format(**blanks) if blanks else told

    def text(self, name: str) -> str:
        """Return a fixed text."""
        found = next(of for of in _TEXT_LISTS if self.vocabulary.has(name, of=of))
        return self.label(name, of=found)

    def label(self, term_id: str, *, of: str) -> str:
        """Return the words for an id of a list."""
        if self.speech is not None:
            return self.speech.label(self.vocabulary, term_id, of=of)
        return self.vocabulary.label(term_id, self.lang, of=of)

    def name(self, of: str) -> str:
        """Return the words for a list itself."""
        return self.vocabulary.name(of, self.lang) if self.speech is None else self.speech.name(self.vocabulary, of)

    def apart(self, told: str) -> str:
        """Return a time, a sum or words of another language so that their order holds in a sentence of any direction."""
        return told if self.speech is None else foreign(told)

    def advice(self, name: str, *, date: str | None = None) -> str:
        """Return a fixed text of safety-netting with the day of the next visit and whom to tell who cannot come."""
        day, contact = (None if one is None else self.apart(one) for one in (date, self.contact))
        return filled(self.label(name, of="text"), date=day, contact=contact)

    def said(self, name: str, told: str) -> str:
        """Return ``name: told`` in the language's punctuation."""
        return f"{name}{self.colon}{told}"

    def sentences(self, *told: str) -> str:
        """Return several sentences, each with its full stop."""
        return "".join(f"{one}。" for one in told) if self.lang == "zh" else " ".join(f"{one}." for one in told)

    def joined(self, parts: Iterable[str], *, by: str = " · ") -> str:
        """Join what is not empty."""
        return by.join(part for part in parts if part)

    def field(self, name: str, *, agent: str | None = None) -> str:
        """Return a field's name."""
        found = self.list_of(name, agent=agent)
        if name in _OTHER_LISTS:
            return self.word(name)
        return self.name(found) if found else self.unlisted(name)

    def list_of(self, field: str, *, agent: str | None = None) -> str | None:
        """Return the list with a field's values: of its name, of an agent's key, or None."""
        if field in _OTHER_LISTS:
            return _OTHER_LISTS[field]
        if field in self.vocabulary.lists:
            return field
        for name, found in self.vocabulary.lists.items():
            if found.model is not None and found.model.key == field and agent in (None, found.model.agent):
                return name
        return None

    def tier(self, tier: str) -> str:
        """Return a tier with its short code, e.g. ``T3 urgent``."""
        return f"{code(tier)} {self.label(tier, of='triage')}"

    def value(self, field: str, row: Mapping[str, Any] | None, *, agent: str | None = None) -> str:
        """Return one field's value with its confidence, or the reason why there is none."""
        if row is None or not row["is_decided"]:
            return self.word("not_decided")
        if row["is_withheld"]:
            return self.word("withheld")
        told = self.ids(field, row["value"], agent=agent)
        if row.get("origin") == "coded":  # words have no confidence
            return f"{told} [{self.word(_CODED.get(row['coded_by'], 'not_coded'))}]"
        is_bare = is_nothing(row["value"]) or row["probability"] is None
        return told if is_bare else f"{told} ({row['probability']:.0%})"

    def ids(self, field: str, value: Any, *, agent: str | None = None) -> str:
        """Return the words for a value: one id, several, a grade, or a model's own words."""
        if value is None or value == []:
            return self.label("cannot_tell", of="scale_type")
        if isinstance(value, int):
            return str(value)
        items = value if isinstance(value, list | tuple) else [value]
        return self.comma.join(self._id(item, self.list_of(field, agent=agent)) for item in items)

    def rule_words(self, rule_id: str, *, is_stronger: bool = False) -> str:
        """Return the fixed words of a rule."""
        rule = self._rules[rule_id]
        if isinstance(rule, Rule):
            told = rule.words(self.lang, is_stronger=is_stronger)
        else:
            told = full_width(rule.zh) if self.lang == "zh" else rule.en
        return told if self.speech is None else self.speech.rule(rule_id, told, is_stronger=is_stronger)

    def inputs(self, names: Sequence[str]) -> str:
        """Return the words for some inputs of rules."""
        return self.semicolon.join(self.input(name) for name in names)

    def input(self, name: str) -> str:
        """Return the words for one input of a rule."""
        found = next((of for of in _INPUT_LISTS if self.vocabulary.has(name, of=of)), None)
        return self.label(name, of=found) if found else self.unlisted(name)

    def unlisted(self, name: str) -> str:
        """Return an id or a word that no list holds, e.g. of an older report; it is English."""
        told = name.replace("_", " ")
        return told if self.speech is None else english(told)

    def view(self, index: int) -> str:
        """Return the name of a picture; people count from 1."""
        return f"{self.word('view')} {index + 1}"

    def time(self, moment: str) -> str:
        """Return a time of the report to the minute, by the device's clock."""
        return self.dates.time(datetime.fromisoformat(moment))

    def _id(self, item: Any, of: str | None) -> str:
        is_known = of is not None and isinstance(item, str) and self.vocabulary.has(item, of=of)
        if is_known and of is not None:
            return self.label(item, of=of)
        if isinstance(item, str) and self.vocabulary.has(item, of="examined"):
            return self.label(item, of="examined")
        return self.label("cannot_tell", of="scale_type") if item == "cannot_tell" else self.unlisted(str(item))


def span(hours: int) -> tuple[str, int]:
    """Return the word (``within_hours`` or ``within_days``) and the number that a deadline in hours is told with."""
    days, rest = divmod(hours, 24)
    return ("within_hours", hours) if rest or days < 2 else ("within_days", days)


def code(tier: str) -> str:
    """Return the short code of a tier, e.g. ``T3``."""
    return tier.split("_", maxsplit=1)[0]
