"""A sweep in a process of its own that is killed when it has said a certain line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_until(arguments: Sequence[str], *, lines: int | None, delay_s: float = 0.0) -> tuple[list[str], int]:
    """Run ``derm-calibrate`` until it has said so many lines, then kill it with SIGKILL.

    Args:
        arguments: of the command.
        lines: None lets it end by itself.
        delay_s: the kill comes so many seconds after the last of these lines.

    Returns:
        What it said, and its exit code (-9 after a kill).
    """
    command = [sys.executable, "-m", "calibration", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line.rstrip("\n"))
            if lines is not None and len(said) >= lines:
                time.sleep(delay_s)  # the moment of the kill is the subject of the test
                process.kill()
                break
        process.stderr.read()
    return said, process.returncode
