"""How a backup's file is called."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

BACKUP_FOLDER = "backups"


def backup_name(path: Path, version: int, *, now: datetime) -> str:
    """Return a free name such as ``store.db.v2-20260305.bak``; the day's second one ends ``-2.bak``."""
    stem = f"{path.name}.v{version}-{now:%Y%m%d}"
    number = 1
    while True:
        name = f"{stem}.bak" if number == 1 else f"{stem}-{number}.bak"
        if not (path.with_name(BACKUP_FOLDER) / name).exists():
            return name
        number += 1
