"""Say of a place in a text whether its words are denied, doubted or neither.

A simple relative of NegEx for Chinese and English: a cue acts inside its own part of a sentence, up to a word that
begins something new. It does not understand sentences. Where it errs, it shall err towards "not denied": a denied sign
that is taken as seen refuses a case, a seen sign that is taken as denied could let one pass.

Source: Chapman et al. 2001 (NegEx), the idea of cues with a bounded scope; the cues stand in ``text_lexicon.toml``.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SOFT_ENDS = ",，"
HARD_ENDS = ".。;；!！\n"
QUESTIONS = "?？"
_ANY_END = re.compile(r"[,，.。;；!！\n?？]")
_LINE_AFTER_COLON = re.compile(r"[:：]\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Polarity:
    """How a place is meant; no flag: it is affirmed.

    ``is_surely_denied``: nothing stands between the denial and the place but joined items of one list. "无破溃结节" denies the
    ulceration and names a nodule, or denies both: that is denied, not surely.
    """

    is_denied: bool
    is_doubted: bool
    is_surely_denied: bool = False


@dataclass(frozen=True, slots=True)
class Cue:
    """One word of denial or doubt, or one that only looks like it, at characters ``start`` to ``end``."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A folded text with its cues and the places where its parts end; read once, asked for every field."""

    text: str
    cues: tuple[Cue, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, text: str, cues: Cues) -> Reading:
        """Read a folded text."""
        ends = SOFT_ENDS + HARD_ENDS + QUESTIONS
        places = tuple(match.start() for match in _ANY_END.finditer(text) if _is_end(text, match.start(), ends))
        return cls(text, tuple(cues.find(text)), places)

    def part(self, start: int, end: int) -> tuple[int, int]:
        """Return the part of a sentence around a place, without the signs that end it."""
        before, behind = bisect_left(self.ends, start), bisect_left(self.ends, end)
        first = self.ends[before - 1] + 1 if before else 0
        return first, self.ends[behind] if behind < len(self.ends) else len(self.text)


class Cues:
    """The words of denial and doubt, compiled; pure."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        """Compile the table ``[cues]``.

        Raises:
            KeyError: a list is missing.
        """
        kinds = {"no_denial": told["no_denial"], "doubt": told["doubt"], "denial": told["denial"]}
        self._kind_of = {word.casefold(): kind for kind, words in kinds.items() for word in words}
        self._cue = alternation(self._kind_of)
        behind = "|".join(re.escape(word.casefold()) for word in by_length(told["denial_behind"]))
        self._behind = re.compile(rf"(?:{behind})了?\s*(?=[,，.。;；!！?？\n]|$)")
        self._begins_new = alternation([word.casefold() for word in told["ends"]])
        adverbs = [word.casefold() for word in told["adverbs"]]
        behind_adverbs = "".join(rf"(?<!{re.escape(word)})" for word in adverbs)
        self._of = re.compile(rf"{behind_adverbs}[的之]")  # "无…的结节": what follows is no longer denied
        filler = rf"(?:{'|'.join(map(re.escape, by_length(adverbs)))}|的|\s)*"
        joins = "|".join(map(re.escape, by_length(told["joins"])))
        self._joined_before = re.compile(rf"(?:.*(?:{joins}))?{filler}", re.DOTALL)
        self._joined_behind = re.compile(rf"\s*(?:(?:{joins}).*)?", re.DOTALL)
        self._differential = alternation([word.casefold() for word in told["differential"]])

    def find(self, text: str) -> list[Cue]:
        """List the words of denial and doubt in a folded text, by place."""
        return [Cue(self._kind_of[one.group()], one.start(), one.end()) for one in self._cue.finditer(text)]

    def at(self, reading: Reading, start: int, end: int) -> Polarity:
        """Judge one place of a text.

        Args:
            reading: the text (``Reading.of``).
            start: its first character.
            end: behind its last one.
        """
        text, (first, last) = reading.text, reading.part(start, end)
        outside = [one for one in reading.cues if first <= one.start and one.end <= last]
        outside = [one for one in outside if one.end <= start or one.start >= end]
        doubted = any(one.kind == "doubt" for one in outside) or (last < len(text) and text[last] in QUESTIONS)
        before = [text[one.end : start] for one in outside if one.end <= start and one.kind == "denial"]
        denied = any(self._reaches(between) for between in before)
        surely = any(self._reaches(between) and self._joined_before.fullmatch(between) for between in before)
        behind = self._behind.search(text, end, last)
        if behind is not None and self._reaches(between := text[end : behind.start()]):
            denied, surely = True, surely or self._joined_behind.fullmatch(between) is not None
        return Polarity(denied, doubted, surely)

    def is_differential(self, reading: Reading, start: int, end: int) -> bool:
        """Say whether the sentence around a place compares conditions."""
        first, last = clause(reading.text, start, end, ends=HARD_ENDS)
        return self._differential.search(reading.text, first, last) is not None

    def _reaches(self, between: str) -> bool:
        """Say whether a denial carries over the words between it and a place."""
        return self._begins_new.search(between) is None and self._of.search(between) is None


def clause(text: str, start: int, end: int, *, ends: str) -> tuple[int, int]:
    """Return the part of the text around a place up to the nearest of ``ends`` on both sides, without them.

    A full stop between digits ends nothing.
    """
    first = start
    while first > 0 and not _is_end(text, first - 1, ends):
        first -= 1
    last = end
    while last < len(text) and not _is_end(text, last, ends):
        last += 1
    return first, last


def sentences(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of every sentence that holds anything, in order; a heading keeps the line behind its colon."""
    joined = {at for match in _LINE_AFTER_COLON.finditer(text) for at in range(match.start(), match.end())}
    rows, start = [], 0
    for at in range(len(text) + 1):
        if at == len(text) or (at not in joined and _is_end(text, at, HARD_ENDS + QUESTIONS)):
            if text[start:at].strip():
                rows.append((start, at))
            start = at + 1
    return rows


def alternation(words: Iterable[str]) -> re.Pattern[str]:
    """Compile words to one pattern, the longest first; Latin words stand alone, with an optional plural."""
    return re.compile("|".join(_pattern(word) for word in by_length(words)) or r"(?!)")


def by_length(words: Iterable[str]) -> Sequence[str]:
    """Return the words, the longest first, each once."""
    return sorted(dict.fromkeys(words), key=lambda word: (-len(word), word))


def _pattern(word: str) -> str:
    left = r"(?<![a-z])" if word[0].isascii() and word[0].isalpha() else r"(?<!\d)" if word[0].isdigit() else ""
    right = r"(?![a-z])" if word[-1].isascii() and word[-1].isalpha() else ""
    return f"{left}{re.escape(word)}{right}"


def _is_end(text: str, at: int, ends: str) -> bool:
    if text[at] not in ends:
        return False
    is_decimal = text[at] in ".," and text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit()
    return not is_decimal
