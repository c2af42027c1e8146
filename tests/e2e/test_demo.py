"""``scripts/demo``: the whole story with real programs, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.simulators.kiosk import ROOT


def test_the_demo_ends_with_the_hubs_acknowledgement() -> None:
    """One run: exit code 0, a report, the line of the hub, and no process of it still there."""
    before = {process.pid for process in psutil.process_iter()}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo_main", "--once"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "stored at hub: 1"
    assert "derm-edge" in done.stderr
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid not in before and any("derm-demo-" in word for word in process.info["cmdline"] or [])
    ]
    assert left == []
