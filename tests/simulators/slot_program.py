"""A program and a computer that an installation can be tried on: both live in files, so that they outlive a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.errors import ActivationError, StoreError
from edge_agent.installation.installer import Installer
from edge_agent.installation.layout import Layout
from edge_agent.installation.program import Findings
from edge_agent.store.durable import make_folder

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
KEYS = load_keys(shipped_key_folder())


@dataclass(frozen=True)
class WrittenProgram:
    """Stand in for the programs in the slots: ``program.json`` says what one is; its store is a JSON file too."""

    layout: Layout

    def fill(self, slot: Path, *, incoming: Path, version: str) -> None:  # noqa: ARG002  (the port's shape)
        """Copy the program."""
        shutil.copy(incoming / "wheels" / "program.json", slot / "program.json")

    def schema(self, slot: Path) -> int:
        """Return the schema that it says."""
        return int(_facts(slot)["schema"])

    def doctor(self, slot: Path) -> Findings:
        """Migrate the store, as every program does that opens it, and say whether the program works."""
        held = self.store()
        if held["schema"] > self.schema(slot):
            return Findings(("✗ store    a newer program wrote it",), ("✗ store    a newer program wrote it",))
        self._write({**held, "schema": self.schema(slot)})
        line = "✓ bundle   fine" if _facts(slot)["works"] else "✗ bundle   it is broken"
        return Findings((line,), () if _facts(slot)["works"] else (line,))

    def backup(self, slot: Path) -> str:
        """Copy the store."""
        name = f"store.db.v{self.schema(slot)}.bak"
        make_folder(self.layout.state / "backups")
        shutil.copy(self.layout.state / "store.db", self.layout.state / "backups" / name)
        return name

    def restore(self, slot: Path, backup: str) -> None:  # noqa: ARG002  (the port's shape)
        """Put the copy in the store's place."""
        source = self.layout.state / "backups" / backup
        if not source.exists():
            raise StoreError(f"the backup {backup} is gone")
        self._write(json.loads(source.read_text()))

    def losses(self, slot: Path, backup: str) -> str:  # noqa: ARG002  (the port's shape)
        """Count what came after the copy."""
        before = json.loads((self.layout.state / "backups" / backup).read_text())["cases"]
        return f"{len(set(self.store()['cases']) - set(before))} cases"

    def store(self) -> Any:
        """Return the store; an empty one where there is none."""
        path = self.layout.state / "store.db"
        return json.loads(path.read_text()) if path.exists() else {"schema": 0, "cases": []}

    def take_case(self, name: str) -> None:
        """Record a case, as the daemon would."""
        held = self.store()
        self._write({**held, "cases": [*held["cases"], name]})

    def _write(self, held: Any) -> None:
        make_folder(self.layout.state)
        part = self.layout.state / ".store.part"
        part.write_text(json.dumps(held))
        part.replace(self.layout.state / "store.db")


@dataclass(frozen=True)
class WrittenSystem:
    """Stand in for the service manager: the file ``running`` is the service."""

    layout: Layout

    def prepare(self, layout: Layout) -> None:
        """Make the state folder and a key, as the first start would."""
        make_folder(layout.state)
        if not (layout.state / "store.key").exists():
            (layout.state / "store.key").write_text("secret")

    def stop(self) -> None:
        """End the service."""
        (self.layout.root / "running").unlink(missing_ok=True)

    def start(self) -> None:
        """Begin the service, unless this computer refuses to."""
        if (self.layout.root / "refuses").exists():
            raise ActivationError("derm-edge.service does not start")
        (self.layout.root / "running").touch()

    def is_running(self) -> bool:
        """Say whether the service runs."""
        return (self.layout.root / "running").exists()

    def add_packages(self, folder: Path, names: Sequence[str]) -> None:  # noqa: ARG002  (the port's shape)
        """Note which packages were asked for."""
        (self.layout.root / "debs").write_text(" ".join(names))


@dataclass(frozen=True)
class Kiosk:
    """A whole kiosk in one folder."""

    layout: Layout

    @property
    def program(self) -> WrittenProgram:
        """Return its programs."""
        return WrittenProgram(self.layout)

    @property
    def system(self) -> WrittenSystem:
        """Return its service manager."""
        return WrittenSystem(self.layout)

    def installer(self) -> Installer:
        """Return an installer, as a fresh process would have it."""
        return Installer(
            self.layout, program=self.program, system=self.system, clock=lambda: NOON, note=lambda _line: None
        )

    def version(self) -> str | None:
        """Return the version in use."""
        place = self.layout.current / "VERSION"
        return place.read_text().strip() if place.exists() else None

    def check_whole(self) -> None:
        """Assert what must hold whenever nothing is under way."""
        slot = self.layout.current.resolve()
        assert self.installer().entry().stage == "idle"
        assert not self.layout.incoming.exists()
        assert self.system.is_running()
        assert self.program.store()["schema"] <= self.program.schema(slot)
        for path in (slot / "system").iterdir():
            assert self.layout.system_place(path.name).read_bytes() == path.read_bytes()
        rules = [path.name for path in self.layout.system_place("x.rules").parent.iterdir()]
        assert rules == [f"only-{self.version()}.rules"]


def _facts(slot: Path) -> Any:
    return json.loads((slot / "program.json").read_text())
