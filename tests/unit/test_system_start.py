"""Starting the service after an installation: a daemon that only says that it is closed has not come up."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import ActivationError
from edge_agent.installation.system import Systemd

SYSTEMCTL = """#!/bin/sh
[ "$1" = show ] && echo "{line}"
exit 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs come first."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def _say(folder: Path, line: str) -> None:
    program = folder / "systemctl"
    program.write_text(SYSTEMCTL.format(line=line))
    program.chmod(0o755)


def test_a_daemon_that_takes_cases_has_come_up(folder: Path) -> None:
    """Its status line says so."""
    _say(folder, "takes cases")
    Systemd().start()


def test_a_closed_daemon_has_not_come_up(folder: Path) -> None:
    """READY alone is not enough: the upgrade must go back to the program that could read the records."""
    _say(folder, "closed: the store /var/lib/derm-edge/store.db was written by a newer program")
    with pytest.raises(ActivationError, match="written by a newer program"):
        Systemd().start()
