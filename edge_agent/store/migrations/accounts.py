"""The tables of named local accounts, their sessions and the audit trail."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = ()
