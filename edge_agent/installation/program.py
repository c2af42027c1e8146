"""Fill a slot with a program and ask that program things: it alone knows its store and its checks.

Each call is a process of its own, from the slot it asks: one version never imports another one's modules.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import ActivationError, StoreError, UpdateError

SERVICE_USER = "derm-edge"
VITAL = frozenset({"profile", "bundle", "device", "store"})  # hub, camera, screen may be plugged in later
FILL_TIMEOUT_S = 900.0
ASK_TIMEOUT_S = 300.0
_SCHEMA = "from edge_agent.store.schema import MIGRATIONS; print(len(MIGRATIONS))"
_WROTE = re.compile(r"^wrote (?P<path>.+\.bak)(;|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a program's doctor found: its lines, and those that no working kiosk can have."""

    lines: tuple[str, ...]
    vital: tuple[str, ...]


class SlotProgram:
    """Install into slots and ask what is in them.

    Args:
        config: the configuration that the programs are asked under.
        user: whose rights they get (as root); None keeps this process's, for a root that is not ``/``.
    """

    def __init__(self, config: Path, *, user: str | None) -> None:
        self._config = config
        self._user = user

    def fill(self, slot: Path, *, incoming: Path, version: str) -> None:
        """Make the slot's environment from the unpacked wheels, without any network, and look that it is whole.

        Raises:
            ActivationError: pip refused, or the program does not start as this version.
        """
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        python, wheels = slot / "venv" / "bin" / "python", incoming / "wheels"
        pip = [str(python), "-I", f"{next(iter(sorted(wheels.glob('pip-*.whl'))), wheels / 'pip.whl')}/pip"]
        quiet = ["--disable-pip-version-check", "--no-input", "--no-cache-dir", "-q"]
        offline = ["--no-index", "--find-links", str(wheels), "--only-binary", ":all:", "--require-hashes"]
        _run([str(base), "-I", "-m", "venv", "--without-pip", str(slot / "venv")], timeout_s=FILL_TIMEOUT_S)
        _run(
            [*pip, "install", *quiet, *offline, "-r", str(incoming / "requirements.txt")],
            timeout_s=FILL_TIMEOUT_S,
        )
        _run([*pip, "check", "--disable-pip-version-check"], timeout_s=ASK_TIMEOUT_S)
        said = _run([_command(slot), "--version"], timeout_s=ASK_TIMEOUT_S)
        if version not in said.split():
            raise ActivationError(
                f"the new program calls itself {said.strip()!r}, not {version}; fetch the package again"
            )
        os.sync()  # pip flushes nothing; the journal says “filled” next

    def schema(self, slot: Path) -> int:
        """Return the store's schema that a slot's program knows.

        Raises:
            ActivationError: the program does not answer.
        """
        return int(_run([str(slot / "venv" / "bin" / "python"), "-I", "-c", _SCHEMA], timeout_s=ASK_TIMEOUT_S))

    def doctor(self, slot: Path) -> Findings:
        """Run the slot's own ``doctor --quick``; a finding is no error here.

        Raises:
            ActivationError: it could not even be run to its end.
        """
        who = ["--user", self._user] if self._user else []
        lines = tuple(self._done(slot, ["doctor", "--quick", *who], as_service=False).stdout.splitlines())
        failed = [line for line in lines if line.startswith("✗")]
        if not lines:
            raise ActivationError("the new program's doctor said nothing; fetch the package again")
        return Findings(lines, tuple(line for line in failed if line.split()[1] in VITAL))

    def backup(self, slot: Path) -> str:
        """Let the slot's program write a backup of the store, and return the backup's name.

        Raises:
            StoreError: it could not.
        """
        done = self._done(slot, ["store", "backup"], as_service=True)
        match = _WROTE.search(done.stdout)
        if done.returncode or match is None:
            raise StoreError(f"no backup of the store could be written ({_last(done)}); nothing was changed")
        return Path(match["path"]).name

    def restore(self, slot: Path, backup: str) -> None:
        """Let the slot's program put a backup in the store's place; cases that came later are dropped.

        Raises:
            StoreError: it could not.
        """
        done = self._done(slot, ["store", "restore", backup, "--drop-later-cases"], as_service=True)
        if done.returncode:
            raise StoreError(f"the backup {backup} could not be restored ({_last(done)})")

    def losses(self, slot: Path, backup: str) -> str:
        """Say in the slot's program's words what a restore would drop; changes nothing. Empty where it cannot say."""
        done = self._done(slot, ["store", "restore", backup, "--dry-run"], as_service=True)
        return "" if done.returncode else done.stdout.strip()

    def _done(self, slot: Path, words: Sequence[str], *, as_service: bool) -> subprocess.CompletedProcess[str]:
        before = ["runuser", "-u", self._user, "--"] if as_service and self._user else []
        return _completed([*before, _command(slot), "--config", str(self._config), *words], timeout_s=ASK_TIMEOUT_S)


def _command(slot: Path) -> str:
    return str(slot / "venv" / "bin" / "derm-edge")


def _run(command: Sequence[str], *, timeout_s: float) -> str:
    done = _completed(command, timeout_s=timeout_s)
    if done.returncode:
        raise ActivationError(
            f"the new program could not be put into its slot ({_last(done)}); fetch the package again"
        )
    return done.stdout


def _completed(command: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd="/", env=_environment()
        )
    except subprocess.TimeoutExpired as exc:
        raise ActivationError(f"{Path(command[0]).name} did not end within {timeout_s:.0f} s; try again") from exc
    except OSError as exc:
        raise UpdateError(f"cannot run {command[0]}: {exc.strerror}; install the package again") from exc


def _environment() -> dict[str, str]:
    """Return this process's environment without what would lend a slot somebody else's modules or settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "DERM_EDGE_"))}


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a program said, for one line of an error."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1][:300] if lines else f"exit code {done.returncode}"
