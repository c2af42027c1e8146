"""The page of a device whose records cannot be opened: says what to do, and lets its browser in afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edge_agent.config import Config, KioskConfig
from edge_agent.errors import StoreCorrupt, StoreFull
from edge_agent.kiosk.closed import ClosedPage
from edge_agent.kiosk.server import KioskServer
from tests.simulators.kiosk_parts import kiosk_parts

CORRUPT = StoreCorrupt("the store /srv/secret/store.db cannot be read")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[ClosedPage]:
    with ClosedPage(Config(state_dir=tmp_path), CORRUPT) as found:
        yield found


def _url(folder: Path) -> str:
    return (folder / "kiosk.url").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("path", ["/", "/consultation/abc", "/sign-in?next=/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_address_says_the_same_in_every_language(page: ClosedPage, method: str, path: str) -> None:
    """Also a form of a page that was left open; without a path, without the error's details."""
    answer = httpx.request(method, f"{page.origin}{path}")
    assert answer.status_code == 503
    assert "Write on paper and call the technician." in answer.text
    for code in ("en", "zh", "ar", "es"):
        assert f'lang="{code}"' in answer.text
    assert "/srv/secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_another_name_for_this_computer_is_refused(page: ClosedPage) -> None:
    """DNS rebinding finds nothing here either."""
    assert httpx.get(f"{page.origin}/", headers={"host": "evil.example"}).status_code == 421


def test_what_the_page_needs_is_served_and_nothing_else(page: ClosedPage) -> None:
    """Style, mark and script; a path out of the folder is only the page again."""
    assert httpx.get(f"{page.origin}/static/kiosk.css").headers["content-type"] == "text/css"
    assert httpx.get(f"{page.origin}/static/../app.py").status_code == 503


def test_its_browser_finds_the_sign_in_page_afterwards(tmp_path: Path) -> None:
    """Who came by the start address is led to the PIN when the records are open again; a stranger is not."""
    with kiosk_parts(tmp_path) as parts, httpx.Client() as client, httpx.Client() as stranger:
        with ClosedPage(parts.config, StoreFull("no space left")) as page:
            assert "storage is full, so it cannot start." in client.get(_url(tmp_path)).text
            stranger.get(f"{page.origin}/?token=guessed")
            origin = page.origin
        assert not (tmp_path / "kiosk.url").exists()
        server = KioskServer(parts)
        server.start()
        try:
            assert server.origin == origin
            assert client.get(f"{origin}/").headers["location"].startswith("/sign-in")
            assert stranger.get(f"{origin}/").status_code == 401
        finally:
            server.stop()


def test_it_is_served_on_a_unix_socket_too(tmp_path: Path) -> None:
    """Where the kiosk has no port, this page has none either."""
    path = tmp_path / "k.sock"
    config = Config(state_dir=tmp_path, kiosk=KioskConfig(socket=path))
    with (
        ClosedPage(config, CORRUPT),
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as client,
    ):
        assert client.get("/").status_code == 503
