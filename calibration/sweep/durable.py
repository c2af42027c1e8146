"""Bring folders to the disk before they get the name under which they count."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

TEMPORARY = ".tmp-"  # what begins so was left half-written by a killed process


def temporary_of(target: Path) -> Path:
    """Return the name under which a file or folder is written until it is whole."""
    return target.with_name(f"{TEMPORARY}{target.name}")


def write_whole(target: Path, data: bytes) -> None:
    """Write a file durably: under another name, synced, renamed."""
    temporary = temporary_of(target)
    temporary.write_bytes(data)
    sync(temporary)
    temporary.replace(target)
    sync(target.parent)


def commit_folder(temporary: Path, target: Path) -> None:
    """Sync every file of a folder, then give it its name; an older folder of that name is gone afterwards."""
    for folder, _, names in os.walk(temporary, topdown=False):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))
    discard(target)
    temporary.rename(target)
    sync(target.parent)


def discard(folder: Path) -> None:
    """Remove a folder so that a kill in between leaves only what ``remove_leftovers`` takes for half-written."""
    if folder.exists():
        doomed = folder.with_name(f"{TEMPORARY}old-{folder.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def remove_leftovers(folder: Path, *prefixes: str) -> list[str]:
    """Remove what a killed process left half-written directly in a folder; return the names.

    Args:
        folder: may be missing.
        prefixes: further beginnings of names that count as half-written.
    """
    if not folder.is_dir():
        return []
    found = [path for path in sorted(folder.iterdir()) if path.name.startswith((TEMPORARY, *prefixes))]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [path.name for path in found]


def sync(path: Path) -> None:
    """Bring one file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
