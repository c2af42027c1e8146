"""A sweep in a process of its own that is killed at a moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_for(arguments: Sequence[str], *, seconds: float | None, program: Path = ROOT) -> tuple[list[str], int]:
    """Run ``derm-calibrate`` for so long, then kill it with SIGKILL.

    Args:
        arguments: of the command.
        seconds: from its start; None lets it end by itself.
        program: the folder that holds the packages.

    Returns:
        What it said, and its exit code (-9 after a kill).
    """
    command = [sys.executable, "-m", "calibration", *arguments]
    environment = os.environ | {"PYTHONPATH": str(program), "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, cwd=program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        timer = None if seconds is None else threading.Timer(seconds, process.kill)
        if timer is not None:
            timer.start()
        said = [line.rstrip("\n") for line in process.stderr]
        process.wait()
        if timer is not None:
            timer.cancel()
    return said, process.returncode
