"""Two slots, one in use: ``current`` names it and is switched in one rename."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

from edge_agent.errors import UpdateError
from edge_agent.installation.journal import SlotName
from edge_agent.installation.layout import SLOT_NAMES, Layout
from edge_agent.store.durable import make_folder, sync_path

_PREFIX_MODE = 0o755  # the service's account reads the program


class Slots:
    """Look at the slots and switch between them. Does not know what a program is."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def current(self) -> SlotName | None:
        """Return the slot in use; None before the first installation."""
        try:
            name = self._layout.current.readlink().name
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise UpdateError(f"{self._layout.current} is no link: remove it and install again") from exc
        if name not in SLOT_NAMES:
            raise UpdateError(f"{self._layout.current} names {name}, which is no slot: remove it and install again")
        return cast(SlotName, name)

    def free(self) -> SlotName:
        """Return the slot that is not in use."""
        return "b" if self.current() == "a" else "a"

    def folder(self, name: SlotName) -> Path:
        """Return a slot's folder; it need not exist."""
        return self._layout.slots / name

    def empty(self, name: SlotName) -> Path:
        """Remove everything from a slot that is not in use, and return its empty folder.

        Raises:
            RuntimeError: it is in use (a programmer's mistake).
            UpdateError: it cannot be emptied.
        """
        if name == self.current():
            raise RuntimeError(f"slot {name} is in use")
        folder = self.folder(name)
        try:
            clear(folder)
            make_folder(folder)
            for made in (self._layout.prefix, self._layout.slots, folder):
                made.chmod(_PREFIX_MODE)
        except OSError as exc:
            raise UpdateError(f"cannot empty {folder}: {exc.strerror}; run as root, check the disk") from exc
        return folder

    def switch(self, name: SlotName) -> None:
        """Make a slot the one in use, in one rename: after a power cut it is the old one or the new one.

        Raises:
            UpdateError: the link cannot be written.
        """
        link(self._layout.current, Path("slots") / name)

    def unlink(self) -> None:
        """Leave no slot in use: the way back from a first installation that failed."""
        self._layout.current.unlink(missing_ok=True)
        sync_path(self._layout.prefix)


def link(path: Path, target: Path) -> None:
    """Point a link somewhere else in one durable rename.

    Raises:
        UpdateError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.next")
    try:
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        beside.replace(path)
        sync_path(path.parent)
    except OSError as exc:
        raise UpdateError(f"cannot point {path} to {target}: {exc.strerror}; run as root, check the disk") from exc


def clear(folder: Path) -> None:
    """Remove a folder with everything in it, where there is one, durably."""
    if folder.is_dir():
        shutil.rmtree(folder)
        sync_path(folder.parent)
