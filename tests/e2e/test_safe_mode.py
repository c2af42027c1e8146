"""The real daemon under a broken configuration: it takes the case, says which line to mend, and runs it once that is done."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import httpx

from edge_agent.cli import run
from edge_agent.kiosk.door import URL_FILE
from tests.simulators.kiosk import PATIENCE_S, ROOT, Kiosk, wait_until


def test_a_typo_costs_no_case() -> None:
    """Stored in safe mode, with the page served; after the line is mended and SIGHUP, the same case is reported."""
    with tempfile.TemporaryDirectory(prefix="safe-") as folder, Kiosk(Path(folder)) as kiosk:
        good = kiosk.config.read_text()
        kiosk.config.write_text(f'languge = "zh"\n{good}')
        kiosk.start()
        told = kiosk.told()
        assert told["is_safe_mode"]
        assert "line 1" in told["faults"][0]
        assert told["daemon"]["child_pid"] is None
        wait_until((kiosk.state_dir / URL_FILE).exists, what="the page is not served in safe mode")
        sound = kiosk.folder / "sound.toml"
        sound.write_text(good)  # the command line of another person
        words = [*kiosk.command()[:-1], str(sound), "case", "--folder", "demo/pictures", "--json"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 40
        assert "line 1" in done.stderr
        assert kiosk.told()["pending"] == 1
        kiosk.config.write_text(good)
        assert kiosk.daemon is not None
        kiosk.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: kiosk.told().get("pending") == 0, what="the case was not run after mending")
        assert not kiosk.told()["is_safe_mode"]
        assert kiosk.stop() == 0


def test_a_key_that_is_gone_closes_the_device() -> None:
    """Never safe mode for the store: one line, a page that says what to do, code 52; the database stays as it is."""
    with tempfile.TemporaryDirectory(prefix="safe-") as folder:
        kiosk = Kiosk(Path(folder))
        assert run(["--config", str(kiosk.config), "status"]) == 0
        (kiosk.state_dir / "store.key").unlink()
        before = (kiosk.state_dir / "store.db").read_bytes()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(kiosk.folder / "n"))
            manager.settimeout(PATIENCE_S)
            _closed(kiosk, manager)
        assert not (kiosk.state_dir / URL_FILE).exists()
        assert "restore it from its backup" in kiosk.log()
        assert (kiosk.state_dir / "store.db").read_bytes() == before


def _closed(kiosk: Kiosk, manager: socket.socket) -> None:
    """Start it, read the page and what the service manager hears, and end it."""
    environment = {**os.environ, "NOTIFY_SOCKET": str(kiosk.folder / "n")}
    with (kiosk.folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(kiosk.command("run"), cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        address = kiosk.state_dir / URL_FILE
        wait_until(lambda: address.exists() or daemon.poll() is not None, what="there is no page")
        page = httpx.get(address.read_text(encoding="utf-8").strip())
        assert page.status_code == 503
        assert "The device&#39;s records cannot be read." in page.text
        assert "Write on paper and call the technician." in page.text
        said = [manager.recv(4096).decode() for _ in range(2)]
        assert said[0].startswith("STATUS=closed: ")  # an upgrade reads it and rolls back
        assert said[1] == "READY=1"
        daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 52
    finally:
        daemon.kill()
        daemon.wait()
