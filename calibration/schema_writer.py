"""Write a greedy answer under a JSON schema, choice by choice: the judge's own writer, apart from the device's grammar.

At every choice all ways to go on are spelled out as whole texts and tokenized as in training; the model decides at the
first token in which the spellings part. Knows objects, lists and enums; nothing free.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Encode = Callable[[str], Sequence[int]]
Schema = Mapping[str, Any]
# Values that stand alone in a list (clinical vocabulary: nothing can be added to them).
_ALONE = ("none", "cannot_tell", "insufficient_information", "not_examined")


class Scores(Protocol):
    """One score per token of the vocabulary: a list, an array."""

    def __getitem__(self, token: int, /) -> Any:
        """Return a token's score, a number."""


Score = Callable[[Sequence[int]], Scores]  # the answer's tokens so far -> the scores of the next one


def is_writable(schema: Schema | None) -> bool:
    """Say whether an answer holds nothing but enums, in objects and lists with both bounds."""
    if schema is None:
        return False
    if "enum" in schema:
        return True
    if schema.get("type") == "array":
        return "minItems" in schema and "maxItems" in schema and is_writable(schema.get("items"))
    rules = schema.get("properties", {})
    return bool(rules) and all(is_writable(rule) for rule in rules.values())


class SchemaWriter:
    """Write answers to one schema.

    Args:
        encode: text -> token ids, without special tokens.
        score: the logits behind some tokens of the answer.
    """

    def __init__(self, encode: Encode, score: Score) -> None:
        self._encode, self._score = encode, score

    def write(self, schema: Schema) -> str:
        """Return the whole answer as compact JSON."""
        return self._value(schema, "", after="")

    def _value(self, rule: Schema, done: str, *, after: str) -> str:
        """Return ``done`` with a value behind it; ``after`` is the text that must follow, as far as it is known."""
        if "enum" in rule:
            return self._choose([done + _dump(value) for value in rule["enum"]], after=after or " ")
        if rule.get("type") == "array":
            return self._list(rule, done + "[", after=after)
        names = list(rule["properties"])
        for number, name in enumerate(names):
            is_last = number + 1 == len(names)
            follows = "}" + after if is_last else f',"{names[number + 1]}":'
            done += ("{" if number == 0 else ",") + f'"{name}":'
            done = self._value(rule["properties"][name], done, after=follows)
        return done + "}"

    def _list(self, rule: Schema, done: str, *, after: str) -> str:
        items: list[Any] = []
        inner = rule["items"]
        while True:
            start = len(done)
            if "enum" in inner:
                done = self._choose([done + _dump(value) for value in _free(inner["enum"], items)], after="]")
            else:
                done = self._value(inner, done, after="")
            items.append(json.loads(done[start:]))
            is_full = len(items) == rule["maxItems"] or ("enum" in inner and not _free(inner["enum"], items))
            if is_full or (len(items) >= rule["minItems"] and self._ends(done, inner, after=after)):
                return done + "]"
            done += ","

    def _ends(self, done: str, inner: Schema, *, after: str) -> bool:
        """Decide whether a list ends here; both ways are spelled up to the next word."""
        opening = '"' if "enum" in inner else f'{{"{next(iter(inner["properties"]))}"'
        chosen = self._choose([done + "]" + after, done + "," + opening], after="")
        return chosen == done + "]" + after

    def _choose(self, texts: Sequence[str], *, after: str) -> str:
        """Return the text that the model prefers, narrowing token by token where several share a beginning."""
        left = {text: list(self._encode(text + after)) for text in texts}
        while len(left) > 1:
            rows = list(left.values())
            shared = common_prefix(rows)
            branches = list(dict.fromkeys(row[shared] for row in rows))
            scores = self._score(rows[0][:shared])
            best = max(branches, key=lambda token: float(scores[token]))
            left = {text: row for text, row in left.items() if row[shared] == best}
        return next(iter(left))


def _free(values: Sequence[Any], items: Sequence[Any]) -> list[Any]:
    """Return the values that may stand behind these items: none twice, and nothing beside a value that stands alone."""
    if any(item in _ALONE for item in items):
        return []
    return [value for value in values if value not in items and not (items and value in _ALONE)]


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """Return how many leading tokens all rows share."""
    shortest = min(len(row) for row in rows)
    return next((d for d in range(shortest) if len({row[d] for row in rows}) > 1), shortest)


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
