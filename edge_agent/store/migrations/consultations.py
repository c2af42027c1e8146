"""The tables of consultations on their way, episodes and visits."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = ()
