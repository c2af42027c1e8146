"""Find the vocabulary's values in free text by their surface forms; the forms are data (``text_lexicon.toml``).

Per field the longest form counts, so "银白色鳞屑" is a kind of scale and no white lesion. Says what stands where and how
it is meant (affirmed, denied, doubted); which value a field gets is ``coder``'s business. Knows no model.

Source: clinical-vocabulary draft 0.1, sections 2, 3 and 5; every row names its own source and status.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_agent.agents.text.polarity import HARD_ENDS, Cues, Polarity, Reading, alternation, clause
from edge_agent.contracts.term_lists import TermList
from edge_agent.contracts.terms import FOLDER, Vocabulary, read_toml
from edge_agent.errors import ConfigError

FILE = FOLDER.parent / "tables" / "text_lexicon.toml"
CONDITION = "condition"  # Reason's working condition and differential: one list of words for both
Value = str | int
_FORM_KEYS = frozenset({"field", "value", "negated", "zh", "en", "source", "status"})
_TABLES = frozenset({"cues", "form", "ignore", "implied", "anchor", "number"})


@dataclass(frozen=True, slots=True)
class Hit:
    """A form in a text: what it says there, and characters ``start`` to ``end`` of the original text.

    ``value`` is what the place says; None where the form is denied and its denial says nothing by itself. ``named`` is
    what the form means, denied or not.
    """

    value: Value | None
    named: Value
    start: int
    end: int
    polarity: Polarity
    is_comparison: bool = False

    @property
    def is_sure(self) -> bool:
        """Say whether the text states it without a doubt."""
        return self.value is not None and not self.polarity.is_doubted


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text that was read: ``reading`` of its folded form, and the place in the original of each folded character."""

    text: str
    reading: Reading
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    """One field's forms: pattern, and per folded form the affirmed and the denied value ("" and None: nothing)."""

    pattern: re.Pattern[str]
    says: Mapping[str, tuple[Value, Value | None]]
    ignored: frozenset[str]
    anchor: re.Pattern[str] | None
    numbers: tuple[tuple[re.Pattern[str], tuple[tuple[int, str], ...]], ...]
    implied: tuple[str, Value] | None  # (field that brings the value along, value)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All fields' forms; pure look-ups."""

    fields: Mapping[str, _Field]
    cues: Cues

    @classmethod
    def load(cls, vocabulary: Vocabulary, path: Path = FILE) -> Lexicon:
        """Read the table and hold every value against the vocabulary.

        Raises:
            ConfigError: the table is malformed, names an unknown field or value, or gives one form two meanings.
        """
        return cls.parse(read_toml(path, what="text lexicon"), vocabulary)

    @classmethod
    def parse(cls, told: Mapping[str, Any], vocabulary: Vocabulary) -> Lexicon:
        """Build the lexicon from a parsed table; see ``load`` for the error."""
        if surplus := sorted(set(told) - _TABLES):
            raise ConfigError(f"text_lexicon.toml has the unknown table {surplus[0]}; remove it")
        known = fields_of(vocabulary)
        try:
            forms: dict[str, dict[str, tuple[Value, Value | None]]] = {}
            for row in told["form"]:
                _add_form(row, forms, known)
            return cls(MappingProxyType({name: _field(name, forms[name], told) for name in forms}), Cues(told["cues"]))
        except (KeyError, TypeError, re.error) as exc:
            raise ConfigError(f"text_lexicon.toml: a row lacks or spoils {exc}; compare it with the others") from exc

    def read(self, text: str) -> ReadText:
        """Read a text once, to be asked for several fields."""
        folded, places = fold(text)
        return ReadText(text, Reading.of(folded, self.cues), tuple(places))

    def hits(self, text: str | ReadText, field: str) -> list[Hit]:
        """List what a text says of one field, by place; nothing for a field without forms.

        Args:
            text: as shown to people, any spelling of width and case; or what ``read`` made of it.
            field: a key of an agent's answer, or ``condition``.
        """
        found = self.fields.get(field)
        if found is None:
            return []
        told = self.read(text) if isinstance(text, str) else text
        hits = [
            hit
            for match in found.pattern.finditer(told.reading.text)
            if (hit := self._hit(found, told.reading, match, compares=field == CONDITION)) is not None
        ]
        hits += self._numbers(found, told.reading)
        hits = _announced(found, told.reading.text, hits)
        places = told.places
        hits = [replace(hit, start=places[hit.start], end=places[hit.end - 1] + 1) for hit in hits]
        if found.implied is not None:
            source, value = found.implied
            hits += [replace(hit, value=value) for hit in self.hits(told, source) if hit.value is not None]
        return sorted(hits, key=lambda hit: (hit.start, hit.end))

    def _hit(self, found: _Field, reading: Reading, match: re.Match[str], *, compares: bool) -> Hit | None:
        if match.group() in found.ignored:
            return None
        affirmed, denied = found.says[match.group()]
        place = match.span()
        polarity = self.cues.at(reading, *place)
        value: Value | None = denied if polarity.is_denied else affirmed
        if value == "":
            return None
        return Hit(value, affirmed, *place, polarity, compares and self.cues.is_differential(reading, *place))

    def _numbers(self, found: _Field, reading: Reading) -> list[Hit]:
        hits = []
        for pattern, bands in found.numbers:
            for match in pattern.finditer(reading.text):
                number = int(match.group(1))
                value = next((name for upper, name in bands if number < upper), None)
                polarity = self.cues.at(reading, match.start(), match.end())
                if value is not None and not polarity.is_denied:
                    hits.append(Hit(value, value, match.start(), match.end(), polarity))
        return hits


def _announced(found: _Field, folded: str, hits: Sequence[Hit]) -> list[Hit]:
    """Keep what stands behind a heading of this field, where there is one with anything behind it."""
    if found.anchor is None:
        return list(hits)
    regions = []
    for match in found.anchor.finditer(folded):
        at = match.end()
        while at < len(folded) and folded[at] in " :：\n为是":
            at += 1
        regions.append((match.end(), clause(folded, at, at, ends=HARD_ENDS)[1]))
    kept = [hit for hit in hits if any(first <= hit.start < last for first, last in regions)]
    return kept or list(hits)


def fields_of(vocabulary: Vocabulary) -> dict[str, TermList]:
    """Return the lists that can be coded, by the key of the agent's answer; a condition's words once, as ``condition``."""
    rows = {
        found.model.key: found
        for found in vocabulary.lists.values()
        if found.model is not None and found.model.max_characters is None
    }
    rows[CONDITION] = rows.pop("differential")
    return rows


def fold(text: str) -> tuple[str, list[int]]:
    """Return the text in one spelling (NFKC, small letters), and for each character its place in the original."""
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for one in unicodedata.normalize("NFKC", character).casefold():
            folded.append(one)
            places.append(place)
    return "".join(folded), places


def clean(text: str) -> str:
    """Return a model's text without control and format characters, which could disturb a terminal or hide words."""
    return "".join(
        one for one in text if one == "\n" or unicodedata.category(one) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )


def _add_form(
    row: Mapping[str, Any], forms: dict[str, dict[str, tuple[Value, Value | None]]], known: Mapping[str, TermList]
) -> None:
    field, value, denied = row["field"], row["value"], row.get("negated")
    where = f"text_lexicon.toml: {field}.{value}"
    if unknown := sorted(set(row) - _FORM_KEYS):
        raise ConfigError(f"{where} has the unknown key {unknown[0]}; remove it")
    if field not in known:
        raise ConfigError(f"{where}: no agent fills {field}; name a field of the vocabulary")
    for one in (value, denied):
        if one not in ("", None) and not _is_value(one, known[field]):
            raise ConfigError(f"{where}: the vocabulary does not know {one}; mend the row")
    if not row["source"] or row["status"] not in ("unreviewed", "reviewed"):
        raise ConfigError(f"{where} needs a source and a status (unreviewed or reviewed)")
    says = forms.setdefault(field, {})
    for form in (*row["zh"], *row["en"]):
        folded = fold(form)[0]
        if says.setdefault(folded, (value, denied)) != (value, denied):
            raise ConfigError(f"{where}: the form {form!r} has another meaning above; remove one")


def _is_value(value: Any, found: TermList) -> bool:
    grades = found.model.grades if found.model is not None else None
    if grades is not None:
        return isinstance(value, int) and grades[0] <= value <= grades[1]
    return value in found.terms


def _field(name: str, says: dict[str, tuple[Value, Value | None]], told: Mapping[str, Any]) -> _Field:
    rows = {kind: [row for row in told.get(kind, []) if row["field"] == name] for kind in _TABLES - {"cues", "form"}}
    ignored = frozenset(fold(form)[0] for row in rows["ignore"] for form in (*row["zh"], *row["en"]))
    anchors = [fold(form)[0] for row in rows["anchor"] for form in (*row["zh"], *row["en"])]
    numbers = tuple(
        (re.compile(row["pattern"]), tuple((upper, value) for upper, value in row["bands"])) for row in rows["number"]
    )
    implied = next(((row["by"], row["value"]) for row in rows["implied"]), None)
    pattern = alternation([*says, *ignored])
    return _Field(pattern, MappingProxyType(says), ignored, alternation(anchors) if anchors else None, numbers, implied)
