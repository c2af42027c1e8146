"""The daemon with its real inference child on the reference bundle: whatever is killed, no case is lost."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.simulators.kiosk import DEMO, PATIENCE_S, Kiosk, wait_until

CONSENT = ("--intake", str(DEMO / "intake.json"), "--consent", str(DEMO / "consent.json"))


@pytest.fixture
def kiosk() -> Iterator[Kiosk]:
    """A device with a running daemon, in a folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="kiosk-") as folder, Kiosk(Path(folder)) as device:
        device.start()
        yield device


def test_the_daemon_answers_like_the_command_line_alone(kiosk: Kiosk) -> None:
    """Same case, same report, with and without the daemon, but for its id, its times and its timings."""
    through_daemon = json.loads(kiosk.begin_case(*CONSENT).communicate()[0])
    assert kiosk.stop() == 0
    alone = json.loads(kiosk.begin_case(*CONSENT).communicate()[0])
    for report in (through_daemon, alone):
        del report["case_id"], report["created"], report["triage"]["deadline"], report["provenance"]["timings_ms"]
    assert through_daemon == alone


def test_killing_the_inference_child_loses_nothing(kiosk: Kiosk) -> None:
    """kill -9 of the child in the middle of a case: the client still gets its report, from a new child."""
    child = kiosk.freeze_child()
    case = kiosk.begin_case(*CONSENT)
    wait_until(lambda: kiosk.status()["daemon"]["child_state"] == "busy", what="the case never reached the child")
    os.kill(child.pid, signal.SIGKILL)
    out, _ = case.communicate(timeout=PATIENCE_S)
    assert case.returncode == 0
    assert json.loads(out)["provenance"]["bundle"]
    status = kiosk.status()
    assert status["daemon"]["child_pid"] != child.pid
    assert status["pending"] == 0
    assert status["outbox"]["queued"] + status["outbox"]["sent"] == 1


def test_killing_the_supervisor_loses_nothing(kiosk: Kiosk) -> None:
    """kill -9 of the supervisor in the middle of a case: the next start resumes it, once."""
    child = kiosk.freeze_child()
    case = kiosk.begin_case(*CONSENT)
    wait_until(lambda: kiosk.status()["daemon"]["child_state"] == "busy", what="the case never reached the child")
    kiosk.kill()
    os.kill(child.pid, signal.SIGCONT)
    case.communicate(timeout=PATIENCE_S)
    assert case.returncode == 40
    assert "resumes case" in kiosk.case_notes()
    assert psutil.wait_procs([child], timeout=PATIENCE_S)[1] == []  # the child notices by itself
    assert kiosk.status()["pending"] == 1
    kiosk.start()
    wait_until(lambda: kiosk.status()["cases"]["reported"] == 1, what="the case was not resumed")
    status = kiosk.status()
    assert status["pending"] == 0
    assert status["outbox"]["queued"] + status["outbox"]["sent"] == 1


def test_a_case_without_consent_never_enters_the_outbox(kiosk: Kiosk) -> None:
    """A test case is reported, marked, and leaves no record for the hub."""
    out, _ = kiosk.begin_case().communicate(timeout=PATIENCE_S)
    assert json.loads(out)["is_test_case"] is True
    assert set(kiosk.status()["outbox"].values()) == {0}


def test_sigterm_ends_daemon_and_child(kiosk: Kiosk) -> None:
    """A clean stop: exit code 0, no process left."""
    child = psutil.Process(kiosk.status()["daemon"]["child_pid"])
    assert kiosk.stop() == 0
    assert not child.is_running()
    assert kiosk.status()["daemon"] is None


def test_a_second_daemon_is_refused(kiosk: Kiosk) -> None:
    """Two supervisors on one state folder would run every case twice."""
    done = kiosk.run("run")
    assert done.returncode == 40
    assert "another derm-edge uses" in done.stderr
    assert kiosk.status()["daemon"] is not None


def test_another_bundle_than_the_daemons_is_refused(kiosk: Kiosk, tmp_path: Path) -> None:
    """--bundle never silently answers with the daemon's model."""
    done = kiosk.run("case", "--folder", str(DEMO / "pictures"), "--bundle", str(tmp_path))
    assert done.returncode == 10
    assert "the running daemon uses the bundle" in done.stderr
