"""What the service manager is told, on real datagram sockets."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest

from edge_agent.supervision.notify import Notifier


def _manager(address: str) -> socket.socket:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address)
    manager.settimeout(10.0)
    return manager


def test_every_notification_in_its_words(tmp_path: Path) -> None:
    """The assignments of sd_notify(3), one datagram each."""
    with _manager(str(tmp_path / "n")) as manager:
        notifier = Notifier.of({"NOTIFY_SOCKET": str(tmp_path / "n")})
        notifier.ready()
        notifier.status("two\nlines")
        notifier.alive()
        notifier.reloading(1.5)
        notifier.stopping()
        said = [manager.recv(4096).decode() for _ in range(5)]
    assert said == ["READY=1", "STATUS=two lines", "WATCHDOG=1", "RELOADING=1\nMONOTONIC_USEC=1500000", "STOPPING=1"]


def test_an_abstract_address_works() -> None:
    """``@`` stands for the zero byte of an abstract socket."""
    name = f"derm-edge-{secrets.token_hex(8)}"
    with _manager(f"\0{name}") as manager:
        Notifier.of({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert manager.recv(64) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nonexistent/socket"])
def test_nobody_listening_is_no_error(address: str) -> None:
    """On a terminal, or with the manager gone, the daemon runs all the same."""
    Notifier.of({"NOTIFY_SOCKET": address}).ready()


@pytest.mark.parametrize(
    ("given", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_the_named_process_only(given: dict[str, str], watchdog_s: float | None) -> None:
    """A child that inherits the environment must not think that it is watched."""
    assert Notifier.of(given, pid=7).watchdog_s == watchdog_s
