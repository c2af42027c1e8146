"""Bring a verified package into use and go back from it, one durable stage at a time.

Every stage can be done twice, and the journal is written before the next one begins: whenever the power goes, the next
call of ``resume`` goes on. The service stops only while the store is saved and the slots are switched. What fails
before that leaves the kiosk as it was; what fails behind it goes back to the program before, with its store.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from edge_agent.contracts.keys import TrustedKey
from edge_agent.errors import ActivationError, EdgeError, Incompatible, StoreFull, UpdateError, VersionRejected
from edge_agent.installation import package as packages
from edge_agent.installation.journal import Entry, Journal, Kind, SlotName, WayBack
from edge_agent.installation.layout import Layout
from edge_agent.installation.manifest import PackageManifest, is_older
from edge_agent.installation.package import Verified
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
from edge_agent.installation.steps import Event, Stage, step
from edge_agent.store.durable import make_folder, replace_file

VERSION_FILE = "VERSION"
ROOM = 4  # times the package's own size: unpacked once, installed once, and room to work in


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


class Installer:
    """Install, upgrade, go back, reset; one at a time (the caller holds the lock).

    Args:
        layout: where everything lies.
        program: asks the slots.
        system: the computer around.
        clock: dates the way back, aware UTC.
        note: told in one line what is being done.
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
        self._journal = Journal(layout.journal)
        self._program = program
        self._system = system
        self._clock = clock
        self._note = note
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
        self._keys: Sequence[TrustedKey] = ()

    def entry(self) -> Entry:
        """Return what is under way."""
        return self._journal.read()

    def bring(
        self, place: Path, *, keys: Sequence[TrustedKey], profile: str = "generic", allow_downgrade: bool = False
    ) -> Verified:
        """Install a package, or upgrade to it where a program is there already.

        Args:
            place: the package.
            keys: whom this kiosk believes.
            profile: written into the configuration where there is none yet.
            allow_downgrade: also to an older version.

        Raises:
            RejectedError: the package is not trusted; nothing was touched.
            Incompatible: right package, wrong computer; nothing was touched.
            ActivationError: it failed, and the program before is in use again.
            UpdateError: something else is under way, or it failed before anything changed.
        """
        before = self._idle()
        verified = packages.verify(place, keys=keys)
        manifest = verified.manifest
        _check_computer(manifest)
        current = self._slots.current()
        present = None if current is None else self._version(self._slots.folder(current))
        if present is not None and is_older(manifest.version, than=present) and not allow_downgrade:
            raise VersionRejected(
                f"the package holds {manifest.version}, older than {present}: bring a newer one, or add --allow-downgrade"
            )
        self._check_room(manifest)
        self._keys = keys
        started = Entry(
            stage=step(before.stage, Event.BEGIN),
            kind=Kind.INSTALL if current is None else Kind.UPGRADE,
            package=place.absolute(),
            profile=profile,
            slot=self._slots.free(),
            version=manifest.version,
            was=current,
            was_version=present,
            way_back=before.way_back,
        )
        self._go_on(started)
        return verified

    def losses(self) -> str:
        """Say in one line what ``roll_back`` would drop; empty where nothing would be.

        Raises:
            UpdateError: there is no way back.
        """
        way, is_restoring = self._way_back(self._idle())
        if not is_restoring:
            return ""
        words = self._program.losses(self._slots.folder(way.slot), way.backup) if way.backup else ""
        return words or f"everything recorded since {way.left:%Y-%m-%d %H:%M} UTC: its store is restored as it was then"

    def roll_back(self) -> str:
        """Go back to the program before, with its store where it cannot read today's; return its version.

        Raises:
            UpdateError: there is no way back.
        """
        before = self._idle()
        way, is_restoring = self._way_back(before)
        current = self._slots.current()
        going = Entry(
            stage=step(before.stage, Event.GO_BACK),
            kind=Kind.ROLLBACK,
            slot=current,
            version=None if current is None else self._version(self._slots.folder(current)),
            was=way.slot,
            was_version=way.version,
            backup=way.backup if is_restoring else None,
            has_run=True,
        )
        self._go_on(going)
        return way.version

    def reset(self) -> None:
        """Delete the kiosk's whole state, its keys first; program and settings stay.

        Raises:
            UpdateError: nothing is installed, or something else is under way.
        """
        before = self._idle()
        current = self._slots.current()
        self._go_on(Entry(stage=step(before.stage, Event.RESET), kind=Kind.FACTORY_RESET, was=current))

    def resume(self, *, keys: Sequence[TrustedKey] = ()) -> bool:
        """Go on where a power cut or a failure stopped; return whether there was anything to do.

        Raises:
            ActivationError: it failed, and the program before is in use again.
            UpdateError: it failed again on the way back.
        """
        entry = self._journal.read()
        if entry.stage is Stage.IDLE:
            return False
        self._keys = keys
        self._go_on(entry)
        return True

    def _go_on(self, entry: Entry) -> None:
        """Do one stage after the other, each written down before it begins."""
        make_folder(self._layout.prefix)
        self._layout.prefix.chmod(0o755)
        self._journal.write(entry)
        while entry.stage is not Stage.IDLE:
            self._note(entry.stage)
            stage = entry.stage
            try:
                entry, event = self._actions[stage](entry), Event.DONE
            except EdgeError as exc:
                entry, event = entry.model_copy(update={"fault": entry.fault or str(exc)}), Event.FAIL
                following = step(stage, event)
                if following is stage:
                    self._journal.write(entry)
                    raise UpdateError(f"{exc}; when that is mended: derm-edge install --resume") from exc
            fault, following = entry.fault, step(stage, event)
            if following is Stage.IDLE:
                entry = Entry(version=entry.version, way_back=entry.way_back)
            else:
                entry = entry.model_copy(update={"stage": following})
            self._journal.write(entry)
        if fault is not None:
            current = self._slots.current()
            kept = (
                "nothing is installed" if current is None else f"{self._version(self._slots.folder(current))} is in use"
            )
            raise ActivationError(f"{fault} ({kept})")

    def _unpack(self, entry: Entry) -> Entry:
        clear(self._layout.incoming)
        make_folder(self._layout.incoming)
        if entry.package is None or not entry.package.exists():
            raise UpdateError(f"the package {entry.package} is gone: begin again with it")
        verified = packages.unpack(entry.package, keys=self._keys, into=self._layout.incoming)
        if verified.manifest.version != entry.version:
            raise UpdateError(f"{entry.package} is another package than before: begin again with it")
        replace_file(
            self._layout.incoming / "packages.txt", "\n".join(verified.manifest.debian_packages).encode("ascii")
        )
        return entry

    def _fill(self, entry: Entry) -> Entry:
        incoming, slot = self._layout.incoming, self._slots.empty(_of(entry.slot))
        debs = incoming / "debs"
        if debs.is_dir():
            names = (incoming / "packages.txt").read_text("ascii").split()
            self._system.add_packages(debs, [name.partition("=")[0] for name in names])
        self._program.fill(slot, incoming=incoming, version=str(entry.version))
        for folder in (SYSTEM_FOLDER, DEFAULTS_FOLDER):
            if (incoming / folder).is_dir():
                shutil.copytree(incoming / folder, slot / folder)
        replace_file(slot / VERSION_FILE, f"{entry.version}\n".encode())
        (slot / VERSION_FILE).chmod(0o644)
        os.sync()  # pip flushes nothing
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
        if entry.was is not None and entry.backup is not None and entry.has_run and self._is_restoring(entry):
            self._program.restore(self._slots.folder(entry.was), entry.backup)
        return entry

    def _is_restoring(self, entry: Entry) -> bool:
        """Say whether the program before cannot read what the one after may have written."""
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

    def _idle(self) -> Entry:
        entry = self._journal.read()
        if entry.stage is not Stage.IDLE:
            raise UpdateError(
                f"an {entry.kind or 'installation'} is under way ({entry.stage}): derm-edge install --resume"
            )
        return entry

    def _way_back(self, entry: Entry) -> tuple[WayBack, bool]:
        way, current = entry.way_back, self._slots.current()
        if way is None or current is None:
            raise UpdateError("there is no program before this one: derm-edge upgrade with the package that you want")
        going = Entry(slot=current, was=way.slot)
        is_restoring = self._is_restoring(going) and (self._layout.state / "store.db").exists()
        if is_restoring and way.backup is None:
            raise UpdateError(
                f"{way.version} cannot read today's store and left no backup: factory-reset, or stay with this program"
            )
        return way, is_restoring

    def _version(self, slot: Path) -> str:
        try:
            return (slot / VERSION_FILE).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise UpdateError(f"cannot read {slot / VERSION_FILE}: install the package again") from exc

    def _check_room(self, manifest: PackageManifest) -> None:
        place = next(one for one in (self._layout.prefix, *self._layout.prefix.parents) if one.exists())
        needed, free = ROOM * sum(entry.size_bytes for entry in manifest.files), shutil.disk_usage(place).free
        if free < needed:
            raise StoreFull(
                f"{needed / 1e6:.0f} MB must be free below {place}, {free / 1e6:.0f} MB are: free disk space"
            )


def _check_computer(manifest: PackageManifest) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if manifest.python != python:
        raise Incompatible(
            f"the package is for Python {manifest.python}, this is {python}: fetch the one for Debian 12"
        )
    if manifest.architecture != platform.machine():
        raise Incompatible(f"the package is for {manifest.architecture}, this computer is {platform.machine()}")


def _of(value: SlotName | None) -> SlotName:
    if value is None:
        raise RuntimeError("the journal names no slot in a stage that needs one")
    return value
