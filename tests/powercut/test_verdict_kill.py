"""SIGKILL while verdicts are written: the file holds the old one or the new one, never half of one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from edge_agent.devices.verdict import Standing, Verdicts

KILLS = int(os.environ.get("DERM_POWERCUT_KILLS", "10"))
ROOT = Path(__file__).parents[2]


def test_a_killed_writer_leaves_a_whole_verdict(tmp_path: Path) -> None:
    """After each kill the file parses; it is the last one that was confirmed, the test begun after it, or the next."""
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")  # shown when the test fails
    moments = random.Random(seed)
    path = tmp_path / "second_device.json"
    for _ in range(KILLS):
        command = [sys.executable, "-m", "tests.simulators.verdict_writer", str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(moments.randrange(1, 5))]
            time.sleep(moments.uniform(0.0, 0.02))  # the moment of the kill is the subject of the test
            process.kill()
            said += process.stdout.readlines()
        confirmed = int([line for line in said if line.endswith(b"\n")][-1])
        held = Verdicts(path).read()
        assert held is not None, path.read_bytes()[:200]
        if held.standing is Standing.REFUSED:
            assert int(held.figures["number"]) in {confirmed, confirmed + 1}
        else:
            assert held.standing is Standing.TESTING
        assert json.loads(path.read_text())["candidate"] == "GPU"
