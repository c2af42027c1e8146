"""Evaluate the small rule language in three-valued logic: yes, no, unknown.

Grammar (``or`` binds weakest)::

    expr    = and_ {"or" and_}          compare = sum [("==" | "!=" | "<" | "<=" | ">" | ">=") sum]
    and_    = not_ {"and" not_}         sum     = product {"+" product}
    not_    = "not" not_ | compare      product = atom {"*" atom}
    atom    = number | 'id' | name | "(" expr ")"

A truth value is an interval: yes [1, 1], no [0, 0], unknown [0, 1]. So a weighted score of signs is known to
reach its limit as soon as the signs that were looked at reach it, and known to miss it only when the unknown
ones cannot lift it there. Nothing is ever evaluated by Python itself. Does not know what the names mean.

Source: Kleene's strong three-valued logic; clinical-vocabulary section 0.6.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge_agent.errors import ConfigError

Fact = bool | float | str | None  # None: nobody looked, or nobody can tell
Kind = Literal["sign", "number", "id"]
Interval = tuple[float, float]
YES: Interval = (1.0, 1.0)
NO: Interval = (0.0, 0.0)
UNKNOWN: Interval = (0.0, 1.0)
NEVER_MEASURED: Interval = (-math.inf, math.inf)

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|'([A-Za-z0-9_]+)'|([A-Za-z_][A-Za-z0-9_]*)|(==|!=|<=|>=|[<>()+*]))")
_WORDS = {"and", "or", "not"}
_MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a parsed expression: an operator with its parts, or a leaf with its value."""

    kind: str
    parts: tuple[Node, ...] = ()
    value: str | float = ""


def parse(text: str, *, kinds: Mapping[str, Kind], derived: Mapping[str, Node] | None = None) -> Node:
    """Parse an expression and check every name in it.

    Args:
        text: the expression.
        kinds: the known inputs and what each one is.
        derived: named expressions that may stand for a name.

    Raises:
        ConfigError: a syntax error or an unknown name; the line quotes the expression.
    """
    return _Parser(text, kinds, derived or {}).parse()


def evaluate(node: Node, facts: Mapping[str, Fact], *, kinds: Mapping[str, Kind]) -> bool | None:
    """Return True, False or None (unknown) for one expression.

    Args:
        node: a parsed expression.
        facts: what is known; an absent name is unknown.
        kinds: as for ``parse``.
    """
    low, high = _interval(node, facts, kinds)
    return True if low >= 1 else False if high <= 0 else None


def names(node: Node) -> tuple[str, ...]:
    """List the input names of an expression, in order, each once."""
    if node.kind == "name":
        return (str(node.value),)
    return tuple(dict.fromkeys(name for part in node.parts for name in names(part)))


def grounds(node: Node, facts: Mapping[str, Fact], *, kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """List the inputs that make an expression true, in order; empty when it is not true."""
    if evaluate(node, facts, kinds=kinds) is not True:
        return ()
    if node.kind in {"and", "or"}:
        return tuple(dict.fromkeys(n for part in node.parts for n in grounds(part, facts, kinds=kinds)))
    return tuple(n for n in names(node) if facts.get(n) is not None and (node.kind == "not" or facts[n] is not False))


def open_names(node: Node, facts: Mapping[str, Fact], *, kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """List the unknown inputs that keep an expression unknown, in order; empty when it is known.

    An unknown input beside a part that is already decided is not named: looking it up would change nothing.
    """
    if evaluate(node, facts, kinds=kinds) is not None:
        return ()
    if node.kind in {"and", "or", "not"}:
        return tuple(dict.fromkeys(n for part in node.parts for n in open_names(part, facts, kinds=kinds)))
    return tuple(n for n in names(node) if facts.get(n) is None)


def _interval(node: Node, facts: Mapping[str, Fact], kinds: Mapping[str, Kind]) -> Interval:
    if node.kind == "number":
        return (float(node.value), float(node.value))
    if node.kind == "name":
        return _look_up(str(node.value), facts, kinds)
    if node.kind == "same_id":
        fact = facts.get(str(node.parts[0].value))
        return UNKNOWN if fact is None else YES if fact == node.parts[1].value else NO
    rows = [_interval(part, facts, kinds) for part in node.parts]
    lows, highs = [low for low, _ in rows], [high for _, high in rows]
    if node.kind == "not":
        return (1 - highs[0], 1 - lows[0])
    if node.kind in _FOLDS:
        fold = _FOLDS[node.kind]
        return (fold(lows), fold(highs))
    return _compare(node.kind, rows[0], rows[1])


_FOLDS: dict[str, Callable[[list[float]], float]] = {"and": min, "or": max, "+": sum, "*": math.prod}
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _compare(sign: str, left: Interval, right: Interval) -> Interval:
    """Compare two intervals; known only when every pair of values gives the same answer."""
    if sign in {"==", "!="}:
        if left == right and left[0] == left[1]:
            return YES if sign == "==" else NO
        apart = left[1] < right[0] or right[1] < left[0]
        return UNKNOWN if not apart else NO if sign == "==" else YES
    order = _ORDER[sign]
    corners = {bool(order(a, b)) for a in left for b in right}
    return UNKNOWN if len(corners) == 2 else YES if True in corners else NO


def _look_up(name: str, facts: Mapping[str, Fact], kinds: Mapping[str, Kind]) -> Interval:
    fact = facts.get(name)
    if fact is None:
        return UNKNOWN if kinds[name] == "sign" else NEVER_MEASURED
    if isinstance(fact, str):
        raise RuntimeError(f"{name} is an id; compare it with == 'id'")
    return (float(fact), float(fact))


class _Parser:
    """Recursive descent over the token list of one expression."""

    def __init__(self, text: str, kinds: Mapping[str, Kind], derived: Mapping[str, Node]) -> None:
        self._text, self._kinds, self._derived = text, kinds, derived
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._wrong(f"cannot read {text[position:].strip()[:12]!r}")
            number, quoted, word, sign = match.groups()
            kind = "number" if number else "id" if quoted else "sign" if sign or word in _WORDS else "name"
            self._tokens.append((kind, number or quoted or sign or word))
            position = match.end()

    def parse(self) -> Node:
        node = self._any(0)
        if self._at != len(self._tokens):
            raise self._wrong(f"unexpected {self._tokens[self._at][1]!r}")
        self._check(node, is_truth=True)
        return node

    def _check(self, node: Node, *, is_truth: bool) -> None:
        """Refuse a number or an id where a yes or no belongs; a sign may stand as 0 or 1 in a score."""
        if node.kind == "same_id":
            return
        kind = self._kinds.get(str(node.value), "sign") if node.kind == "name" else node.kind
        if kind == "id" or (is_truth and kind in {"number", "+", "*"}):
            raise self._wrong("a number is compared, and an id stands only before == 'id' or != 'id'")
        for part in node.parts:
            self._check(part, is_truth=node.kind in {"and", "or", "not"})

    def _any(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise self._wrong("nested too deeply")
        return self._chain("or", lambda: self._chain("and", lambda: self._not(depth)))

    def _not(self, depth: int) -> Node:
        if self._take("not"):
            return Node("not", (self._not(depth + 1),))
        left = self._sum(depth)
        for sign in ("==", "!=", "<=", ">=", "<", ">"):
            if self._take(sign):
                return self._comparison(sign, left, self._sum(depth))
        if left.kind == "id":
            raise self._wrong("an id stands only after == or !=")
        return left

    def _comparison(self, sign: str, left: Node, right: Node) -> Node:
        if right.kind != "id" and left.kind != "id":
            return Node(sign, (left, right))
        is_id_name = left.kind == "name" and self._kinds[str(left.value)] == "id"
        if sign not in {"==", "!="} or not is_id_name or right.kind != "id":
            raise self._wrong("an id is compared as name == 'id' or name != 'id'")
        same = Node("same_id", (left, right))
        return same if sign == "==" else Node("not", (same,))

    def _sum(self, depth: int) -> Node:
        return self._chain("+", lambda: self._chain("*", lambda: self._atom(depth)))

    def _chain(self, sign: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._take(sign):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Node(sign, tuple(parts))

    def _atom(self, depth: int) -> Node:
        if self._at >= len(self._tokens):
            raise self._wrong("ends too early")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return Node("number", value=float(text))
        if kind == "id":
            return Node("id", value=text)
        if kind == "name":
            return self._name(text)
        if text == "(":
            node = self._any(depth + 1)
            if not self._take(")"):
                raise self._wrong("lacks a closing bracket")
            return node
        raise self._wrong(f"unexpected {text!r}")

    def _name(self, name: str) -> Node:
        if name in self._derived:
            return self._derived[name]
        if name not in self._kinds:
            raise self._wrong(f"{name} is not an input")
        return Node("name", value=name)

    def _take(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign):
            self._at += 1
            return True
        return False

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"rule expression {self._text!r}: {what}; mend the rule file")
