"""A page's language over the closed lists: its drafted words first, and what has none in English, set apart from them.

English that stands in another language's sentence is isolated by Unicode's own marks (``apart``): a heading, an option and
a spoken label keep their order without any HTML, and the kiosk draws them as ``<bdi>``. Chinese and English need none of this: they are
the languages of the lists themselves. Reads no file (``contracts.translations`` does).

Source: Unicode Standard Annex 9, section 2.4 (explicit directional isolates).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from edge_agent.contracts.terms import Vocabulary

ENGLISH, FOREIGN, END = "\u2066", "\u2068", "\u2069"  # left-to-right isolate, first-strong isolate, end of either
_COMMAS: Final = {"ar": ("، ", "؛ ")}  # comma and semicolon where they are not the Latin ones


@dataclass(frozen=True, slots=True)
class Speech:
    """One language that is drafted over the lists.

    ``words``: list → id → words; ``names``: of the lists themselves; ``rules`` and ``stronger``: the short fixed words of the rules;
    ``kept``: lists whose other ids stay English on purpose → why.
    """

    code: str
    words: Mapping[str, Mapping[str, str]]
    names: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    stronger: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def comma(self) -> str:
        """Return what stands between the members of a list."""
        return _COMMAS.get(self.code, (", ", "; "))[0]

    @property
    def semicolon(self) -> str:
        """Return what stands between members that have commas of their own."""
        return _COMMAS.get(self.code, (", ", "; "))[1]

    def label(self, vocabulary: Vocabulary, term_id: str, *, of: str) -> str:
        """Return the words of an id; its English ones, set apart, where nothing is drafted.

        Raises:
            KeyError: no such list or id (a programmer's mistake).
        """
        drafted = self.words.get(of, {}).get(term_id)
        return english(vocabulary.label(term_id, "en", of=of)) if drafted is None else drafted

    def name(self, vocabulary: Vocabulary, of: str) -> str:
        """Return the words for a list itself.

        Raises:
            KeyError: no such list (a programmer's mistake).
        """
        return self.names.get(of) or english(vocabulary.name(of, "en"))

    def rule(self, rule_id: str, words: str, *, is_stronger: bool = False) -> str:
        """Return the short fixed words of a rule.

        Args:
            rule_id: e.g. ``RF-04``.
            words: its English ones, for a rule that is not drafted.
            is_stronger: it fired in its stronger form; the same words where it has no stronger ones.
        """
        return (self.stronger.get(rule_id) if is_stronger else None) or self.rules.get(rule_id) or english(words)


def english(words: str) -> str:
    """Return English words set apart from the sentence that they stand in."""
    return f"{ENGLISH}{words}{END}"


def foreign(words: str) -> str:
    """Return words of an unknown language, a time or a sum, set apart: their order is their own."""
    return f"{FOREIGN}{words}{END}"
