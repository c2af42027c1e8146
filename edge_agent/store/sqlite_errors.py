"""What SQLite's result codes mean to the caller of the store.

Source: sqlite.org/rescode.html.
"""

from __future__ import annotations

from pathlib import Path

from edge_agent.errors import StoreCorrupt, StoreError, StoreFull

_BUSY, _LOCKED, _READONLY, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 6, 8, 11, 13, 14, 26


def error_for(path: Path, code: int, exc: Exception) -> StoreError:
    """Return our error for SQLite's primary result code; the caller raises it ``from`` the driver's."""
    if code == _FULL:
        return StoreFull(f"no space left for the store {path}: free disk space", sqlite=code)
    if code in (_CORRUPT, _NOTADB):
        return StoreCorrupt(
            f"the store {path} cannot be read with this key: restore the database or its key file, nothing was changed",
            sqlite=code,
        )
    if code in (_BUSY, _LOCKED):
        return StoreError(f"the store {path} is in use by another program: try again", sqlite=code)
    if code in (_READONLY, _CANTOPEN):
        return StoreError(f"the store {path} cannot be written: check the folder's owner and mode", sqlite=code)
    return StoreError(f"the store {path} refused an operation: {exc}", sqlite=code)
