"""The units: systemd accepts them, and says how little they expose."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEM = Path(__file__).resolve().parents[2] / "edge_agent" / "system"
UNITS = ["derm-edge.service", "derm-edge-kiosk.service"]
# systemd-analyze's own scale, 0 (sandboxed) to 10. The session runs a browser, whose own sandbox needs namespaces.
BOUNDS = {"derm-edge.service": 2.0, "derm-edge-kiosk.service": 5.0}


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    """No unknown key, no bad value; the programs that they start are put in place of those of a kiosk."""
    for one in UNITS:
        text = re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", (SYSTEM / one).read_text(), flags=re.MULTILINE)
        (tmp_path / one).write_text(text)
    done = _analyze("verify", "--recursive-errors=no", str(tmp_path / name))
    complaints = [line for line in done.stderr.splitlines() if "derm-edge" in line and "doc" not in line]
    assert complaints == []


@pytest.mark.parametrize("name", UNITS)
def test_the_exposure_is_bounded(name: str) -> None:
    """``systemd-analyze security`` gives at most the stated level, and fails above it."""
    bound = BOUNDS[name]
    done = _analyze("security", "--offline=true", f"--threshold={bound * 10:.0f}", str(SYSTEM / name))
    assert done.returncode == 0, done.stdout[-500:]


def test_the_bound_can_fail(tmp_path: Path) -> None:
    """A unit without any sandbox is over the bound: the gate above is a gate."""
    unit = tmp_path / "open.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert _analyze("security", "--offline=true", "--threshold=20", str(unit)).returncode != 0


def test_no_picture_leaves_memory() -> None:
    """No core dumps and no swap, in either unit."""
    for name in UNITS:
        text = (SYSTEM / name).read_text()
        assert "LimitCORE=0" in text
        assert "MemorySwapMax=0" in text


def test_the_session_starts_a_script_that_the_shell_accepts() -> None:
    """``sh -n`` on the file that the unit starts."""
    assert shutil.which("sh")
    assert subprocess.run(["sh", "-n", str(SYSTEM / "kiosk-session")], check=False).returncode == 0
