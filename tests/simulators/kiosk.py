"""A device made of its real programs: a daemon process that may be killed, and the command line beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from edge_agent.commands.submission import ask
from edge_agent.ipc import SOCKET_NAME, Kind, Message

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
PATIENCE_S = 120.0


def wait_until(condition: Callable[[], bool], *, what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return once a condition about other processes holds.

    Raises:
        TimeoutError: it did not in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)  # a poll of other processes, with a deadline


class Kiosk:
    """Own one state folder and, while it runs, one daemon. Leaving the ``with`` block ends what is left.

    Args:
        folder: an empty folder with a short path (sockets allow 107 bytes).
        broker_url: where its hub is reached; the default answers nobody.
    """

    def __init__(self, folder: Path, *, broker_url: str = "mqtt://127.0.0.1:9") -> None:
        self.folder = folder
        self.state_dir = folder / "device"
        self.config = folder / "config.toml"
        self.config.write_text(f'state_dir = "{self.state_dir}"\n[broker]\nurl = "{broker_url}"\n', encoding="utf-8")
        self.daemon: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> list[str]:
        """Return the command line for ``derm-edge WORDS`` with this device's configuration."""
        return [sys.executable, "-m", "edge_agent", "--config", str(self.config), *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            self.command(*words), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    def begin_case(self, *words: str) -> subprocess.Popen[str]:
        """Start ``derm-edge case --json`` on the demo's pictures and return it running."""
        stderr = (self.folder / "case.err").open("w")
        with stderr:
            return subprocess.Popen(
                self.command("case", "--folder", str(DEMO / "pictures"), "--json", *words),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def case_notes(self) -> str:
        """Return what the case started last has written to stderr."""
        return (self.folder / "case.err").read_text(encoding="utf-8")

    def status(self) -> dict[str, Any]:
        """Return ``derm-edge status --json``."""
        done = self.run("status", "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def start(self, **environment: str) -> None:
        """Start the daemon, with more of an environment, and wait until it takes cases."""
        (self.state_dir / SOCKET_NAME).unlink(missing_ok=True)
        with (self.folder / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                self.command("run"), cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **environment}
            )
        daemon = self.daemon
        wait_until(
            lambda: (self.state_dir / SOCKET_NAME).exists() or daemon.poll() is not None,
            what="the daemon did not start",
        )
        assert daemon.poll() is None, self.log()
        wait_until(
            lambda: daemon.poll() is not None or self.told()["daemon"]["child_state"] in ("idle", "held"),
            what="the engine was not loaded",
        )
        assert daemon.poll() is None, self.log()

    def told(self) -> dict[str, Any]:
        """Return the status as the daemon itself tells it, without a program in between."""
        answer = ask(self.state_dir, Message(body={"kind": Kind.STATUS}), timeout_s=PATIENCE_S)
        return {"daemon": {"child_state": "no daemon"}} if answer is None else dict(answer.body)

    def log(self) -> str:
        """Return the daemon's log."""
        return (self.folder / "daemon.log").read_text(encoding="utf-8")

    def kill(self) -> None:
        """End the daemon with SIGKILL."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def stop(self) -> int:
        """End the daemon with SIGTERM and return its exit code."""
        assert self.daemon is not None
        self.daemon.terminate()
        return self.daemon.wait(PATIENCE_S)

    def freeze_child(self) -> psutil.Process:
        """Stop the inference child (SIGSTOP), so that the next case is caught in the middle for sure."""
        child = psutil.Process(self.status()["daemon"]["child_pid"])
        os.kill(child.pid, signal.SIGSTOP)
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
