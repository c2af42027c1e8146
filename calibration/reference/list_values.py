"""Compare answers whose fields may be lists: which one item a confidence is about, and when two lists are equal."""

from __future__ import annotations

from typing import Any


def told(value: Any) -> str:
    """Write a value so that two answers with the same ids are equal, in whatever order a list names them."""
    return "+".join(sorted(str(item) for item in value)) if isinstance(value, (list, tuple)) else str(value)


def items(value: Any) -> tuple[Any, ...]:
    """Return the items of a list field, or the one value of another."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def leading(value: Any) -> Any:
    """Return the leading item of a list field, or the value: what a confidence is about."""
    return items(value)[0]
