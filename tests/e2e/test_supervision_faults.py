"""The daemon's own process, killed, hung and crashed in every part: nothing is lost, and what is degraded is said."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from edge_agent.case_wire import pack_case
from edge_agent.commands.submission import ask
from edge_agent.contracts.case import Case
from edge_agent.ipc import SOCKET_NAME, Kind, Message, connect, read_message, write_message
from tests.simulators.cases import case, form
from tests.simulators.kiosk import ROOT, wait_until

PATIENCE_S = 60.0
QUICK_JOB = "[inference]\njob_timeout_s = 1.0\n"


class QuickKiosk:
    """One state folder, and a daemon whose engine is the stand-in."""

    def __init__(self, folder: Path, *, more: str = "") -> None:
        self.folder = folder
        self.state_dir = folder / "s"
        self.config = folder / "config.toml"
        self.config.write_text(f'state_dir = "{self.state_dir}"\n{more}', encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, behaviour: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the daemon and wait until it takes cases."""
        (self.state_dir / SOCKET_NAME).unlink(missing_ok=True)
        with (self.folder / "err").open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.simulators.quick_daemon", str(self.config), behaviour],
                cwd=ROOT,
                stderr=err,
                env={**os.environ, **environment},
            )
        process = self.process
        wait_until(lambda: process.poll() is not None or self.status() is not None, what="the daemon did not start")
        assert process.poll() is None, (self.folder / "err").read_text()
        return process

    def status(self) -> dict[str, Any] | None:
        """Return what the daemon tells of itself; None while none answers."""
        answer = ask(self.state_dir, Message(body={"kind": Kind.STATUS}), timeout_s=PATIENCE_S)
        return None if answer is None else dict(answer.body)

    def told(self) -> dict[str, Any]:
        """Return the status of a daemon that answers."""
        status = self.status()
        assert status is not None
        return status

    def give(
        self, name: str, *, given: Case | None = None, on_progress: Callable[[], None] = lambda: None
    ) -> Message | None:
        """Hand in a case and return what ends it."""
        channel = connect(self.state_dir, timeout_s=PATIENCE_S)
        assert channel is not None
        with channel, channel.makefile("rwb") as stream:
            peer = cast(BinaryIO, stream)
            write_message(peer, pack_case(given or case(case_id=name), language="en"))
            while (message := read_message(peer)) is not None:
                if message.kind == Kind.PROGRESS:
                    on_progress()
                if message.kind in (Kind.REPORT, Kind.ERROR):
                    return message
        return None


@contextmanager
def _kiosk(more: str = "") -> Iterator[QuickKiosk]:
    with tempfile.TemporaryDirectory(prefix="q-") as folder:
        kiosk = QuickKiosk(Path(folder), more=more)
        try:
            yield kiosk
        finally:
            if kiosk.process is not None and kiosk.process.poll() is None:
                kiosk.process.terminate()
                kiosk.process.wait(PATIENCE_S)


def _wait_for_child(kiosk: QuickKiosk, state: str = "idle") -> int:
    wait_until(lambda: kiosk.told()["daemon"]["child_state"] == state, what=f"the child was never {state}")
    return int(kiosk.told()["daemon"]["child_pid"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_ends_in_a_case_costs_the_case_nothing(number: signal.Signals) -> None:
    """Killed or crashed in the middle: another child runs the same case to its report."""
    with _kiosk() as kiosk, ThreadPoolExecutor(1) as client:
        kiosk.start("answer")
        child = _wait_for_child(kiosk)
        os.kill(child, signal.SIGSTOP)
        answer = client.submit(kiosk.give, "one")
        _wait_for_child(kiosk, "busy")
        os.kill(child, number)
        os.kill(child, signal.SIGCONT)
        end = answer.result(PATIENCE_S)
        assert end is not None
        assert end.kind == Kind.REPORT
        assert end.body["report"]["pid"] != child
        status = kiosk.told()
        assert (status["pending"], status["parts"]["inference"]["restarts"]) == (0, 1)


def test_a_child_that_hangs_is_replaced() -> None:
    """Stopped in the middle (SIGSTOP): after the job's time another child has the case, and the hung one is dead."""
    with _kiosk(QUICK_JOB) as kiosk:
        kiosk.start("answer")
        child = _wait_for_child(kiosk)
        os.kill(child, signal.SIGSTOP)
        end = kiosk.give("one")
        assert end is not None
        assert end.kind == Kind.REPORT
        assert end.body["report"]["pid"] != child
        assert not Path(f"/proc/{child}").exists()


def test_a_child_that_died_between_two_cases_is_replaced_before_the_next() -> None:
    """Nobody waits for the engine to load because it died while nothing went on."""
    with _kiosk() as kiosk:
        kiosk.start("answer")
        child = _wait_for_child(kiosk)
        os.kill(child, signal.SIGKILL)
        wait_until(
            lambda: kiosk.told()["daemon"]["child_pid"] not in (None, child), what="the child was never replaced"
        )


def test_killing_the_supervisor_in_a_case_loses_nothing() -> None:
    """kill -9 of the daemon: the next start runs the case once, and it is reported."""
    with _kiosk() as kiosk, ThreadPoolExecutor(1) as client:
        process = kiosk.start("hang")
        is_at_work = threading.Event()
        answer = client.submit(kiosk.give, "one", on_progress=is_at_work.set)
        assert is_at_work.wait(PATIENCE_S)
        process.kill()
        process.wait()
        answer.exception(PATIENCE_S)  # the client is told in its own way
        kiosk.start("answer")
        wait_until(lambda: kiosk.told()["pending"] == 0, what="the case was not run")
        assert (kiosk.folder / "err").read_text().count('"event": "case.resumed"') == 1


def test_a_case_that_kills_the_engine_is_reported_by_rules() -> None:
    """Three attempts, then the report without the model: one case cannot hold up the others."""
    with _kiosk() as kiosk:
        kiosk.start("crash-on=poison")
        end = kiosk.give("poison")
        assert end is not None
        assert end.body["report"]["is_rules_only"]
        assert kiosk.told()["parts"]["inference"]["restarts"] == 3


def test_five_crashes_degrade_the_engine_and_nothing_else() -> None:
    """An engine that dies whenever it loads: it rests, status says so, and cases go on being stored."""
    with _kiosk() as kiosk:
        marker = kiosk.folder / "broken"
        marker.touch()
        kiosk.start(f"crash-loading={marker}")
        wait_until(lambda: kiosk.told()["parts"]["inference"]["is_degraded"], what="it was never degraded")
        end = kiosk.give("one")
        assert end is not None
        assert (end.kind, end.body["error"]) == (Kind.ERROR, "StartError")
        assert "is stored" in end.body["message"]
        status = kiosk.told()
        assert (status["pending"], status["parts"]["inference"]["restarts"]) == (1, 5)
        assert status["parts"]["cases"]["state"] == "running"


def test_a_stopped_daemon_says_so_and_ends_with_zero() -> None:
    """On a real datagram socket: READY, then the watchdog is fed, then STOPPING; exit code 0 and no child left."""
    with _kiosk() as kiosk, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(kiosk.folder / "n"))
        manager.settimeout(PATIENCE_S)
        process = kiosk.start("answer", NOTIFY_SOCKET=str(kiosk.folder / "n"), WATCHDOG_USEC="300000")
        child = _wait_for_child(kiosk)
        said = [manager.recv(4096).decode() for _ in range(6)]
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        while "STOPPING=1" not in said:
            said.append(manager.recv(4096).decode())
        assert said[0] == "READY=1"
        assert "WATCHDOG=1" in said
        assert any(line.startswith("STATUS=") for line in said)
        assert not Path(f"/proc/{child}").exists()


def test_the_second_sigterm_ends_at_once() -> None:
    """A case hangs and the first SIGTERM waits for it; the second does not."""
    with _kiosk() as kiosk, ThreadPoolExecutor(1) as client:
        process = kiosk.start("hang")
        is_at_work = threading.Event()
        answer = client.submit(kiosk.give, "one", on_progress=is_at_work.set)
        assert is_at_work.wait(PATIENCE_S)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        answer.exception(PATIENCE_S)


@pytest.mark.parametrize("behaviour", ["answer", "fail", "complain", "crash-on=one"])
def test_the_log_holds_nothing_of_the_patient(behaviour: str) -> None:
    """Identifiers planted in the form are in no line, whether the case is answered, fails, is refused or kills the engine."""
    planted = form(allergy_text="penicillin-zhangsan", local_reference="bed-seventeen")
    with _kiosk() as kiosk:
        kiosk.start(behaviour)
        kiosk.give("one", given=case(case_id="one", intake=planted))
        lines = (kiosk.folder / "err").read_text() + (kiosk.state_dir / "logs" / "derm-edge.log").read_text()
    assert '"case_id": "one"' in lines or "this case does not fit" in lines  # the log did see the case
    assert "zhangsan" not in lines
    assert "seventeen" not in lines
