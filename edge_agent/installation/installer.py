"""Bring a verified package into use and go back from it, one durable stage at a time.

Every stage can be done twice, and the journal is written before the next one begins: whenever the power goes, the next
call of ``resume`` goes on. The service stops only while the store is saved and the slots are switched. What fails
before that leaves the kiosk as it was; what fails behind it goes back to the program before, with its store.
"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from edge_agent.contracts.keys import TrustedKey
from edge_agent.contracts.local_time import PLAIN
from edge_agent.errors import ActivationError, EdgeError, Incompatible, StoreFull, UpdateError, VersionRejected
from edge_agent.installation import package as packages
from edge_agent.installation.journal import Entry, Journal, Kind, WayBack
from edge_agent.installation.layout import Layout
from edge_agent.installation.manifest import PackageManifest, is_older
from edge_agent.installation.package import Verified
from edge_agent.installation.slots import Slots
from edge_agent.installation.stage_work import Program, StageWork, System, read_version
from edge_agent.installation.steps import Event, Stage, step
from edge_agent.store.durable import make_folder

ROOM = 4  # times the package's own size: unpacked once, installed once, and room to work in


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
        self._note = note
        self._work = StageWork(layout, program=program, system=system, clock=clock, note=note)

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
        present = None if current is None else read_version(self._slots.folder(current))
        if present is not None and is_older(manifest.version, than=present) and not allow_downgrade:
            raise VersionRejected(
                f"the package holds {manifest.version}, older than {present}: bring a newer one, or add --allow-downgrade"
            )
        self._check_room(manifest)
        self._work.trust(keys)
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
        """Say in one line what ``roll_back`` would drop; empty where nothing would be. Stops the service while it asks.

        Raises:
            UpdateError: there is no way back.
        """
        way, is_restoring = self._way_back(self._idle())
        if not is_restoring:
            return ""
        self._system.stop()  # the store is asked by another process, and only one may have it
        try:
            words = self._program.losses(self._slots.folder(way.slot), way.backup) if way.backup else ""
        finally:
            self._system.start()
        return words or f"everything recorded since {PLAIN.time(way.left)}: its store is restored as it was then"

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
            version=None if current is None else read_version(self._slots.folder(current)),
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
        self._work.trust(keys)
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
                entry, event = self._work.do(entry), Event.DONE
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
                "nothing is installed" if current is None else f"{read_version(self._slots.folder(current))} is in use"
            )
            raise ActivationError(f"{fault} ({kept})")

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
        is_restoring = self._work.is_restoring(going) and (self._layout.state / "store.db").exists()
        if is_restoring and way.backup is None:
            raise UpdateError(
                f"{way.version} cannot read today's store and left no backup: factory-reset, or stay with this program"
            )
        return way, is_restoring

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
