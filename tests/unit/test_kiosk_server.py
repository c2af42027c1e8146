"""Rules of serving the page: where it listens, who may read the start address, what a restart means."""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi.routing import APIRoute

from edge_agent.config import KioskConfig
from edge_agent.errors import ConfigError
from edge_agent.kiosk.app import ROOMS, create_app
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.passes import Passes
from edge_agent.kiosk.server import KioskServer, _QuietServer
from edge_agent.kiosk.sessions import Look
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import PIN, Browser, RealClock, kiosk_parts

AGAIN = "The page was started again."


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


def test_a_restart_signs_everybody_out(server: KioskServer, parts: KioskParts, tmp_path: Path) -> None:
    """Sessions live in memory: an open browser is led to the PIN at the same address, and reads why."""
    account = parts.accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="(test)")
    with httpx.Client(follow_redirects=True) as client:
        client.get(_url(tmp_path))
        old, origin = client.cookies["derm_kiosk"], server.origin
        server.restart()
        assert server.origin == origin
        page = client.get(f"{origin}/status?x=1")
        assert page.url.path == "/sign-in"
        assert page.url.params["next"] == "/status?x=1"
        assert AGAIN in page.text
        assert "what was not sent yet has to be entered again" in page.text
        csrf = re.search(r'name="csrf" content="([^"]+)"', page.text)
        assert csrf is not None
        sent = {"csrf": csrf[1], "account": account.account_id, "pin": PIN, "next": "/status?x=1"}
        page = client.post(f"{origin}/sign-in", data=sent, headers={"origin": str(origin)})
        assert page.url.path == "/status"
        assert AGAIN not in page.text
        assert httpx.get(f"{origin}/status", cookies={"derm_kiosk": old}).status_code == 401  # good for once


def test_a_restart_keeps_language_and_look(server: KioskServer, tmp_path: Path) -> None:
    """A nurse who reads Spanish in large print finds the PIN page in Spanish, in large print and dark, after two starts too."""
    with httpx.Client() as client:
        page = client.get(_url(tmp_path), follow_redirects=True).text
        csrf = re.search(r'name="csrf" content="([^"]+)"', page)
        assert csrf is not None
        sent, headers = {"csrf": csrf[1]}, {"origin": str(server.origin)}
        client.post(f"{server.origin}/settings/language", data={**sent, "language": "es"}, headers=headers)
        client.post(f"{server.origin}/settings/look", data={**sent, "large": "yes", "dark": "yes"}, headers=headers)
        before = _top(client.get(f"{server.origin}/set-up").text)
        assert 'lang="es"' in before
        for _ in range(2):
            server.restart()
            assert _top(client.get(f"{server.origin}/set-up", follow_redirects=True).text) == before


def _top(page: str) -> str:
    """Return the opening tag of a page: it carries language and look."""
    found = re.search(r"<html[^>]*>", page)
    return "" if found is None else found[0]


def test_a_form_sent_to_a_restarted_page_leads_back_to_its_page(server: KioskServer, tmp_path: Path) -> None:
    """What was sent is not done; after the PIN the worker stands on the page of the form again."""
    with httpx.Client() as client:
        client.get(_url(tmp_path))
        server.restart()
        headers = {"origin": str(server.origin), "referer": f"{server.origin}/consultation/abc"}
        answer = client.post(f"{server.origin}/consultation/abc/history", data={"csrf": "old"}, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fconsultation%2Fabc")


class _WatchedPasses(Passes):
    """Passes that say whether they were asked where every other page waits for them."""

    were_in_loop: bool | None = None

    def use(self, session_id: str | None) -> Look | None:
        """Ask as always; writes to the disk."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.were_in_loop = False
        else:
            self.were_in_loop = True
        return super().use(session_id)


def test_a_returning_browser_is_looked_up_beside_the_loop(parts: KioskParts, tmp_path: Path) -> None:
    """Being led to the PIN writes to the disk: a slow one must not stop streams and the other pages."""
    Passes(tmp_path, boot_id="one").note({"before": Look()}, port=4711)
    passes = _WatchedPasses(tmp_path, boot_id="one")
    browser = Browser(parts, create_app(parts, passes=passes))
    browser.cookies.set("derm_kiosk", "before")
    assert browser.get("/").headers["location"].startswith("/sign-in")
    assert passes.were_in_loop is False


def test_scripts_of_an_old_page_get_no_session(server: KioskServer, tmp_path: Path) -> None:
    """A stream or a hint is refused: only the page itself is led to the PIN."""
    with httpx.Client() as client:
        client.get(_url(tmp_path))
        server.restart()
        assert client.get(f"{server.origin}/events", headers={"sec-fetch-dest": "empty"}).status_code == 401
        assert client.get(f"{server.origin}/").status_code == 303


def test_a_browser_of_another_boot_is_not_known(tmp_path: Path) -> None:
    """The fingerprints hold until the computer starts again; where no boot is known nothing is kept."""
    for boot_id, is_known in (("one", True), ("two", False), ("", False)):
        Passes(tmp_path, boot_id="one").note({"session": Look(language="es")}, port=4711)
        found = Passes(tmp_path, boot_id=boot_id)
        assert (found.port == 4711, found.use("session") == Look(language="es")) == (is_known, is_known)
        assert found.use("session") is None
    assert b"session" not in (tmp_path / "kiosk.browsers").read_bytes().replace(b'"sessions"', b"")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"boot": "one", "sessions": 7}', b'{"boot": "one", "sessions": ["x"]}', b"\xff"]
)
def test_a_broken_memory_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    """Half a file, or somebody else's: as if there were none."""
    (tmp_path / "kiosk.browsers").write_bytes(content)
    assert Passes(tmp_path, boot_id="one").use("session") is None


def test_an_open_stream_ends_cleanly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server stops while a page listens: the stream ends, and the log holds no traceback."""
    with consultation_kiosk(tmp_path, clock=RealClock()) as parts:
        server = KioskServer(parts)
        server.start()
        with httpx.Client(timeout=30) as client:
            csrf = re.search(r'name="csrf" content="([^"]+)"', client.get(_url(tmp_path), follow_redirects=True).text)
            assert csrf is not None
            headers = {"origin": str(server.origin)}
            sent = {"csrf": csrf[1], "reason": "forgotten_pin"}
            assert client.post(f"{server.origin}/emergency", data=sent, headers=headers).status_code == 303
            with client.stream("GET", f"{server.origin}/events") as stream:
                lines = stream.iter_lines()
                assert next(lines) == "event: ready"
                server.stop()
                list(lines)  # to its end
    assert [row for row in caplog.records if row.levelname in {"ERROR", "CRITICAL"}] == []


def test_stopping_takes_the_address_away_and_leaves_no_thread(parts: KioskParts, tmp_path: Path) -> None:
    """After a stop nobody listens and the file is gone."""
    server = KioskServer(parts)
    server.start()
    server.stop()
    server.stop()
    assert not (tmp_path / "kiosk.url").exists()
    assert "web" not in {thread.name for thread in threading.enumerate()}


def test_an_idle_server_looks_up_twice_a_second_and_keeps_its_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn's own loop wakes ten times; the date of answers is written at every second look, once a second."""
    looks, waits = [], []

    class Counted(_QuietServer):
        async def on_tick(self, counter: int) -> bool:
            looks.append(counter % 10 == 0)  # as uvicorn asks before it writes the date
            return len(looks) == 5

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)
    asyncio.run(Counted(uvicorn.Config(lambda: None)).main_loop())
    assert looks == [True, False, True, False, True]
    assert waits == [0.5] * 4


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
