"""Constrain an answer to its JSON schema and find where it really decides something.

llguidance compiles the schema (no white space) and says which bytes are forced. Between the forced bytes stand the
decisions. At a field with an enum, the possible next tokens are the canonical ones only: every value is spelled out,
tokenized as in training, and the first token in which the spellings differ is the decision. So a value has one
spelling, its probability is not spread over several, and the forced tokens are those that the model was trained on.
"""

from __future__ import annotations

import bisect
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
from edge_agent.inference.enum_fields import EnumField, can_grow, check_ends, enum_fields, open_values
from edge_agent.inference.json_position import Position, locate
from edge_agent.inference.spelling import canonical_part, check_distinct, common_prefix, dump
from edge_agent.inference.tokenizer import Tokenizer

CONTEXT_BYTES = 24  # so much text before a value decides how its tokens are split; checked against what is written
MOST_SPELLINGS = 256  # tables of spellings kept per schema: pictures and texts vary what stands before a value


@dataclass(frozen=True, slots=True)
class Decision:
    """What is next: ``forced`` tokens first; then one of ``candidates`` (label -> token).

    ``field`` is the field whose value the token decides; None where it decides less (whether a list goes on, the first
    part of a longer spelling). No candidates with ``is_done`` False: a free position, any token that the mask allows.
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
        self.fields = {f.name: f for f in enum_fields(schema)}
        self._decided: frozenset[str] = frozenset()
        self._spellings: dict[tuple[str, bytes, bytes], dict[str, list[int]]] = {}
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
            check_ends(enum, where=f"{self.where}.{enum.name}")
        self._decided = frozenset(decided)
        answer = self.answer()
        while not (decision := answer.next()).is_done:
            answer.take(decision.forced)
            if not decision.candidates:
                return  # a free field: what follows depends on what is written there
            answer.take([next(iter(decision.candidates.values()))])

    def spellings(self, found: EnumField, *, before: bytes, closing: bytes) -> dict[str, list[int]]:
        """Return the canonical tokens of ``before`` + value + ``closing`` per value; remembered per grammar."""
        key = (found.name, before, closing)
        if key not in self._spellings:
            if len(self._spellings) > MOST_SPELLINGS:
                self._spellings.clear()
            self._spellings[key] = {
                found.label(value): self.tokenizer.encode((before + dump(value) + closing).decode("utf-8"))
                for value in found.values
            }
        return self._spellings[key]

    def needs_one_token(self, name: str) -> bool:
        """Say whether the bundle promises that one token decides this field."""
        return name in self._decided


class Answer:
    """One answer on its way. Mutable; one per row of a batch."""

    def __init__(self, grammar: SchemaGrammar, matcher: llguidance.LLMatcher) -> None:
        self._grammar = grammar
        self._matcher = matcher
        self.tokens: list[int] = []
        self._ends: list[int] = []  # bytes up to and with each token

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
            self._ends.append((self._ends[-1] if self._ends else 0) + len(self._grammar.tokenizer.decode([token])))
        self.tokens += tokens

    def next(self) -> Decision:
        """Say what comes next, up to the first real choice; does not change the answer."""
        found = self._look()
        if found.candidates or found.is_done or not found.forced:
            return found
        ahead, forced = Answer(self._grammar, self._matcher.deep_copy()), []
        ahead.tokens, ahead._ends = list(self.tokens), list(self._ends)
        while found.forced and not (found.candidates or found.is_done):
            ahead.take(found.forced)
            forced += found.forced
            found = ahead._look()
        return dataclasses.replace(found, forced=[*forced, *found.forced])

    def _look(self) -> Decision:
        """Say what comes next as far as one look tells; forced tokens alone mean that one must look again."""
        full = self.text() + bytes(self._matcher.compute_ff_bytes())
        position = locate(full)
        if position is None:
            if self._is_complete(full):
                return Decision(forced=self._canonical(full), is_done=True)
            return Decision(forced=list(self._matcher.compute_ff_tokens()))
        found = self._grammar.fields.get(position.path)
        if position.kind == "more":
            return self._go_on(found, full=full, position=position)
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
        possible = {
            found.label(value)
            for value in open_values(found, full=full, position=position)
            if (spelled := full[: position.start] + dump(value)).startswith(full) or full.startswith(spelled)
        }
        spellings = {label: tokens for label, tokens in self._spell(found, full, position).items() if label in possible}
        if len(spellings) < 2:
            return self._only(spellings, position=position, full=full, found=found)
        shared = common_prefix(list(spellings.values()))
        candidates = {label: tokens[shared] for label, tokens in spellings.items() if len(tokens) > shared}
        forced = next(iter(spellings.values()))[:shared]
        if len(set(candidates.values())) == len(candidates):
            return Decision(forced=forced, field=found, candidates=candidates)
        if self._grammar.needs_one_token(found.name):
            check_distinct(candidates, where=f"{self._grammar.where}.{found.name}")
        return Decision(forced=forced, candidates={str(token): token for token in candidates.values()})

    def _spell(self, found: EnumField, full: bytes, position: Position) -> dict[str, list[int]]:
        """Return, per value, the tokens that would follow those that are written.

        Only the text behind a recent token is split again, and the same text only once: a list of steps asks for the
        same hundred spellings at every item. Where that does not give the written tokens, the whole text is split.
        """
        first = self._recent(position.start)
        for at in (first, 0):
            begin, written = self._ends[at - 1] if at else 0, self.tokens[at:]
            tables = self._grammar.spellings(found, before=full[begin : position.start], closing=position.closing)
            rows = {label: t[len(written) :] for label, t in tables.items() if t[: len(written)] == written}
            if rows or at == 0:
                return rows
        return {}

    def _recent(self, start: int) -> int:
        """Return the number of the last token that begins well before a byte."""
        return max(bisect.bisect_right(self._ends, max(0, start - CONTEXT_BYTES)), 0)

    def _only(
        self, spellings: Mapping[str, list[int]], *, position: Position, full: bytes, found: EnumField
    ) -> Decision:
        """Force the one value that is left, in its canonical spelling; the byte behind it is not written yet."""
        for label, tokens in spellings.items():
            value = next(v for v in found.values if found.label(v) == label)
            spelled = full[: position.start] + dump(value)
            kept = canonical_part(tokens, self._grammar.tokenizer, text=spelled, written=self.tokens)
            if kept:
                return Decision(forced=kept)
        return Decision(forced=list(self._matcher.compute_ff_tokens()))

    def _go_on(self, found: EnumField | None, *, full: bytes, position: Position) -> Decision:
        """Decide whether a list ends or goes on; both ways are spelled as far as they are forced."""
        endings = {"end": b"]", "more": b","}
        if found is not None and not can_grow(found, full=full, position=position):
            del endings["more"]
        spellings = {}
        for label, sign in endings.items():
            spelled = self._forced_behind(full, sign)
            if spelled is None:
                continue
            tokens = self._grammar.tokenizer.encode(spelled.decode("utf-8"))
            if tokens[: len(self.tokens)] == self.tokens:
                spellings[label] = tokens[len(self.tokens) :]
        if len(spellings) == 1:
            cut = next(iter(spellings.values()))[:1]
            return Decision(forced=cut)
        if not spellings:
            return Decision(forced=list(self._matcher.compute_ff_tokens()))
        shared = common_prefix(list(spellings.values()))
        candidates = {label: tokens[shared] for label, tokens in spellings.items()}
        return Decision(forced=spellings["end"][:shared], candidates=candidates)

    def _forced_behind(self, full: bytes, sign: bytes) -> bytes | None:
        """Return the text with one more byte and everything that this byte forces; None where it is not allowed."""
        probe = self._matcher.deep_copy()
        behind = full[len(self.text()) :] + sign
        for token in self._grammar.tokenizer.byte_tokens(behind):
            if not probe.consume_token(token):
                return None
        return full + sign + bytes(probe.compute_ff_bytes())


def _line(text: str) -> str:
    """Return the first line of a vendor's message."""
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
