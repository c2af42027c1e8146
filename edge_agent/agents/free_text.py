"""Find in a checkpoint's free text what must not be shown: banned substances, and doses.

Checkpoints trained on free Chinese text may write either. A text that names a banned substance is withheld whole; dose
text is hidden from everyone but a signed-in prescriber. It finds too much rather than too little, and it does not
understand the text: a sentence against a substance is withheld as well.

Source: clinical-vocabulary sections 5.4 and 5.5 (not clinically reviewed); Unicode NFKD for full-width forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from edge_agent.contracts.terms import Vocabulary

HIDDEN = "[…]"
_NUMBER = r"(?:\d+(?:\.\d+)?|[一二三四五六七八九十百半两几数零〇廿壹贰叁肆伍陆柒捌玖拾]+)"
_WORDS = r"(?<![a-z])(?:half|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty)"
_RANGE = rf"{_NUMBER}(?:\s*[-~–—至到]\s*{_NUMBER})?"
_MASS = r"(?:mg|kg|ug|μg|mcg|ml|cc|iu|gms?|gr?|l)(?![a-z])"
_ENGLISH = r"(?:(?:milli|micro)?gram(?:me)?s?|ounces?|drams?|millilit(?:re|er)s?|tab(?:let)?s?|cap(?:sule)?s?|pills?|sachets?|packets?|teaspoon(?:ful)?s?|tablespoon(?:ful)?s?|tsps?|tbsps?|drops)(?![a-z])"
_CHINESE = r"(?:毫克|微克|千克|公克|公斤|毫升|克|斤|钱|錢|两(?![个種种次天周日侧处年月])|兩|升|剂(?!量)|劑(?!量)|帖|副)"
_COUNTED = r"(?:片|粒|丸|枚|包|袋|滴|匙|勺|支|杯|碗)"
_TAKEN = r"(?:每次|每日|每天|一次|一日|日服|口服|冲服|吞服|服用|服)"
_AMOUNT = r"(?:用量|剂量|劑量|药量|dose|dosage)\s*(?:[:为是=]|of)?\s*"


@dataclass(frozen=True, slots=True)
class WithheldTerm:
    """One find: characters ``start`` to ``end`` of the text, and the banned substance's id (None for a dose)."""

    kind: Literal["banned", "dose"]
    start: int
    end: int
    substance: str | None


@dataclass(frozen=True, slots=True)
class ShownText:
    """A free text as one reader may see it; ``text`` is None where it is withheld whole."""

    text: str | None
    is_dose_hidden: bool
    substances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Substance:
    id: str
    names: tuple[str, ...]
    harmless: tuple[str, ...]


class TextScreen:
    """Look for banned substances and doses in free text; pure, built once from the vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._substances = tuple(
            _Substance(
                id=term.id,
                names=_folded([term.zh, term.en, *term.facts["also"]]),
                harmless=_folded(term.facts.get("not_in", [])),
            )
            for term in vocabulary.lists["banned_substance"].terms.values()
        )
        herbs = vocabulary.lists["herb"].terms.values()
        words = {name.casefold() for term in herbs for name in (term.zh, term.en, *term.facts.get("also", []))}
        named = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        # A prescription often writes the herb and a bare number: the number is the dose.
        unit = rf"(?:{_MASS}|{_ENGLISH}|{_CHINESE})"
        parts = (
            rf"(?:{named})\s*[:(]?\s*\d+(?:\.\d+)?(?:\s*[-~–—至到]\s*\d+(?:\.\d+)?)?(?:\s*{unit})?",
            rf"{_TAKEN}\s*{_RANGE}\s*{_COUNTED}",
            rf"{_AMOUNT}{_RANGE}(?:\s*{unit})?",
            rf"{_RANGE}\s*{unit}",
            rf"{_WORDS}(?:\s*(?:to|or|-)\s*{_WORDS})?(?:\s+an?)?\s*{_ENGLISH}",
        )
        self._dose = re.compile("|".join(f"(?:{part})" for part in parts))

    def withheld_terms(self, text: str) -> list[WithheldTerm]:
        """List every banned substance and every dose in a text, by place.

        Full-width digits, blanks or marks between the characters, traditional characters and the usual Latin, English
        and pinyin names are found too.
        """
        return sorted([*self._banned(text), *self._doses(text)], key=lambda term: (term.start, term.end))

    def show(self, text: str, *, is_prescriber: bool) -> ShownText:
        """Return the text as a reader may see it.

        Args:
            text: the raw text of an agent.
            is_prescriber: whether a signed-in prescriber reads it; nobody else sees a dose.
        """
        terms = self.withheld_terms(text)
        substances = tuple(dict.fromkeys(term.substance for term in terms if term.substance is not None))
        if substances:
            return ShownText(None, is_dose_hidden=False, substances=substances)
        if is_prescriber or not terms:
            return ShownText(text, is_dose_hidden=False, substances=())
        parts, at = [], 0
        for term in terms:
            parts += [text[at : term.start], HIDDEN]
            at = term.end
        return ShownText("".join([*parts, text[at:]]), is_dose_hidden=True, substances=())

    def _banned(self, text: str) -> list[WithheldTerm]:
        folded, places = _fold(text, keep=str.isalnum)
        found = []
        for substance in self._substances:
            harmless = [span for name in substance.harmless for span in _spans(folded, name)]
            for name in substance.names:
                for start, end in _spans(folded, name):
                    if not any(first <= start and end <= last for first, last in harmless):
                        found.append(WithheldTerm("banned", places[start], places[end - 1] + 1, substance.id))
        return found

    def _doses(self, text: str) -> list[WithheldTerm]:
        folded, places = _fold(text, keep=_is_visible)
        return [
            WithheldTerm("dose", places[match.start()], places[match.end() - 1] + 1, None)
            for match in self._dose.finditer(folded)
        ]


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in {"Cf", "Mn"}  # zero-width marks, tone marks of pinyin


def _fold(text: str, *, keep: Callable[[str], bool]) -> tuple[str, list[int]]:
    """Return the text in one spelling, and for each of its characters the place in the original."""
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for one in unicodedata.normalize("NFKD", character).casefold():
            if keep(one):
                folded.append(one)
                places.append(place)
    return "".join(folded), places


def _folded(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_fold(name, keep=str.isalnum)[0] for name in names))


def _spans(text: str, name: str) -> list[tuple[int, int]]:
    return [(match.start(), match.end()) for match in re.finditer(re.escape(name), text)]
