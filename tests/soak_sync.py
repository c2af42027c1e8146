"""Kill device, broker and hub at random moments, and check the history: nothing lost, nothing twice, nothing invented.

Run ``python -m tests.soak_sync --kills 200`` for the long loop; ``tests/e2e/test_sync.py`` runs a short one.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from tests.simulators.broker import Broker
from tests.simulators.writer import build_uplink, open_database

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0  # for a machine that is busy with something else
KINDS = ("device", "broker", "hub")


@dataclass(slots=True)
class History:
    """What the device confirmed before it was killed, and how often each process was killed."""

    finished: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


class Hub:
    """The real ``derm-fleet serve`` on a SQLite file, to be killed and started again."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.url = f"sqlite:///{folder / 'hub.db'}"
        self._folder = folder
        self._broker = broker
        self._ready = folder / "hub.ready"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the hub; does not wait until it hears devices."""
        self._ready.unlink(missing_ok=True)  # a killed hub leaves it behind
        command = [sys.executable, "-m", "fleet", "serve", "--broker", self._broker, "--database", self.url]
        command += ["--ready-file", str(self._ready)]
        with (self._folder / "hub.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self) -> None:
        """Wait until it hears devices.

        Raises:
            TimeoutError: it does not in time.
        """
        _wait_until(self._ready.exists, what="the hub hears devices")

    def status(self) -> dict[str, object]:
        """Return what ``derm-fleet status --json`` says."""
        command = [sys.executable, "-m", "fleet", "status", "--json", "--database", self.url]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        return dict(json.loads(done.stdout))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Device:
    """The device process, and what it has confirmed."""

    def __init__(self, folder: Path, broker: str, history: History) -> None:
        self._command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "tests.simulators.writer",
            "--state",
            str(folder),
            "--broker",
            broker,
        ]
        self._log = folder / "device.log"
        self._history = history
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it and keep reading what it confirms."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*self._command, "--pause", "0.05", "--withdraw"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stdin=subprocess.PIPE,
                stderr=log,
            )
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,))
        self._reader.start()

    def kill(self) -> None:
        """End it with SIGKILL and take in its last words."""
        if self._process is not None and self._reader is not None:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process = None

    def wait_for(self, more: int) -> None:
        """Wait until it has confirmed so many more results.

        Raises:
            AssertionError: it ended by itself.
            TimeoutError: it does not go on.
        """
        goal = len(self._history.finished) + more

        def is_there() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, "the device ended by itself"
            return len(self._history.finished) >= goal

        try:
            _wait_until(is_there, what="the device stores cases")
        except TimeoutError:
            if self._process is not None:
                self._process.send_signal(signal.SIGABRT)  # its threads' stacks go to its log
                self._process.wait()
                _say(self._log.read_text(encoding="utf-8", errors="replace")[-20_000:])
            raise

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the writer needs pipes")
        for line in process.stdout:
            if not line.endswith(b"\n"):
                continue  # killed in the middle of a word: not confirmed
            words = line.decode().split()
            if words[0] == "finished":
                self._history.finished.add(words[2])
            elif words[0] == "withdrawn":
                self._history.withdrawn.add(words[1])
        process.stdout.close()
        process.stdin.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def kill_at_random(folder: Path, *, kills: int, seed: int, say: Callable[[str], None]) -> History:
    """Run device, broker and hub, kill one of them ``kills`` times, let everything settle, check the history.

    Raises:
        AssertionError: something confirmed is not at the hub, is there twice, or was never confirmed.
    """
    moments, history = random.Random(seed), History()
    state = folder / "device"
    state.mkdir()
    with Broker(folder) as broker, Hub(folder, broker.url) as hub, Device(state, broker.url, history) as device:
        victims = [KINDS[number % len(KINDS)] for number in range(kills)]  # each of them dies, in a random order
        moments.shuffle(victims)
        for number, victim in enumerate(victims):
            history.kills[victim] += 1
            hub.wait()  # else a slow machine would only ever kill what is still starting
            device.wait_for(moments.randrange(1, 20))
            time.sleep(moments.uniform(0.0, 0.5))  # the moment of the kill is the subject
            if victim == "broker":
                broker.restart()
            else:
                target = hub if victim == "hub" else device
                target.kill()
                target.start()
            say(f"kill {number + 1}/{kills}: {victim}; {len(history.finished)} results confirmed by the device")
        device.kill()
        hub.wait()
        _deliver_rest(state, broker.url)
        _check(state, hub, history)
    return history


def _wait_until(is_so: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_S:g} s in vain until {what}")
        time.sleep(0.02)  # a poll of other processes, with a deadline


def _deliver_rest(state: Path, broker: str) -> None:
    with open_database(state) as database:
        report = build_uplink(database, state, broker).sync_once(PATIENCE_S)
    assert (report.queued, report.sent, report.rejected, report.quarantined) == (0, 0, 0, 0), report


def _check(state: Path, hub: Hub, history: History) -> None:
    """Compare the device's own cases, what it confirmed, and what the hub holds."""
    with open_database(state) as database:
        reported = {row[0] for row in database.rows("SELECT record_id FROM cases WHERE state = 'reported'")}
        withdrawn = {row[0] for row in database.rows("SELECT record_id FROM cases WHERE withdrawn = 1")}
        assert database.rows("SELECT count(*) FROM outbox") == [(0,)], "rows stay in the outbox"
    engine = sa.create_engine(hub.url)
    with engine.connect() as connection:
        results = list(connection.scalars(sa.text("SELECT record_id FROM results")))
        tombstones = set(connection.scalars(sa.text("SELECT record_id FROM tombstones")))
    engine.dispose()
    assert history.finished <= reported, "the device lost what it had confirmed"
    assert history.withdrawn <= withdrawn, "the device lost a withdrawal that it had confirmed"
    assert len(results) == len(set(results)), "a result is stored twice"
    assert set(results) == reported - withdrawn, "lost, invented, or not withdrawn"
    assert tombstones == withdrawn, "a withdrawal is lost or invented"
    status = hub.status()
    assert (status["missing"], status["conflicts"], status["rejected"]) == (0, 0, 0), status


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the long loop and print the counts."""
    parser = argparse.ArgumentParser(description="Kill device, broker and hub at random; check that nothing is lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    _say(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="derm-soak-") as folder:
        history = kill_at_random(Path(folder), kills=options.kills, seed=options.seed, say=_say)
    kills = ", ".join(f"{name} {count}" for name, count in history.kills.items())
    _say(f"kills: {kills}; results: {len(history.finished)}; withdrawals: {len(history.withdrawn)}; lost: 0; twice: 0")


if __name__ == "__main__":
    main()
