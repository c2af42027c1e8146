"""A real mosquitto on a private loopback port, that a test may kill and start again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence {persistence}
persistence_location {folder}/
log_dest stderr
log_type all
user root
"""  # user: read only when root starts it; mosquitto's own user may not enter a test's private folder


def free_port() -> int:
    """Return a loopback port that nobody listens on now; another process may still take it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_mosquitto() -> str | None:
    """Return the path of Debian's mosquitto, which is not on an ordinary user's PATH, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def wait_for_port(port: int, *, timeout_s: float = 60.0) -> None:
    """Return once something accepts connections on this loopback port.

    Raises:
        TimeoutError: nothing did in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)  # a poll of another process, with a deadline
        else:
            return
    raise TimeoutError(f"nothing listens on port {port} after {timeout_s} s")


class Broker:
    """Start mosquitto for the time of a ``with`` block.

    It keeps nothing over a restart unless ``persistence`` is on: the product must not depend on the broker's memory.

    Args:
        tmp_path: folder for its configuration and its log (``mosquitto.log``).
        port: loopback port; None picks a free one.
        persistence: whether the broker saves its queues.
    """

    def __init__(self, tmp_path: Path, port: int | None = None, *, persistence: bool = False) -> None:
        self.port = port if port is not None else free_port()
        self.folder = tmp_path / f"mosquitto-{self.port}"
        self._persistence = persistence
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address in the form that ``derm-fleet serve --broker`` takes."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What mosquitto has written to its log so far."""
        return (self.folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start mosquitto and wait until it accepts connections.

        Raises:
            FileNotFoundError: mosquitto is not installed.
            TimeoutError: it does not listen in time.
        """
        program = find_mosquitto()
        if program is None:
            raise FileNotFoundError("mosquitto is missing; run: apt-get install mosquitto")
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "mosquitto.conf"
        words = {"port": self.port, "folder": self.folder, "persistence": str(self._persistence).lower()}
        config.write_text(_CONFIG.format(**words), encoding="utf-8")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
        wait_for_port(self.port)

    def kill(self) -> None:
        """End mosquitto with SIGKILL; what it held in memory is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill mosquitto if it runs and start it again on the same port."""
        self.kill()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
