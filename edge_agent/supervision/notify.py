"""Tell the service manager how the daemon fares: the ``sd_notify`` protocol over its datagram socket.

Own, because it is one datagram: the packages for it are bindings to libsystemd or are not kept.
Source: sd_notify(3), systemd 252: NOTIFY_SOCKET is a path, or an abstract name that begins with ``@``; WATCHDOG_USEC
and WATCHDOG_PID as in sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

LONGEST_STATUS = 200


class Notifier:
    """Send notifications; silent where no service manager listens, and never in anybody's way.

    Args:
        address: of the datagram socket; empty: nobody listens.
        watchdog_s: how soon the manager restarts a daemon that says nothing; None: never.
    """

    def __init__(self, address: str = "", *, watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def of(cls, environment: Mapping[str, str], *, pid: int | None = None) -> Notifier:
        """Read the environment that the service manager gave; ``pid`` is this process's where None.

        A malformed watchdog value counts as none: the daemon runs all the same.
        """
        watchdog_s = None
        with suppress(ValueError):
            meant_for = environment.get("WATCHDOG_PID", "")
            if not meant_for or int(meant_for) == (os.getpid() if pid is None else pid):
                watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1e6 or None
        return cls(environment.get("NOTIFY_SOCKET", ""), watchdog_s=watchdog_s)

    def ready(self) -> None:
        """Say that the daemon takes cases."""
        self._send("READY=1")

    def reloading(self, monotonic_s: float) -> None:
        """Say that the configuration is read again; ``ready`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_s * 1e6)}")

    def stopping(self) -> None:
        """Say that the daemon ends on purpose."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog: all parts have answered."""
        self._send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Say one line for ``systemctl status``; never patient data."""
        self._send(f"STATUS={' '.join(line.split())[:LONGEST_STATUS]}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)  # a manager that reads nothing must not hold the daemon up
            channel.sendto(text.encode(), self._address)
