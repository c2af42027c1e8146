"""The tables of the image vault, retention and withdrawals."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = ()
