"""Write a file whole or not at all, under a passing name that is always the same: a power cut leaves no litter behind."""

from __future__ import annotations

import os
from pathlib import Path

from edge_agent.store.durable import sync_path


def write_file(place: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put content in a file's place durably, for everybody to read; makes the folders above it.

    Only for whoever holds the installation's lock: two writers would share the passing name.

    Raises:
        OSError: it cannot be written; what stood there stays.
    """
    open_folder(place.parent)
    part = passing(place)
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.chmod(mode)
    part.replace(place)
    sync_path(place.parent)


def remove_file(place: Path) -> None:
    """Remove a file, and what an interrupted ``write_file`` left of it; twice is once."""
    for path in (place, passing(place)):
        path.unlink(missing_ok=True)


def passing(place: Path) -> Path:
    """Return the name under which a file is written."""
    return place.with_name(f".{place.name}.part")


def open_folder(folder: Path) -> None:
    """Make a folder that everybody may read, as those of Debian are; one that is there stays as it is."""
    for one in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        one.mkdir(exist_ok=True)
        one.chmod(0o755)  # the umask narrows what mkdir is given
        sync_path(one.parent)
