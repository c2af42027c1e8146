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
from edge_agent.inference.json_position import Position, locate
from edge_agent.inference.tokenizer import Tokenizer

Json = Any  # one JSON value
# Values that stand alone in a list: nothing can be added to "none" or to "cannot tell".
CONTEXT_BYTES = 24  # so much text before a value decides how its tokens are split; checked against what is written
MOST_SPELLINGS = 256
ALONE = frozenset({"none", "cannot_tell", "insufficient_information", "not_examined"})


@dataclass(frozen=True, slots=True)
class EnumField:
    """One enumerated property, or list of enumerated items, with its values in the schema's order.

    ``name`` is the dotted path of keys. ``is_repeated``: it stands in the objects of a list, so that one answer decides
    it several times.
    """

    name: str
    values: tuple[Json, ...]
    is_list: bool
    is_repeated: bool = False

    def label(self, value: Json) -> str:
        """Return the name of a candidate in ``FieldValue.alternatives``: the id itself, or JSON for the rest."""
        return value if isinstance(value, str) else json.dumps(value)


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
        self.fields = {f.name: f for f in _enum_fields(schema)}
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
            _check_ends(enum, where=f"{self.where}.{enum.name}")
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
                found.label(value): self.tokenizer.encode((before + _dump(value) + closing).decode("utf-8"))
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
            for value in _open_values(found, full=full, position=position)
            if (spelled := full[: position.start] + _dump(value)).startswith(full) or full.startswith(spelled)
        }
        spellings = {label: tokens for label, tokens in self._spell(found, full, position).items() if label in possible}
        if len(spellings) < 2:
            return self._only(spellings, position=position, full=full, found=found)
        shared = _common_prefix(list(spellings.values()))
        candidates = {label: tokens[shared] for label, tokens in spellings.items() if len(tokens) > shared}
        forced = next(iter(spellings.values()))[:shared]
        if len(set(candidates.values())) == len(candidates):
            return Decision(forced=forced, field=found, candidates=candidates)
        if self._grammar.needs_one_token(found.name):
            _check_distinct(candidates, where=f"{self._grammar.where}.{found.name}")
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
            spelled = full[: position.start] + _dump(value)
            kept = _canonical_part(tokens, self._grammar.tokenizer, text=spelled, written=self.tokens)
            if kept:
                return Decision(forced=kept)
        return Decision(forced=list(self._matcher.compute_ff_tokens()))

    def _go_on(self, found: EnumField | None, *, full: bytes, position: Position) -> Decision:
        """Decide whether a list ends or goes on; both ways are spelled as far as they are forced."""
        endings = {"end": b"]", "more": b","}
        if found is not None and _stands_alone(full, position=position):
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
        shared = _common_prefix(list(spellings.values()))
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


def _enum_fields(schema: Mapping[str, Any], *, above: str = "", is_repeated: bool = False) -> list[EnumField]:
    """List the properties, at any depth, whose value, or whose only item, is an enum of at least two values."""
    out = []
    for name, rule in dict(schema.get("properties", {})).items():
        path = f"{above}{name}"
        is_list = rule.get("type") == "array" and rule.get("minItems", 0) > 0
        inner = rule.get("items", {}) if is_list else rule
        values = inner.get("enum", [])
        if len(values) > 1:
            out.append(EnumField(path, tuple(values), is_list, is_repeated))
        out += _enum_fields(inner, above=f"{path}.", is_repeated=is_repeated or rule.get("type") == "array")
    return out


def _listed(full: bytes, *, position: Position) -> list[Json]:
    """Return the items that the open list holds already; an item that is being written does not count."""
    if position.items_start < 0:
        return []
    end = position.start if position.kind == "more" else position.start - 1  # without the comma
    inside = full[position.items_start : max(end, position.items_start)]
    try:
        items = json.loads(b"[" + inside + b"]")
    except ValueError:
        return []
    return list(items)


def _open_values(found: EnumField, *, full: bytes, position: Position) -> list[Json]:
    """Return the values that may still be written: none twice in a list, none that stands alone behind another."""
    listed = _listed(full, position=position)
    if not listed:
        return list(found.values)
    return [value for value in found.values if value not in listed and value not in ALONE]


def _stands_alone(full: bytes, *, position: Position) -> bool:
    """Say whether the list holds a value to which nothing can be added."""
    return any(isinstance(item, str) and item in ALONE for item in _listed(full, position=position))


def _canonical_part(tokens: list[int], tokenizer: Tokenizer, *, text: bytes, written: list[int]) -> list[int]:
    """Return the tokens that lie wholly inside ``text``; ``tokens`` also spell the byte behind it."""
    kept: list[int] = []
    for token in tokens:
        if len(tokenizer.decode([*written, *kept, token])) > len(text):
            break
        kept.append(token)
    return kept


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
