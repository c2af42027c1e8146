"""Constrain an answer to its JSON schema and find where it really decides something.

llguidance compiles the schema (no white space) and says which bytes are forced. Between the forced bytes stand the
decisions. At a field with an enum, the possible next tokens are the canonical ones only: every value is spelled out,
tokenized as in training, and the first token in which the spellings differ is the decision. So a value has one
spelling, its probability is not spread over several, and the forced tokens are those that the model was trained on.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import llguidance
import llguidance.numpy as masks
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ContractError, RejectedError
from edge_agent.inference.json_position import Position, locate
from edge_agent.inference.tokenizer import Tokenizer

Json = Any  # one JSON value


@dataclass(frozen=True, slots=True)
class EnumField:
    """One enumerated property: its values in the schema's order, and the bytes that may follow a value."""

    name: str
    values: tuple[Json, ...]
    is_list: bool

    def label(self, value: Json) -> str:
        """Return the name of a candidate in ``FieldValue.alternatives``: the id itself, or JSON for the rest."""
        return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is next: ``forced`` tokens first; then one of ``candidates`` (label -> token) of ``field``.

    ``field`` None with ``is_done`` False means a free position: any token that the mask allows.
    """

    forced: list[int]
    field: EnumField | None = None
    candidates: Mapping[str, int] = dataclasses.field(default_factory=dict)
    is_done: bool = False


class SchemaGrammar:
    """One compiled schema, shared by all answers to it. Holds no answer's state."""

    def __init__(self, schema: Mapping[str, Any], *, tokenizer: Tokenizer, where: str) -> None:
        """Compile.

        Args:
            schema: a JSON schema of one object.
            tokenizer: the bundle's.
            where: ``agent.step``, for messages.

        Raises:
            RejectedError: llguidance cannot compile it.
        """
        self.where = where
        self.tokenizer = tokenizer
        self.fields = {f.name: f for f in _enum_fields(schema)}
        text = json.dumps(schema)
        grammar = llguidance.LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": False})
        self._matcher = llguidance.LLMatcher(tokenizer.grammar_tokenizer, grammar, log_level=0)
        if self._matcher.is_error():
            raise RejectedError(f"the output schema of {where} cannot be compiled: {_line(self._matcher.get_error())}")

    def answer(self) -> Answer:
        """Start a new, empty answer."""
        return Answer(self, self._matcher.deep_copy())

    def check(self, decided: list[str]) -> None:
        """Walk the schema once and make sure that every decided field can be decided by one token.

        Raises:
            RejectedError: a decided field is no enum, or two of its values begin with the same token.
        """
        missing = [name for name in decided if name not in self.fields]
        if missing:
            raise RejectedError(f"{self.where}: the decided field {missing[0]} has no enum in the output schema")
        for enum in self.fields.values():
            _check_ends(enum, where=f"{self.where}.{enum.name}")
        answer = self.answer()
        while not (decision := answer.next()).is_done:
            answer.take(decision.forced)
            if decision.field is None:
                return  # a free field: what follows depends on what is written there
            answer.take([next(iter(decision.candidates.values()))])


class Answer:
    """One answer on its way. Mutable; one per row of a batch."""

    def __init__(self, grammar: SchemaGrammar, matcher: llguidance.LLMatcher) -> None:
        self._grammar = grammar
        self._matcher = matcher
        self.tokens: list[int] = []

    def text(self) -> bytes:
        """Return what is written so far."""
        return self._grammar.tokenizer.decode(self.tokens)

    def take(self, tokens: list[int]) -> None:
        """Append tokens.

        Raises:
            ContractError: the grammar does not allow them.
        """
        for token in tokens:
            if not self._matcher.consume_token(token):
                raise ContractError(f"{self._grammar.where}: a token does not fit the output schema; report this")
        self.tokens += tokens

    def next(self) -> Decision:
        """Say what comes next; does not change the answer."""
        full = self.text() + bytes(self._matcher.compute_ff_bytes())
        position = locate(full)
        if position is None:
            if self._is_complete(full):
                return Decision(forced=self._canonical(full), is_done=True)
            return Decision(forced=list(self._matcher.compute_ff_tokens()))
        found = self._grammar.fields.get(position.key)
        if found is None:
            return Decision(forced=list(self._matcher.compute_ff_tokens()))
        return self._decide(found, full=full, position=position)

    def allowed(self) -> NDArray[np.bool_]:
        """Return bool[V]: the tokens that the schema allows next."""
        size = self._grammar.tokenizer.grammar_tokenizer.vocab_size
        mask = masks.allocate_token_bitmask(1, size)
        masks.fill_next_token_bitmask(self._matcher, mask)
        bits = np.unpackbits(mask[0].view(np.uint8), bitorder="little")[:size]
        return bits.astype(np.bool_)

    def _is_complete(self, full: bytes) -> bool:
        """Tell whether the forced bytes end the answer (nothing but the end may follow)."""
        try:
            json.loads(full)
        except ValueError:
            return False
        return True

    def _canonical(self, full: bytes) -> list[int]:
        """Return the tokens of ``full`` behind those that are already written."""
        tokens = self._grammar.tokenizer.encode(full.decode("utf-8"))
        if tokens[: len(self.tokens)] == self.tokens:
            return tokens[len(self.tokens) :]
        return list(self._matcher.compute_ff_tokens())  # an odd spelling stands in front: llguidance's own split

    def _decide(self, found: EnumField, *, full: bytes, position: Position) -> Decision:
        """Spell every value that is still possible and split where the spellings part."""
        written = len(self.tokens)
        spellings: dict[str, list[int]] = {}
        for value in found.values:
            spelled = full[: position.start] + _dump(value)
            if not (spelled.startswith(full) or full.startswith(spelled)):
                continue
            tokens = self._grammar.tokenizer.encode((spelled + position.closing).decode("utf-8"))
            if tokens[:written] == self.tokens:
                spellings[found.label(value)] = tokens[written:]
        if len(spellings) < 2:
            return Decision(forced=list(self._matcher.compute_ff_tokens()))
        shared = _common_prefix(list(spellings.values()))
        candidates = {label: tokens[shared] for label, tokens in spellings.items() if len(tokens) > shared}
        _check_distinct(candidates, where=f"{self._grammar.where}.{found.name}")
        return Decision(forced=next(iter(spellings.values()))[:shared], field=found, candidates=candidates)


def _enum_fields(schema: Mapping[str, Any]) -> list[EnumField]:
    """List the top-level properties whose value, or whose only item, is an enum of at least two values."""
    out = []
    for name, rule in dict(schema.get("properties", {})).items():
        is_list = rule.get("type") == "array" and rule.get("minItems", 0) > 0
        values = rule.get("items", {}).get("enum", []) if is_list else rule.get("enum", [])
        if len(values) > 1:
            out.append(EnumField(name, tuple(values), is_list))
    return out


def _dump(value: Json) -> bytes:
    """Write a value as llguidance's grammar has it: no white space, no escapes beyond JSON's own."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _common_prefix(spellings: list[list[int]]) -> int:
    """Count the leading tokens that all spellings share."""
    shortest = min(len(tokens) for tokens in spellings)
    first = spellings[0]
    return next((i for i in range(shortest) if any(t[i] != first[i] for t in spellings)), shortest)


def _check_distinct(candidates: Mapping[str, int], *, where: str) -> None:
    """Refuse two values with one first token, and a value that is another's beginning."""
    owner: dict[int, str] = {}
    for label, token in candidates.items():
        if token in owner:
            raise RejectedError(
                f"{where}: the values {owner[token]} and {label} begin with the same token; rename one of them"
            )
        owner[token] = label


def _check_ends(enum: EnumField, *, where: str) -> None:
    """Refuse a number or word that begins another: nothing but what follows would tell that it has ended."""
    bare = [_dump(value) for value in enum.values if not isinstance(value, str)]
    for one in bare:
        for other in bare:
            if one != other and other.startswith(one):
                raise RejectedError(f"{where}: the value {one.decode()} begins {other.decode()}; use text ids")


def _line(text: str) -> str:
    """Return the first line of a vendor's message."""
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
