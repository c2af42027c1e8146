"""Files that appear whole or not at all, also after a power cut."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_agent.errors import StoreError, StoreFull


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a private temporary file (mode 0600) that becomes ``path`` at the end, if ``path`` is still free.

    Does not overwrite: where another process was faster, its file stays and ours goes.
    Order: written by the caller, fsync, link to the name, fsync the directory.

    Raises:
        StoreFull: no space is left.
        StoreError: the folder cannot be written.
    """
    with _temporary(path) as temporary:
        yield temporary
        sync_path(temporary)
        with suppress(FileExistsError):
            os.link(temporary, path)
        sync_path(path.parent)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Make an empty file beside ``path`` (mode 0600) that is gone behind the block; raises StoreFull and StoreError."""
    temporary: Path | None = None
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
    except OSError as exc:
        raise unwritten(path, exc) from exc
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def unwritten(path: Path, error: OSError) -> StoreError:
    """Return our error for a file that could not be written; the caller raises it ``from`` the system's."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no space left to write {path}: free disk space")
    return StoreError(f"cannot write {path}: {error.strerror}; check the folder's owner and mode")


def publish_once(path: Path, content: bytes) -> None:
    """Write a small file durably under a free name; leaves an existing file alone.

    Raises:
        StoreFull: no space is left.
        StoreError: the folder cannot be written.
    """
    with new_file(path) as temporary:
        temporary.write_bytes(content)


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file durably in place of an older one: after a power cut it is the old one or the new one.

    Order: written under a temporary name (mode 0600), fsync, rename, fsync the directory.

    Raises:
        StoreFull: no space is left; the old file stays.
        StoreError: the folder cannot be written; the old file stays.
    """
    with _temporary(path) as temporary:
        temporary.write_bytes(content)
        sync_path(temporary)
        temporary.replace(path)
        sync_path(path.parent)


def write_whole(path: Path, text: str) -> None:
    """Write a page whole or not at all: half a page looks like a whole one, and an older one stays until then.

    A pipe or a device is written to as it is.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def log_of(database: Path) -> Path:
    """Return the path of a database's write-ahead log (sqlite.org/wal.html): committed rows may be in there only."""
    return database.with_name(f"{database.name}-wal")


def make_folder(path: Path) -> None:
    """Make a folder (mode 0700) and those above it durably; existing ones stay as they are.

    Raises:
        OSError: it cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_path(folder.parent)  # else a power cut takes the folder with everything that was synced inside


def sync_path(path: Path) -> None:
    """Flush a file or directory to the disk (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
