"""Rules of serving the page: where it listens, who may read the start address, what a restart means."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from edge_agent.config import KioskConfig
from edge_agent.errors import ConfigError
from edge_agent.kiosk.app import ROOMS, create_app
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.server import KioskServer
from tests.simulators.kiosk_parts import kiosk_parts


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with kiosk_parts(tmp_path) as made:
        yield made


@pytest.fixture
def server(parts: KioskParts) -> Iterator[KioskServer]:
    made = KioskServer(parts)
    made.start()
    yield made
    made.stop()


def _url(folder: Path) -> str:
    return (folder / "kiosk.url").read_text(encoding="utf-8").strip()


def test_the_start_address_opens_the_page_and_is_private(server: KioskServer, tmp_path: Path) -> None:
    """Only this account reads the token; the address in the file works."""
    assert (tmp_path / "kiosk.url").stat().st_mode & 0o777 == 0o600
    with httpx.Client() as client:
        assert client.get(_url(tmp_path)).status_code == 303
        assert client.get(f"{server.origin}/set-up").status_code == 200


def test_a_used_token_is_replaced_in_the_file(server: KioskServer, tmp_path: Path) -> None:
    """A browser that crashed finds a fresh address."""
    first = _url(tmp_path)
    assert httpx.get(first).status_code == 303
    assert httpx.get(first).status_code == 401
    assert httpx.get(_url(tmp_path)).status_code == 303
    assert server.is_alive


def test_it_listens_on_the_loopback_interface_only(server: KioskServer) -> None:
    """No other machine reaches the page: the socket is bound to 127.0.0.1."""
    port = int(str(server.origin).rpartition(":")[2])
    with socket.socket() as other, pytest.raises(OSError):
        other.settimeout(2)
        other.connect(("127.0.0.2", port))
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
    bound = [line.split()[1] for line in lines if f":{port:04X} " in line and line.split()[3] == "0A"]
    assert bound == [f"0100007F:{port:04X}"]


def test_there_is_no_setting_for_another_address() -> None:
    """A configuration cannot ask for it."""
    assert not {"host", "address", "bind"} & set(KioskConfig.model_fields)


def test_a_restart_signs_everybody_out(server: KioskServer, tmp_path: Path) -> None:
    """Sessions live in memory: after a restart the old cookie opens nothing, and there is a new token."""
    with httpx.Client() as client:
        client.get(_url(tmp_path))
        server.restart()
        assert client.get(f"{server.origin}/set-up").status_code == 401


def test_stopping_takes_the_address_away_and_leaves_no_thread(parts: KioskParts, tmp_path: Path) -> None:
    """After a stop nobody listens and the file is gone."""
    server = KioskServer(parts)
    server.start()
    server.stop()
    server.stop()
    assert not (tmp_path / "kiosk.url").exists()
    assert "web" not in {thread.name for thread in threading.enumerate()}


def test_a_port_in_use_is_told_in_one_line(parts: KioskParts, tmp_path: Path) -> None:
    """The operator reads which setting to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            kiosk_parts(tmp_path / "other", port=taken.getsockname()[1]) as blocked,
            pytest.raises(ConfigError, match="port"),
        ):
            KioskServer(blocked).start()
    assert parts.config.kiosk.port == 0


def test_it_serves_on_a_unix_socket_for_this_account(tmp_path: Path) -> None:
    """With a socket there is no port at all, and only this account may connect."""
    path = tmp_path / "kiosk.sock"
    with kiosk_parts(tmp_path / "state", socket=path) as parts:
        server = KioskServer(parts)
        server.start()
        try:
            assert path.stat().st_mode & 0o777 == 0o600
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
                token = _url(tmp_path / "state").rpartition("=")[2]
                assert client.get("/", params={"token": token}).status_code == 303
        finally:
            server.stop()


def test_no_room_awaits_in_a_handler() -> None:
    """A handler that waits for the store must not hold up every other page: each runs in a thread of its own."""
    found = [route.endpoint for room in ROOMS for route in room.routes if isinstance(route, APIRoute)]
    assert found
    assert [one.__name__ for one in found if inspect.iscoroutinefunction(one)] == []


def test_a_refusal_that_waits_for_the_store_holds_up_no_other_page(parts: KioskParts) -> None:
    """The banners of a refusal ask what is wrong; while that takes long, another answer goes out."""
    has_begun, is_free = threading.Event(), threading.Event()
    waited: list[bool] = []

    def slow_faults() -> tuple[str, ...]:
        has_begun.set()
        waited.append(is_free.wait(10))
        return ()

    app = create_app(replace(parts, faults=slow_faults))

    async def both() -> tuple[int, int]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            refused = asyncio.create_task(client.get("/cases"))
            await asyncio.to_thread(has_begun.wait, 10)
            style = await client.get("/static/kiosk.css")
            is_free.set()
            return (await refused).status_code, style.status_code

    assert asyncio.run(both()) == (401, 200)
    assert waited == [True]
