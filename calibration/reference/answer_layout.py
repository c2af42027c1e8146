"""Lay out an agent's answer as tokens and say where it decides, among which tokens: what training puts its loss on.

The device's grammar (``edge_agent.inference.grammar``) finds the same decisions while it writes; a test compares the two.
Walking the grammar for every training sequence would cost more than the training step, so they are found here from the
text alone. Every value is one token, except evidence pointers, which are decided piece by piece.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from edge_agent.inference.enum_fields import ALONE

_PIECE = re.compile(r"[A-Za-z0-9_]+|[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: the position of its token and the candidates' token ids.

    ``field`` is the dotted path of the value that is decided and ``values`` are its candidates in the order of
    ``candidates``; both are empty where a list goes on or ends, and for the further pieces of a pointer.
    """

    position: int
    candidates: tuple[int, ...]
    field: str = ""
    values: tuple[Any, ...] = ()


@dataclass(slots=True)
class _Draft:
    """The text so far, and its decisions by place in the text."""

    text: str = ""
    found: list[tuple[int, tuple[int, ...], str, tuple[Any, ...]]] = field(default_factory=list)


class AnswerLayout:
    """The layout of all answers to one schema with one tokenizer.

    Args:
        schema: a JSON schema of an object of enums, lists of enums and lists of such objects.
        tokenizer: the reference tokenizer: one token per id.
    """

    def __init__(self, schema: Mapping[str, Any], tokenizer: Tokenizer) -> None:
        self._schema, self._tokenizer = schema, tokenizer
        self._ids: dict[str, int] = {}

    def lay_out(self, answer: Mapping[str, Any]) -> tuple[list[int], list[Decision]]:
        """Return the answer's tokens and its decisions in order.

        Args:
            answer: a value for every property; lists may be tuples.

        Raises:
            RuntimeError: a value is not one token or not in the schema; a defect of the labels.
        """
        draft = _Draft()
        self._object(draft, self._schema, answer, path="")
        encoding = self._tokenizer.encode(draft.text, add_special_tokens=False)
        decisions = []
        for place, candidates, name, values in draft.found:
            position = encoding.char_to_token(place)
            decision = Decision(position, candidates, name, values)
            if encoding.ids[position] not in candidates:
                raise RuntimeError(
                    f"{name or 'a list'} is decided by a token that is no candidate: {draft.text[place:][:20]}"
                )
            decisions.append(decision)
        return list(encoding.ids), decisions

    def _object(self, draft: _Draft, schema: Mapping[str, Any], answer: Mapping[str, Any], *, path: str) -> None:
        names = list(schema["properties"])
        for number, name in enumerate(names):
            draft.text += ("{" if number == 0 else ",") + f'"{name}":'
            closing = f',"{names[number + 1]}":' if number + 1 < len(names) else "}"
            self._value(draft, schema["properties"][name], answer[name], path=f"{path}{name}", closing=closing)
        draft.text += "}"

    def _value(self, draft: _Draft, rule: Mapping[str, Any], value: Any, *, path: str, closing: str) -> None:
        if rule.get("type") == "array":
            self._list(draft, rule, list(value), path=path, closing=closing)
        elif rule.get("type") == "object":
            self._object(draft, rule, value, path=f"{path}.")
        else:
            self._enum(draft, rule["enum"], value, path=path)

    def _list(self, draft: _Draft, rule: Mapping[str, Any], items: Sequence[Any], *, path: str, closing: str) -> None:
        draft.text += "["
        inner, most, least = rule["items"], rule["maxItems"], rule["minItems"]
        for number, item in enumerate(items):
            if number:
                draft.text += ","
            if "enum" in inner:
                self._enum(draft, _free(inner["enum"], items[:number]), item, path=path)
            else:
                self._value(draft, inner, item, path=path, closing="")
            is_full = number + 1 == most or ("enum" in inner and not _free(inner["enum"], items[: number + 1]))
            if not is_full and number + 1 >= least:
                self._go_on(draft, is_object="enum" not in inner, closing=closing)
        draft.text += "]"

    def _go_on(self, draft: _Draft, *, is_object: bool, closing: str) -> None:
        """Add the decision whether a list goes on or ends; it is taken by the token behind the item."""
        behind = "" if is_object else '"'  # an item's own quote belongs to the same piece
        more = behind + (',{"' if is_object else ',"')
        end = behind + "]" + re.split(r"[A-Za-z0-9_]", closing, maxsplit=1)[0]
        candidates = (self._first(end), self._first(more))
        draft.found.append((len(draft.text) - len(behind), candidates, "", ()))

    def _enum(self, draft: _Draft, options: Sequence[Any], value: Any, *, path: str) -> None:
        text = json.dumps(value)
        start = len(draft.text) + text.startswith('"')
        draft.text += text
        if len(options) < 2:
            return
        words = [option if isinstance(option, str) else json.dumps(option) for option in options]
        spelled = {word: _PIECE.findall(word) for word in words}
        if all(len(pieces) == 1 for pieces in spelled.values()):
            draft.found.append((start, tuple(self._one(w) for w in words), path, tuple(options)))
            return
        self._pieces(draft, list(spelled.values()), _PIECE.findall(str(value)), start=start)

    def _pieces(self, draft: _Draft, spelled: list[list[str]], wanted: list[str], *, start: int) -> None:
        """Add a decision at every piece where what is left parts."""
        for depth, piece in enumerate(wanted):
            branches = list(dict.fromkeys(pieces[depth] for pieces in spelled if len(pieces) > depth))
            if len(branches) > 1:
                draft.found.append((start, tuple(self._one(b) for b in branches), "", ()))
            start += len(piece)
            spelled = [pieces for pieces in spelled if len(pieces) > depth and pieces[depth] == piece]

    def _one(self, word: str) -> int:
        if word not in self._ids:
            ids = self._tokenizer.encode(word, add_special_tokens=False).ids
            if len(ids) != 1:
                raise RuntimeError(f"{word} is not one token")
            self._ids[word] = int(ids[0])
        return self._ids[word]

    def _first(self, text: str) -> int:
        key = f" {text}"  # apart from words
        if key not in self._ids:
            self._ids[key] = int(self._tokenizer.encode(text, add_special_tokens=False).ids[0])
        return self._ids[key]


def _free(values: Sequence[Any], listed: Sequence[Any]) -> list[Any]:
    """Return the values that may follow in a list: none twice, and nothing beside a value that stands alone."""
    if any(item in ALONE for item in listed):
        return []
    return [value for value in values if value not in listed and (not listed or value not in ALONE)]
