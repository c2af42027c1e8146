"""Write answers token by token: the loop, what a decoder is, and the decoder of schema answers.

Free text has its own decoder (``text_decoding``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.case import AgentOutput, FieldValue
from edge_agent.contracts.manifest import AgentName, FieldCalibration, Step
from edge_agent.errors import ContractError
from edge_agent.inference.enum_fields import EnumField
from edge_agent.inference.grammar import Answer, Decision, SchemaGrammar
from edge_agent.inference.sampling import Sampler, softmax
from edge_agent.inference.sequence import Sequence

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FieldEvent:
    """Something became known: ``row`` of the batch, ``step``, ``field`` ('text' for a chunk of free text), value."""

    row: int
    step: str
    field: str
    value: FieldValue | str


OnField = Callable[[FieldEvent], None]


class LogitModel(Protocol):
    """What computes the logits of a batch: a language model, bare or with its side branch."""

    def advance(self, sequences: list[Sequence]) -> Floats:
        """Return the logits behind the last tokens, float32[B, 1, V]."""


class Decoder(Protocol):
    """One row's answer on its way."""

    def forced(self) -> list[int]:
        """Return the tokens that need no choice now, and take them."""

    def is_done(self) -> bool:
        """Tell whether the answer is complete; asked after ``forced``."""

    def choose(self, logits: Floats, *, history: NDArray[np.int64]) -> int | None:
        """Return the next token and take it; None ends the answer without one."""

    def output(self) -> AgentOutput:
        """Return the finished answer."""


@dataclass(slots=True)
class _Row:
    """One row of a running batch."""

    number: int
    sequence: Sequence
    decoder: Decoder
    queue: list[int]


def decode(
    sequences: list[Sequence], *, decoders: list[Decoder], model: LogitModel, skip_forced: bool
) -> list[Sequence]:
    """Run all rows of a batch to the end of their answers.

    Args:
        sequences: the conversations, prompt last.
        decoders: one per row.
        model: computes logits.
        skip_forced: forced tokens go through the model with the next decision; off, each one takes its own pass.

    Returns:
        The conversations with their answers. The last tokens need not have gone through the model yet.

    Raises:
        InferenceError: the model cannot run.
        ContractError: an answer does not fit its declared contract.
    """
    rows = [_Row(i, s, d, []) for i, (s, d) in enumerate(zip(sequences, decoders, strict=True))]
    active = rows
    while True:
        for row in active:
            _append_forced(row, skip_forced=skip_forced)
        active = [row for row in active if row.queue or not row.decoder.is_done()]
        if not active:
            return [row.sequence for row in rows]
        logits = model.advance([row.sequence for row in active])[:, -1]
        for row, scores in zip(active, logits, strict=True):
            if not row.queue:
                token = row.decoder.choose(scores, history=row.sequence.ids)
                row.sequence = row.sequence.with_tokens([] if token is None else [token])


def _append_forced(row: _Row, *, skip_forced: bool) -> None:
    """Move the forced tokens to the conversation: all of them, or the next one."""
    if not row.queue:
        row.queue = row.decoder.forced()
    count = len(row.queue) if skip_forced else 1
    row.sequence = row.sequence.with_tokens(row.queue[:count])
    row.queue = row.queue[count:]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer belongs: ``agent``, ``row`` of the batch, its ``step``."""

    agent: AgentName
    row: int
    step: Step


class SchemaDecoder:
    """Writes one answer that always parses; samples only where the schema leaves a choice."""

    def __init__(
        self,
        grammar: SchemaGrammar,
        *,
        place: Place,
        calibration: Mapping[str, FieldCalibration],
        on_field: OnField | None = None,
    ) -> None:
        self._grammar = grammar
        self._place = place
        self._calibration = calibration
        self._on_field = on_field
        self._answer: Answer = grammar.answer()
        self._next = Decision(forced=[])
        self._sampler = Sampler(place.step.generation)
        self._fields: dict[str, FieldValue] = {}
        self._sampled = 0

    def forced(self) -> list[int]:
        """Return the tokens up to the next decision.

        Raises:
            ContractError: the answer is longer than the manifest allows.
        """
        self._next = self._answer.next()
        self._answer.take(self._next.forced)
        limit = self._place.step.generation.max_tokens
        if len(self._answer.tokens) + (not self._next.is_done) > limit:
            raise ContractError(f"{self._grammar.where}: the answer did not end within {limit} tokens")
        return self._next.forced

    def is_done(self) -> bool:
        """Tell whether the schema is complete."""
        return self._next.is_done

    def choose(self, logits: Floats, *, history: NDArray[np.int64]) -> int:
        """Decide: among the canonical first tokens of a field's values, or among all that the schema allows.

        Raises:
            ContractError: the grammar refuses the token.
        """
        found, candidates = self._next.field, self._next.candidates
        mask = np.full_like(logits, -np.inf)
        allowed = list(candidates.values()) if candidates else np.flatnonzero(self._answer.allowed())
        mask[allowed] = logits[allowed]
        token = self._sampler.choose(mask, history=history)
        self._answer.take([token])
        self._sampled += 1
        if found is not None and not found.is_repeated:  # the steps of a list are judged by their evidence
            self._record(found, token, logits=logits)
        return token

    def output(self) -> AgentOutput:
        """Return the parsed answer with its fields in the schema's order.

        Raises:
            ContractError: the text is no JSON object.
        """
        text = self._answer.text().decode("utf-8", errors="replace")
        try:
            value: Any = json.loads(text)
        except ValueError as exc:
            raise ContractError(f"{self._grammar.where}: the answer is no JSON") from exc
        decided = {
            # The whole list: a last item that was the only one left was forced, not decided.
            name: FieldValue(_at(value, name), row.probability, row.alternatives)
            for name, row in self._fields.items()
        }
        fields = {name: FieldValue(item, None) for name, item in value.items()} | decided
        step = self._place.step.name
        forced = len(self._answer.tokens) - self._sampled
        return AgentOutput(self._place.agent, step, text, value, fields, self._sampled, forced)

    def _record(self, found: EnumField, token: int, *, logits: Floats) -> None:
        """Keep a field's probabilities: softmax over its candidates at the field's calibrated temperature."""
        if found.name in self._fields:
            return  # a further item of a list: the confidence is about the leading one
        calibration = self._calibration.get(f"{self._place.agent}.{found.name}", FieldCalibration())
        labels = list(self._next.candidates)
        scores = np.array([logits[self._next.candidates[label]] for label in labels], dtype=np.float64)
        chances = dict(zip(labels, softmax(scores / calibration.temperature).tolist(), strict=True))
        value = self._value(found, token)
        decided = FieldValue([value] if found.is_list else value, chances[found.label(value)], chances)
        self._fields[found.name] = decided
        if self._on_field is not None:
            self._on_field(FieldEvent(self._place.row, self._place.step.name, found.name, decided))

    def _value(self, found: EnumField, token: int) -> Any:
        """Return the value that a decision token stands for."""
        label = next(label for label, first in self._next.candidates.items() if first == token)
        return next(value for value in found.values if found.label(value) == label)


def _at(answer: Any, field: str) -> Any:
    """Return a field's value by its dotted name."""
    for key in field.split("."):
        answer = answer[key]
    return answer
