"""Find where in an unfinished JSON object the writer stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

# A string (perhaps unfinished), a structural byte, or a run of anything else (numbers, words).
_TOKEN = re.compile(rb'"(?P<body>(?:[^"\\]|\\.)*)(?P<end>"?)|[{}\[\]:,]|[^"{}\[\]:,]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Position:
    """A place where something may be decided.

    ``kind`` ``value``: inside or right before a scalar, which starts at byte ``start``. ``kind`` ``more``: right behind
    an item of a list, where the list may go on or end; ``start`` is the end of the text.
    ``path`` names the keys on the way, joined by dots; the items of a list share its path.
    ``closing`` is a byte that may stand right behind a value, so that a tokenizer sees its end.
    ``items_start`` is the byte behind the opening bracket of the list that the place belongs to, -1 outside a list.
    """

    kind: Literal["value", "more"]
    path: str
    start: int
    closing: bytes
    items_start: int


@dataclass(slots=True)
class _Open:
    """One container that is still open: an object with the key being written, or a list."""

    is_list: bool
    start: int
    key: str = ""
    is_awaiting: bool = True  # an object: a key comes next; a list: an item comes next


@dataclass(slots=True)
class _Reader:
    """Where the reader stands while it goes through the text."""

    stack: list[_Open] = field(default_factory=list)
    start: int = -1  # of the scalar that is open
    is_in_key: bool = False

    def string(self, body: bytes, *, is_finished: bool) -> None:
        """Take a string: a key, or a value."""
        top = self.stack[-1] if self.stack else None
        if top is not None and not top.is_list and top.is_awaiting:
            top.key, self.is_in_key = body.decode("utf-8", errors="replace"), not is_finished
        elif is_finished:
            self.start = -1

    def sign(self, sign: bytes, *, end: int) -> None:
        """Take a structural byte that ends at ``end``."""
        if sign in (b"{", b"["):
            self.stack.append(_Open(sign == b"[", end))
            self.start = end if sign == b"[" else -1
        elif sign in (b"}", b"]"):
            del self.stack[-1:]
            self.start = -1
            if self.stack:
                self.stack[-1].is_awaiting = False
        elif self.stack:
            top = self.stack[-1]
            top.is_awaiting = sign == b","
            self.start = end if sign == b":" or top.is_list else -1


def locate(text: bytes) -> Position | None:
    """Return the scalar that is open at the end of ``text``, or the list whose item has just ended.

    ``text`` is JSON without white space, cut anywhere. Returns None between values, in a key and behind a finished
    string of an object; a number or word counts as open until its comma.
    """
    reader = _Reader()
    for found in _TOKEN.finditer(text):
        first = found.group()[:1]
        if first == b'"':
            reader.string(found["body"], is_finished=bool(found["end"]))
            if found["end"] and reader.stack and reader.stack[-1].is_list:
                reader.stack[-1].is_awaiting = False
        elif first in b"{}[]:,":
            reader.sign(first, end=found.end())
    if not reader.stack or reader.is_in_key:
        return None
    top = reader.stack[-1]
    path = ".".join(one.key for one in reader.stack if not one.is_list)
    items_start = top.start if top.is_list else -1
    if reader.start >= 0:
        return Position("value", path, reader.start, b"]" if top.is_list else b",", items_start)
    if top.is_list and not top.is_awaiting:
        return Position("more", path, len(text), b"]", items_start)
    return None
