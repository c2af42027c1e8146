"""The computer around the program: systemd and udev, or nothing where the root is only a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge_agent.errors import ActivationError
from edge_agent.installation.layout import Layout
from edge_agent.ipc import CLOSED
from edge_agent.store.durable import make_folder

DAEMON, SESSION = "derm-edge.service", "derm-edge-kiosk.service"
BROWSER_PACKAGES = ("cage", "chromium")
_TIMEOUT_S = 300.0


class Systemd:
    """Work on this computer, as root. Untested on hardware: a container has no service manager."""

    def prepare(self, layout: Layout) -> None:
        """Make accounts and folders, and let systemd and udev read what was put in place.

        Raises:
            ActivationError: one of them refused.
        """
        _run(["systemd-sysusers", str(layout.system_place("derm-edge.sysusers.conf"))])
        _run(["systemd-tmpfiles", "--create", str(layout.system_place("derm-edge.tmpfiles.conf"))])
        _run(["systemctl", "daemon-reload"])
        _run(["udevadm", "control", "--reload"])
        _run(["udevadm", "trigger", "--subsystem-match=video4linux"])

    def stop(self) -> None:
        """Stop screen and daemon; both may be stopped, or not there yet.

        Raises:
            ActivationError: the daemon goes on running.
        """
        _call(["systemctl", "stop", SESSION, DAEMON])
        if _call(["systemctl", "is-active", "--quiet", DAEMON]).returncode == 0:
            raise ActivationError(f"{DAEMON} cannot be stopped: systemctl status {DAEMON} says why")

    def start(self) -> None:
        """Enable and start daemon and screen; the daemon has answered when this returns (Type=notify).

        Raises:
            ActivationError: the daemon does not come up, or comes up only to say that it cannot open its records.
        """
        _run(["systemctl", "enable", "--quiet", DAEMON, SESSION])
        _run(["systemctl", "start", DAEMON])
        said = _call(["systemctl", "show", "--property=StatusText", "--value", DAEMON]).stdout.strip()
        if said.startswith(CLOSED):
            raise ActivationError(f"{DAEMON} cannot open its records: {said.removeprefix(CLOSED).strip()}")
        _call(["systemctl", "start", "--no-block", SESSION])  # a kiosk without a screen works without one

    def add_packages(self, folder: Path, names: Sequence[str]) -> None:
        """Install Debian packages from a folder with its own index; asks no network.

        The packages were compared with the signed list, so that apt need not ask who signed the folder.

        Raises:
            ActivationError: apt refused.
        """
        source = folder / "offline.list"
        source.write_text(f"deb [trusted=yes] file:{folder} ./\n", encoding="utf-8")
        only = [f"-oDir::Etc::sourcelist={source}", "-oDir::Etc::sourceparts=-", f"-oDir::State::lists={folder}/lists"]
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        _run(["apt-get", *only, "update"])
        quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *only]
        _run([*quiet, "install", "-y", "--no-install-recommends", *names])


class UntouchedSystem:
    """Stand beside a root that is only a folder: no service, no account; the state folder is an ordinary one."""

    def prepare(self, layout: Layout) -> None:
        """Make the state folder, which systemd would have made."""
        make_folder(layout.state)

    def stop(self) -> None:
        """Stop nothing: nothing runs from such a root."""

    def start(self) -> None:
        """Start nothing."""

    def add_packages(self, folder: Path, names: Sequence[str]) -> None:
        """Add nothing: packages belong to the computer."""


def _run(command: Sequence[str]) -> None:
    done = _call(command)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        why = lines[-1][:300] if lines else f"exit code {done.returncode}"
        raise ActivationError(f"{' '.join(command[:3])} failed: {why}")


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ActivationError(f"{command[0]} could not be run ({exc}); this needs Debian 12 with systemd") from exc
