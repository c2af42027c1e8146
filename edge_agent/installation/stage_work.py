"""What is done in each stage of an installation; each can be done twice. ``Installer`` decides which comes next."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from edge_agent.contracts.keys import TrustedKey
from edge_agent.errors import ActivationError, UpdateError
from edge_agent.installation import package as packages
from edge_agent.installation.journal import Entry, SlotName, WayBack
from edge_agent.installation.layout import Layout
from edge_agent.installation.placing import (
    DEFAULTS_FOLDER,
    SYSTEM_FOLDER,
    place_settings,
    place_system_files,
    remove_system_files,
)
from edge_agent.installation.program import Findings
from edge_agent.installation.reset import erase_state
from edge_agent.installation.slots import Slots, clear
from edge_agent.installation.steps import Stage
from edge_agent.installation.writing import write_file
from edge_agent.store.durable import make_folder

VERSION_FILE = "VERSION"


class Program(Protocol):
    """What is in a slot: fill it, and ask it about its store and its checks."""

    def fill(self, slot: Path, *, incoming: Path, version: str) -> None:
        """Install from the unpacked package; see ``SlotProgram`` for all of these."""

    def schema(self, slot: Path) -> int:
        """Return the store's schema that it knows."""

    def doctor(self, slot: Path) -> Findings:
        """Run its checks."""

    def backup(self, slot: Path) -> str:
        """Back the store up."""

    def restore(self, slot: Path, backup: str) -> None:
        """Put a backup in the store's place."""

    def losses(self, slot: Path, backup: str) -> str:
        """Say what a restore would drop."""


class System(Protocol):
    """The computer around it."""

    def prepare(self, layout: Layout) -> None:
        """Make accounts and folders."""

    def stop(self) -> None:
        """Stop the service."""

    def start(self) -> None:
        """Start the service, and return when it answers."""

    def add_packages(self, folder: Path, names: Sequence[str]) -> None:
        """Install Debian packages from a folder."""


class StageWork:
    """Do what a journal's entry says is under way, and return the entry with what was learnt.

    Args:
        layout: where everything lies.
        program: asks the slots.
        system: the computer around.
        clock: dates the way back, aware UTC.
        note: told the lines of the new program's doctor.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        program: Program,
        system: System,
        clock: Callable[[], datetime],
        note: Callable[[str], None],
    ) -> None:
        self._layout = layout
        self._slots = Slots(layout)
        self._program = program
        self._system = system
        self._clock = clock
        self._note = note
        self._keys: Sequence[TrustedKey] = ()
        self._actions: dict[Stage, Callable[[Entry], Entry]] = {
            Stage.UNPACKING: self._unpack,
            Stage.FILLING: self._fill,
            Stage.STOPPING: self._stop,
            Stage.SAVING: self._save,
            Stage.SWITCHING: self._switch,
            Stage.PROVING: self._prove,
            Stage.CLEARING: self._clear,
            Stage.STOPPING_BACK: self._stop,
            Stage.SWITCHING_BACK: self._switch_back,
            Stage.RESTORING: self._restore,
            Stage.STARTING_BACK: self._start_back,
            Stage.RESETTING: self._reset,
        }

    def trust(self, keys: Sequence[TrustedKey]) -> None:
        """Say whose packages are unpacked; until then nobody's."""
        self._keys = keys

    def do(self, entry: Entry) -> Entry:
        """Do the entry's stage.

        Raises:
            EdgeError: it failed; it may be done again.
        """
        return self._actions[entry.stage](entry)

    def _unpack(self, entry: Entry) -> Entry:
        clear(self._layout.incoming)
        make_folder(self._layout.incoming)
        if entry.package is None or not entry.package.exists():
            raise UpdateError(f"the package {entry.package} is gone: begin again with it")
        verified = packages.unpack(entry.package, keys=self._keys, into=self._layout.incoming)
        if verified.manifest.version != entry.version:
            raise UpdateError(f"{entry.package} is another package than before: begin again with it")
        write_file(self._layout.incoming / "packages.txt", "\n".join(verified.manifest.debian_packages).encode("ascii"))
        return entry.model_copy(update={"way_back": None})  # its slot is the one that is emptied next

    def _fill(self, entry: Entry) -> Entry:
        incoming, slot = self._layout.incoming, self._slots.empty(_of(entry.slot))
        debs = incoming / "debs"
        if debs.is_dir():
            names = (incoming / "packages.txt").read_text("ascii").split()
            self._system.add_packages(debs, [name.partition("=")[0] for name in names])
        for folder in (SYSTEM_FOLDER, DEFAULTS_FOLDER):
            if (incoming / folder).is_dir():
                shutil.copytree(incoming / folder, slot / folder)
        self._program.fill(slot, incoming=incoming, version=str(entry.version))
        write_file(slot / VERSION_FILE, f"{entry.version}\n".encode())
        return entry

    def _stop(self, entry: Entry) -> Entry:
        self._system.stop()
        return entry

    def _save(self, entry: Entry) -> Entry:
        if entry.was is None or not (self._layout.state / "store.db").exists():
            return entry
        return entry.model_copy(update={"backup": self._program.backup(self._slots.folder(entry.was))})

    def _switch(self, entry: Entry) -> Entry:
        slot = self._slots.folder(_of(entry.slot))
        before = None if entry.was is None else self._slots.folder(entry.was)
        place_system_files(self._layout, slot, before=before)
        place_settings(self._layout, slot, profile=entry.profile or "generic")
        self._slots.switch(_of(entry.slot))
        self._system.prepare(self._layout)
        return entry.model_copy(update={"has_run": True})

    def _prove(self, entry: Entry) -> Entry:
        found = self._program.doctor(self._slots.folder(_of(entry.slot)))
        for line in found.lines:
            self._note(line)
        if found.vital:
            raise ActivationError(f"the new program does not work here: {found.vital[0]}")
        self._system.start()
        way = None
        if entry.was is not None:
            way = WayBack(slot=entry.was, version=str(entry.was_version), backup=entry.backup, left=self._clock())
        return entry.model_copy(update={"way_back": way})

    def _switch_back(self, entry: Entry) -> Entry:
        left = None if entry.slot is None else self._slots.folder(entry.slot)
        if entry.was is None:
            if left is not None:
                remove_system_files(self._layout, left)
            self._slots.unlink()
            return entry
        place_system_files(self._layout, self._slots.folder(entry.was), before=left)
        self._slots.switch(entry.was)
        self._system.prepare(self._layout)
        return entry

    def _restore(self, entry: Entry) -> Entry:
        if entry.was is not None and entry.backup is not None and entry.has_run and self.is_restoring(entry):
            self._program.restore(self._slots.folder(entry.was), entry.backup)
        return entry

    def is_restoring(self, entry: Entry) -> bool:
        """Say whether the program before (``was``) cannot read what the one after may have written."""
        after = self._slots.folder(_of(entry.slot))
        return self._program.schema(after) > self._program.schema(self._slots.folder(_of(entry.was)))

    def _start_back(self, entry: Entry) -> Entry:
        if self._slots.current() is not None:
            self._system.start()
        return entry

    def _clear(self, entry: Entry) -> Entry:
        clear(self._layout.incoming)
        return entry

    def _reset(self, entry: Entry) -> Entry:
        self._system.stop()
        erase_state(self._layout)
        return entry.model_copy(update={"way_back": None})


def read_version(slot: Path) -> str:
    """Return the version of the program in a slot.

    Raises:
        UpdateError: the slot does not say.
    """
    try:
        return (slot / VERSION_FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise UpdateError(f"cannot read {slot / VERSION_FILE}: install the package again") from exc


def _of(value: SlotName | None) -> SlotName:
    if value is None:
        raise RuntimeError("the journal names no slot in a stage that needs one")
    return value
