"""``scripts/demo``: the whole story with real programs, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.simulators.kiosk import ROOT

COMMAND = [sys.executable, "-m", "scripts.demo_main", "--once"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """The demo's place for temporary files; short, because a socket's path is limited to 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="d-") as folder:
        yield Path(folder)
        for process in processes_of(Path(folder)):  # only after a failure: the next test starts clean
            process.kill()


def environment(scratch: Path) -> dict[str, str]:
    """Return an environment that marks every process of this demo."""
    return {**os.environ, "TMPDIR": str(scratch)}


def processes_of(scratch: Path) -> list[psutil.Process]:
    """Return the running processes that the demo with this scratch folder started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(scratch) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue  # another account's, or gone in the meantime: none that this test started
    return found


def test_the_demo_ends_with_the_hubs_acknowledgement(scratch: Path) -> None:
    """One run: exit code 0, a report, the line of the hub, and no process or file of it still there."""
    done = subprocess.run(
        COMMAND, cwd=ROOT, env=environment(scratch), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "stored at hub: 1"
    assert "derm-edge" in done.stderr
    assert processes_of(scratch) == []
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=["terminal closed", "killed"])
def test_a_demo_that_is_told_to_end_leaves_nothing(scratch: Path, number: signal.Signals) -> None:
    """Closing the terminal or killing the demo, while a case runs, stops broker, hub and daemon and removes its folder."""
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment(scratch), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stderr is not None
        told = next((line for line in demo.stderr if line.startswith("[4/5]")), None)
        assert told is not None, "the demo ended before its case"
        assert len(processes_of(scratch)) >= 4  # the demo, mosquitto, hub, daemon
        demo.send_signal(number)
        demo.send_signal(number)  # a closing terminal does so: once by the shell, once by the kernel
        demo.stderr.read()
    assert demo.returncode == 128 + number
    assert processes_of(scratch) == []
    assert list(scratch.iterdir()) == []
