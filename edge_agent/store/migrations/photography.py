"""The column with what happened while a case's pictures were taken."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE cases ADD COLUMN photography TEXT",  # JSON: contracts.photography; NULL: nothing to tell
)
