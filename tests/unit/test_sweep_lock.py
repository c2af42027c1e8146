"""One sweep at a time in a folder; the lock goes with the last process that holds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from calibration.sweep.lock import locked
from edge_agent.errors import ConfigError

HOLD = """
import sys
from pathlib import Path
from calibration.sweep.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_sweep_is_refused_while_the_first_lives_and_not_afterwards(tmp_path: Path) -> None:
    """Another process holds the lock; SIGKILL frees it without anybody cleaning up."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="another sweep runs in"), locked(tmp_path, wait_s=0):
            pytest.fail("two sweeps in one folder")
        other.kill()
        with locked(tmp_path):
            pass


def test_a_worker_that_still_runs_keeps_the_lock(tmp_path: Path) -> None:
    """Who inherited the descriptor holds the lock, though the sweep itself is gone."""
    with locked(tmp_path) as lock:
        worker = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with worker:
        with pytest.raises(ConfigError, match="another sweep"), locked(tmp_path, wait_s=0):
            pytest.fail("the worker was overlooked")
        worker.kill()
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_a_wrong_argument(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="choose another --out"), locked(tmp_path / "file"):
        pytest.fail("locked nothing")
