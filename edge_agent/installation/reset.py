"""Delete everything that a kiosk recorded: the keys first, since without them the rest is noise."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge_agent.errors import UpdateError
from edge_agent.installation.layout import Layout
from edge_agent.store.durable import sync_path

KEY_NAME = "store.key"


def erase_state(layout: Layout) -> None:
    """Overwrite and delete the store's key, then delete everything in the state folder; twice is once.

    Does not promise that flash memory forgot the key's old block: docs/store.md says what is guaranteed.

    Raises:
        UpdateError: something cannot be deleted; what is left is deleted by the next call.
    """
    try:
        for key in (layout.state / KEY_NAME, layout.sealed_key):
            _shred(key)
        if layout.state.is_dir():
            for path in sorted(layout.state.iterdir()):
                _remove(path)
            sync_path(layout.state)
    except OSError as exc:
        raise UpdateError(f"cannot delete {exc.filename or layout.state}: {exc.strerror}; run as root") from exc


def what_stays(layout: Layout) -> list[str]:
    """Name what a reset leaves: program, settings, the computer's own journal, and what left the kiosk before."""
    return [
        f"the program in {layout.prefix}",
        f"the settings in {layout.settings}, with their keys and certificates",
        "systemd's journal, which holds no patient data",
        "what the hub has received, and every copy, print or export that was taken away",
    ]


def _shred(key: Path) -> None:
    if not key.is_file() or key.is_symlink():
        return
    with key.open("r+b") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.write(os.urandom(size))
        stream.flush()
        os.fsync(stream.fileno())
    key.unlink()
    sync_path(key.parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
