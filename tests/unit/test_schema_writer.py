"""The judge's writer: what the highest scores spell under a schema, and what no score can make it write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from calibration.schema_writer import SchemaWriter, common_prefix, is_writable

LIST = {"type": "array", "minItems": 1, "maxItems": 3, "items": {"enum": ["red", "rose", "none", "cannot_tell"]}}
STEPS = {
    "type": "array",
    "minItems": 2,
    "maxItems": 3,
    "items": {
        "type": "object",
        "properties": {"claim": {"enum": ["heat", "dryness"]}, "colour": LIST},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "steps": STEPS,
        "grade": {"enum": [0, 1, 2, None]},
        "part": {"type": "object", "properties": {"working": {"enum": ["heat", "heated"]}, "fixed": {"enum": ["x"]}}},
        "colour": LIST,
    },
}


def encode(text: str) -> list[int]:
    """One token per byte: every spelling parts as late as it can."""
    return list(text.encode())


def writing(target: str) -> str:
    """Write with scores that always prefer the target's next byte."""

    def score(tokens: Sequence[int]) -> list[float]:
        assert bytes(tokens) == target.encode()[: len(tokens)]
        return [float(byte == target.encode()[len(tokens)]) for byte in range(256)]

    return SchemaWriter(encode, score).write(SCHEMA)


def preferring(*signs: str) -> Callable[[Sequence[int]], list[float]]:
    """Score these characters highest, in this order, wherever they stand for choice."""
    order = {ord(sign): float(len(signs) - place) for place, sign in enumerate(signs)}
    return lambda _tokens: [order.get(byte, 0.0) for byte in range(256)]


@pytest.mark.parametrize(
    "answer",
    [
        {
            "steps": [{"claim": "heat", "colour": ["red"]}, {"claim": "heat", "colour": ["rose", "red"]}],
            "grade": None,
            "part": {"working": "heat", "fixed": "x"},
            "colour": ["cannot_tell"],
        },
        {
            "steps": [{"claim": "dryness", "colour": ["none"]}] * 3,
            "grade": 0,
            "part": {"working": "heated", "fixed": "x"},
            "colour": ["rose", "red"],
        },
    ],
)
def test_whatever_the_scores_prefer_is_written(answer: dict[str, Any]) -> None:
    """Every answer of the schema can be reached, also where one value begins another."""
    target = json.dumps(answer, separators=(",", ":"))
    assert writing(target) == target


def test_a_list_ends_where_nothing_is_left_to_add() -> None:
    """Scores that always go on get both colours, none twice, and neither 'none' nor 'cannot tell' behind them."""
    rule = {"type": "object", "properties": {"colour": LIST}}
    assert SchemaWriter(encode, preferring(",", "r", "o")).write(rule) == '{"colour":["rose","red"]}'


def test_a_full_list_ends() -> None:
    """Scores that always go on get as many items as the list may hold."""
    few = {**LIST, "maxItems": 2, "items": {"enum": ["a", "b", "c"]}}
    assert SchemaWriter(encode, preferring(",", "a")).write({"properties": {"x": few}}) == '{"x":["a","b"]}'


def test_a_value_that_stands_alone_ends_its_list() -> None:
    """'none' and 'cannot tell' are never followed by anything, whatever the scores."""
    rule = {"type": "object", "properties": {"colour": LIST}}
    assert SchemaWriter(encode, preferring(",", "n")).write(rule) == '{"colour":["none"]}'
    assert SchemaWriter(encode, preferring(",", "c")).write(rule) == '{"colour":["cannot_tell"]}'


def test_a_list_never_ends_below_its_least() -> None:
    """Scores that always end a list still write two steps."""
    rule = {"type": "object", "properties": {"steps": STEPS}}
    written = json.loads(SchemaWriter(encode, preferring("]", "n")).write(rule))
    assert [step["colour"] for step in written["steps"]] == [["none"], ["none"]]


def test_scores_are_asked_only_where_the_spellings_part() -> None:
    """One question per byte that differs: a schema without a choice asks nothing."""
    asked = []

    def score(tokens: Sequence[int]) -> list[float]:
        asked.append(bytes(tokens).decode())
        return [0.0] * 256

    rule = {"type": "object", "properties": {"a": {"enum": ["x"]}, "b": {"enum": ["heat", "heated"]}}}
    SchemaWriter(encode, score).write(rule)
    assert asked == ['{"a":"x","b":"heat']


@pytest.mark.parametrize(
    ("schema", "writable"),
    [
        (SCHEMA, True),
        ({"enum": ["x"]}, True),
        (None, False),
        ({}, False),
        ({"type": "object", "properties": {}}, False),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, False),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {"enum": ["x"]}, "minItems": 1}}}, False),
        ({"type": "object", "properties": {"a": {"type": "array", "minItems": 1, "maxItems": 2}}}, False),
    ],
)
def test_only_bounded_enums_are_writable(schema: Mapping[str, Any] | None, writable: bool) -> None:
    """Free text, open lists and empty schemas are left to others."""
    assert is_writable(schema) is writable


@pytest.mark.parametrize(
    ("rows", "shared"), [([[1, 2, 3], [1, 2, 4]], 2), ([[1], [1, 2]], 1), ([[1], [2]], 0), ([[1, 2]], 2)]
)
def test_common_prefix_counts_shared_tokens(rows: list[list[int]], shared: int) -> None:
    """Up to the first difference, or the shortest row."""
    assert common_prefix(rows) == shared
