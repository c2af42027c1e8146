"""Read a page as a person does, and find words that no language was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.contracts.term_lists import Term, TermList
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import load_translations
from edge_agent.kiosk.language import CLOSING, OPENING

SPOKEN = ("aria-label", "placeholder", "alt", "title")


class _Words(HTMLParser):
    """Collect the words of a page, but for data (``translate="no"``)."""

    VOID = frozenset(
        {"meta", "link", "input", "img", "br", "use", "hr", "wbr", "source", "path", "rect", "circle", "line"}
    )

    def __init__(self) -> None:
        super().__init__()
        self._stack: list[tuple[str, bool]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is said aloud, and whether what follows is data."""
        found = dict(attrs)
        is_data = found.get("translate") == "no" or tag in {"script", "style", "time"} or self._is_data
        self.words += [str(found[name]) for name in SPOKEN if found.get(name) and not is_data]
        if tag not in self.VOID:
            self._stack.append((tag, is_data))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that holds nothing."""
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self._stack.pop()

    def handle_endtag(self, tag: str) -> None:
        """Leave an element, and whatever was left open in it."""
        while self._stack and self._stack.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Note words."""
        if any(c.isalpha() for c in data) and not self._is_data:
            self.words.append(data.strip())

    @property
    def _is_data(self) -> bool:
        return bool(self._stack) and self._stack[-1][1]


def unmarked(page: str, *, codes: re.Pattern[str] | None = None) -> list[str]:
    """Return the words of a page in the pseudo-language that stand outside its brackets: nobody can translate them.

    Args:
        page: HTML.
        codes: what has no words in any language.
    """
    reader = _Words()
    reader.feed(page)
    found = []
    for words in reader.words:
        rest, depth = "", 0
        for char in words:
            depth += (char == OPENING) - (char == CLOSING)
            rest += char if depth == 0 and char not in OPENING + CLOSING else ""
        if any(c.isalpha() for c in (rest if codes is None else codes.sub("", rest))):
            found.append(words)
    return found


def pseudo_vocabulary() -> Vocabulary:
    """Return the vocabulary with every word of it in the pseudo-language's brackets: what stands outside came from nowhere."""
    plain = Vocabulary.load()
    return replace(plain, lists={name: _marked_list(found) for name, found in plain.lists.items()})


def rule_words() -> frozenset[str]:
    """Return the sentences of the danger-sign and triage rules, short and whole, which stand in files of their own."""
    books = [RuleBook.load(name) for name in ("red_flags.toml", "triage_rules.toml")]
    rules = [rule for book in books for rule in book.rules]
    short = {
        rule.words(lang, is_stronger=stronger) for rule in rules for lang in ("en", "zh") for stronger in (False, True)
    }
    told = load_translations()
    whole = (told.instruction(rule.id, "en", is_stronger=stronger) for rule in rules for stronger in (False, True))
    return frozenset(short).union(*whole)


def _marked_list(found: TermList) -> TermList:
    terms: Mapping[str, Term] = {
        key: replace(one, en=_marked(one.en), zh=_marked(one.zh)) for key, one in found.terms.items()
    }
    return replace(found, en=_marked(found.en), zh=_marked(found.zh), terms=terms)


def _marked(words: str) -> str:
    return f"{OPENING}{words}{CLOSING}" if words else words
