"""The tables of what clinicians decide about reports, and second readings."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = ()
