"""Look up the words of a referral letter: labels, times, tiers, tick boxes; one language at a time.

Does not know which part of the letter a word stands in (``agents.letter_words`` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_agent.agents.report.terms import code, minute, span
from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.rules.rule_file import EMERGENCY
from edge_agent.contracts.terms import Language, Vocabulary

BLANK = "____________"
_HERB_INPUTS = ("herb_input", "form_field", "danger_sign")  # the lists that name what the herb check asks


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a label (empty: none) and its text.

    ``mark``: alert, unknown, quiet, strong, write (room for a pen), wide (the whole width) or empty. ``box``: a tick box or empty.
    """

    label: str
    text: str
    mark: str = ""
    box: str = ""


class LetterTerms:
    """The words of one language; pure look-ups."""

    def __init__(self, vocabulary: Vocabulary, lang: Language) -> None:
        self.vocabulary, self.lang = vocabulary, lang
        self.comma = ";" if lang == "zh" else "; "  # labels hold commas of their own
        self.between_ids = "、" if lang == "zh" else "; "  # a line may break behind it, whatever follows
        self.colon = ":" if lang == "zh" else ": "
        self._rules = {rule.id: rule for rule in RuleBook.load("red_flags.toml").rules}

    def line(self, label: str, text: str) -> Row:
        """Return a row; an empty text becomes a line to write on."""
        return Row(label, text) if text else Row(label, BLANK * 2, "write")

    def word(self, name: str) -> str:
        """Return a heading or small word of the letter."""
        return self.label(name, "letter_word")

    def text(self, name: str) -> str:
        """Return a fixed text."""
        return self.label(name, "text")

    def rule(self, rule_id: str, *, is_stronger: bool = False) -> str:
        """Return the fixed words of a danger-sign rule; the stronger ones where it fired so."""
        return self._rules[rule_id].words(self.lang, is_stronger=is_stronger)

    def destination(self, letter: Mapping[str, Any]) -> str:
        """Return the name of the destination, with the contact where the post has set one for it."""
        name, contact = self.label(letter["destination"], "plan_object"), letter["destination_contact"]
        return name if contact is None else f"{name} · {contact}"

    def signed(self, letter: Mapping[str, Any]) -> str:
        """Return who signed the report that the letter tells of, or that nobody did."""
        signature = letter["signature"]
        if signature is None:
            return self.label("not_signed_yet" if letter["decided"] else "not_signed", "word")
        name = signature["by"] or self.label("a_clinician", "word")
        date = datetime.fromisoformat(signature["at"]).astimezone().strftime("%Y-%m-%d")
        return self.label("signed_by", "word").format(name=name, date=date)

    def tier(self, tier: str | None) -> str:
        """Return a tier with its short code; a line to write on where a clinician rejected it."""
        if tier is None:
            return BLANK
        return f"{code(tier)} {self.label(tier, 'triage')}"

    def deadline(self, letter: Mapping[str, Any]) -> str:
        """Return by when the person is to be seen; a line to write on where a clinician rejected the tier."""
        if letter["tier"] is None:
            return BLANK
        if letter["tier"] == EMERGENCY:
            return self.word("deadline_now")
        if letter["deadline"]:
            return self.time(letter["deadline"])
        hours = letter["deadline_hours"]
        if hours is None:
            return self.word("no_deadline")
        name, count = span(hours)
        return self.word(name).format(n=count)

    def time(self, moment: str) -> str:
        """Return a time to the minute, with its zone."""
        return minute(moment)

    def asked(self, rows: Sequence[tuple[str, str | None]]) -> list[Row]:
        """Return the answered rows, then one line that names the unanswered ones."""
        told = [Row(self.word(name), text) for name, text in rows if text is not None]
        missing = [self.word(name) for name, text in rows if text is None]
        return [*told, Row(self.word("not_examined"), self.comma.join(missing), "unknown")] if missing else told

    def answers(self, told: Mapping[str, str], of: str) -> str | None:
        """Return the words for some answered signs, each with its answer; None for none."""
        parts = [f"{self.label(name, of)} {self.word(answer)}" for name, answer in told.items()]
        return self.comma.join(parts) or None

    def site(self, row: Mapping[str, Any]) -> str:
        """Return a body site with its side."""
        parts = [self.id(row["laterality"], "laterality"), self.id(row["body_site"], "body_site")]
        return ("" if self.lang == "zh" else " ").join(part for part in parts if part)

    def tick(self, answer: str | None) -> str:
        """Return yes and no as boxes, the answered one ticked; both empty for the pen."""
        yes, no = ("☑" if answer == value else "☐" for value in ("yes", "no"))
        return f"{yes} {self.word('yes')} {no} {self.word('no')}"

    def joined(self, first: str | None, second: str | None) -> str | None:
        """Join what there is; None for nothing."""
        return self.comma.join(part for part in (first, second) if part) or None

    def ids(self, value: Any, of: str) -> str | None:
        """Return the words for an id or a list of them; None for what nobody answered, an empty list too."""
        if value is None or value == []:
            return None
        items = value if isinstance(value, list) else [value]
        return self.comma.join(self.label(item, of) for item in items)

    def id(self, value: str | None, of: str) -> str:
        """Return the words for one id, nothing for None."""
        return "" if value is None else self.label(value, of)

    def herb_input(self, name: str) -> str:
        """Return the words for a question that the herb check asks of the form."""
        of = next((of for of in _HERB_INPUTS if self.vocabulary.has(name, of=of)), _HERB_INPUTS[0])
        return self.label(name, of)

    def label(self, term_id: str, of: str) -> str:
        """Return the words for an id of a list."""
        return self.vocabulary.label(term_id, self.lang, of=of)

    def name(self, of: str) -> str:
        """Return the words for a list itself."""
        return self.vocabulary.name(of, self.lang)
