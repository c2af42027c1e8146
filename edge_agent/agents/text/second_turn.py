"""Ask the bare backbone about what the lexicon left open: which sentence says it, and which id it means.

The answer is bound to a schema, so it can only hold ids of the vocabulary, and every value has to name its sentence. A
value without one, or from a sentence in which the lexicon finds the field denied, is not taken. Formulas and conditions
are never asked for: what a text does not name in words that we know is not guessed.

Source: architecture decision 3. The prompt and its limit stand in the manifest (``contracts.text_contract``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_agent.agents.abstention import LISTS, is_nothing
from edge_agent.agents.text.coder import uncoded
from edge_agent.agents.text.lexicon import CONDITION, Lexicon, fields_of
from edge_agent.agents.text.polarity import sentences
from edge_agent.contracts.case import AgentOutput, Coded, CodingRequest, FieldValue, Written
from edge_agent.contracts.term_lists import TermList
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.text_contract import CoderSpec

NEVER_ASKED = frozenset({CONDITION, "formula"})
NOWHERE = "00"
MOST_SENTENCES = 98  # numbers have two digits


@dataclass(frozen=True, slots=True)
class Question:
    """One text's open fields as the backbone is asked about them; ``places`` are the numbered sentences."""

    written: Written
    fields: tuple[str, ...]
    places: Mapping[str, tuple[int, int]]
    request: CodingRequest


class SecondTurn:
    """Make questions and read answers; pure.

    Args:
        vocabulary: the ids and their words.
        spec: the bundle's prompt and token limit.
    """

    def __init__(self, vocabulary: Vocabulary, spec: CoderSpec) -> None:
        self._lists, self._spec = fields_of(vocabulary), spec

    def question(self, written: Written, open_fields: Sequence[str]) -> Question | None:
        """Ask about the open fields of one text; None where there is nothing to ask or to read."""
        fields = tuple(name for name in open_fields if name not in NEVER_ASKED)
        spans = sentences(written.text)[:MOST_SENTENCES]
        if not fields or not spans:
            return None
        places = {f"{number:02}": span for number, span in enumerate(spans, start=1)}
        told = "\n".join(f"[{name}] {written.text[a:b].strip()}" for name, (a, b) in places.items())
        asked = "\n".join(_line(self._lists[name], key=name) for name in fields)
        schema = _object({name: _answer(self._lists[name], places) for name in fields})
        texts = {"text": told, "fields": asked}
        request = CodingRequest(self._spec.prompt, texts, schema, self._spec.max_tokens)
        return Question(written, fields, places, request)

    def answers(self, question: Question, output: AgentOutput, lexicon: Lexicon) -> dict[str, FieldValue]:
        """Read what the backbone answered.

        Args:
            question: what was asked.
            output: the engine's answer; what is missing in it stays uncoded.
            lexicon: says where a field is denied.
        """
        told = {name: output.value.get(name) for name in question.fields}
        return {
            name: self._value(name, row if isinstance(row, Mapping) else {}, question, lexicon)
            for name, row in told.items()
        }

    def _value(self, name: str, row: Mapping[str, Any], question: Question, lexicon: Lexicon) -> FieldValue:
        span, value = question.places.get(str(row.get("at"))), row.get("value")
        step = question.written.step
        if span is None or is_nothing(value) or _is_denied(name, question.written.text[slice(*span)], lexicon):
            return uncoded(name, step)
        coded = Coded("second_turn", step, (span,), mentioned=(str(value),))
        return FieldValue([value] if name in LISTS else value, None, coded=coded)


def _is_denied(name: str, sentence: str, lexicon: Lexicon) -> bool:
    hits = lexicon.hits(sentence, name)
    return bool(hits) and all(hit.polarity.is_denied for hit in hits)


def _values(found: TermList) -> list[str | int | None]:
    grades = found.model.grades if found.model is not None else None
    return list(found.terms) if grades is None else [*range(grades[0], grades[1] + 1), None]


def _line(found: TermList, *, key: str) -> str:
    """Return a field with its ids in words; a grade is told by its numbers."""
    words = [f"{term.id}={term.zh}" for term in found.terms.values()] or [
        "0=无, 1=轻, 2=中, 3=重, 4=极重, null=不能判断"
    ]
    return f"{key}({found.zh}): {', '.join(words)}"


def _answer(found: TermList, places: Mapping[str, Any]) -> dict[str, Any]:
    return _object({"at": {"enum": [NOWHERE, *places]}, "value": {"enum": _values(found)}})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
