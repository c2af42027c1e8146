"""The real daemon over records that cannot be opened, while a technician's command works on them."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path

from edge_agent.config import load_config
from edge_agent.ipc import SOCKET_NAME
from edge_agent.kiosk.door import URL_FILE
from edge_agent.state_dir import StateLock
from edge_agent.store_bootstrap import open_store
from tests.simulators.kiosk import ROOT, Kiosk, wait_until


def test_a_technicians_work_does_not_end_a_closed_device() -> None:
    """Told to try again while a command holds the folder, it stays closed and shows its page; freed, it opens by itself."""
    with tempfile.TemporaryDirectory(prefix="closed-") as folder, Kiosk(Path(folder)) as kiosk:
        with open_store(load_config(kiosk.config)):
            pass
        database, page = kiosk.state_dir / "store.db", kiosk.state_dir / URL_FILE
        whole = database.read_bytes()
        database.write_bytes(bytes(len(whole)))
        with (kiosk.folder / "daemon.log").open("wb") as log:
            kiosk.daemon = daemon = subprocess.Popen(kiosk.command("run"), cwd=ROOT, stdout=log, stderr=log)
        wait_until(lambda: page.exists() or daemon.poll() is not None, what="no page says that it is closed")
        with StateLock(kiosk.state_dir, wait_s=5.0):
            daemon.send_signal(signal.SIGHUP)
            wait_until(
                lambda: daemon.poll() is not None or (page.exists() and "another derm-edge uses" in _said(kiosk)),
                what="the try was not told of",
            )
            assert daemon.poll() is None, kiosk.log()
            database.write_bytes(whole)
        wait_until(
            lambda: daemon.poll() is not None or (kiosk.state_dir / SOCKET_NAME).exists(),
            what="it did not open by itself",
        )
        assert daemon.poll() is None, kiosk.log()
        assert kiosk.stop() == 0


def _said(kiosk: Kiosk) -> str:
    return " ".join(kiosk.log().split())
