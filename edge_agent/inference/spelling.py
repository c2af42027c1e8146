"""Spell values canonically: one text and one row of tokens per value, as in training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edge_agent.errors import RejectedError
from edge_agent.inference.tokenizer import Tokenizer

Json = Any  # one JSON value


def dump(value: Json) -> bytes:
    """Write a value as llguidance's grammar has it: no white space, no escapes beyond JSON's own."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def common_prefix(spellings: list[list[int]]) -> int:
    """Count the leading tokens that all spellings share."""
    shortest = min(len(tokens) for tokens in spellings)
    first = spellings[0]
    return next((i for i in range(shortest) if any(t[i] != first[i] for t in spellings)), shortest)


def canonical_part(tokens: list[int], tokenizer: Tokenizer, *, text: bytes, written: list[int]) -> list[int]:
    """Return the tokens that lie wholly inside ``text``; ``tokens`` also spell the byte behind it."""
    kept: list[int] = []
    for token in tokens:
        if len(tokenizer.decode([*written, *kept, token])) > len(text):
            break
        kept.append(token)
    return kept


def check_distinct(candidates: Mapping[str, int], *, where: str) -> None:
    """Refuse two values with one first token, and a value that is another's beginning."""
    owner: dict[int, str] = {}
    for label, token in candidates.items():
        if token in owner:
            raise RejectedError(
                f"{where}: the values {owner[token]} and {label} begin with the same token; rename one of them"
            )
        owner[token] = label
