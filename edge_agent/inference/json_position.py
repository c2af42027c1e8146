"""Find where in an unfinished JSON object the writer stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A string (perhaps unfinished), a structural byte, or a run of anything else (numbers, words).
_TOKEN = re.compile(rb'"(?P<body>(?:[^"\\]|\\.)*)(?P<end>"?)|[{}\[\]:,]|[^"{}\[\]:,]+', re.DOTALL)
_PAIR, _LIST = [b"{"], [b"{", b"["]  # inside the object; inside a list that is a value of it


@dataclass(frozen=True, slots=True)
class Position:
    """Inside (or right before) a value: the top-level ``key``, the byte where the value or list item starts.

    ``closing`` is a byte that may stand right behind the value, so that a tokenizer sees its end.
    """

    key: str
    start: int
    closing: bytes


def locate(text: bytes) -> Position | None:
    """Return the scalar that is open at the end of ``text``: a top-level value or an item of a top-level list.

    ``text`` is JSON without white space, cut anywhere. Returns None between values, in a key, inside deeper
    structures, and behind a finished string; a number or word counts as open until its comma.
    """
    stack: list[bytes] = []
    key, start, is_in_key = b"", -1, False
    for found in _TOKEN.finditer(text):
        first = found.group()[:1]
        if first == b'"' and start < 0 and stack == _PAIR:
            key, is_in_key = found["body"], not found["end"]
        elif first == b'"':
            start = -1 if found["end"] else start
        elif first in (b"{", b"["):
            stack.append(first)
            start = found.end() if stack == _LIST else -1
        elif first in (b"}", b"]"):
            del stack[-1:]
            start = -1
        elif first in (b":", b","):
            start = found.end() if stack == (_PAIR if first == b":" else _LIST) else -1
    if start < 0 or is_in_key:
        return None
    return Position(key.decode("utf-8"), start, b"]" if stack == _LIST else b",")
