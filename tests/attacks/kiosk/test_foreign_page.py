"""A page from elsewhere, in another tab or through a rebound name, tries to use the kiosk's session."""

from __future__ import annotations

import pytest

from edge_agent.kiosk.app import create_app
from edge_agent.store.accounts import Role
from tests.simulators.kiosk_parts import Browser, filled, routes

ROOMS_POSTS = [(path, method) for path, method in routes() if method not in {"GET", "HEAD"}]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.1.7", "127.0.0.1.nip.io", ""])
def test_another_name_for_this_computer_is_refused(browser: Browser, host: str) -> None:
    """A name that was rebound to 127.0.0.1 is not the kiosk's own."""
    assert browser.get("/about", headers={"host": host}).status_code == 421


def test_only_the_own_port_is_right(browser: Browser) -> None:
    """Where the port is known, another port in the Host header is refused."""
    other = Browser(browser.parts, create_app(browser.parts, port=8470))
    for port, status in ((8471, 421), (8470, 200)):
        own = {"host": f"127.0.0.1:{port}", "origin": f"http://127.0.0.1:{port}"}
        assert other.get("/static/mark.svg", headers=own).status_code == status


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost:9999", "https://localhost", "null", "http://localhost.evil.example"],
)
def test_a_form_from_another_origin_is_refused(browser: Browser, origin: str) -> None:
    """Another origin's form is refused even with cookie and token, also one from another port of this computer."""
    answer = browser.post("/sign-out", data={"csrf": browser.csrf()}, headers={"origin": origin})
    assert answer.status_code == 403


def test_a_form_without_origin_is_refused(browser: Browser) -> None:
    """A browser always names the origin of a form; what names none is no browser of ours."""
    token = browser.csrf()
    del browser.headers["origin"]
    assert browser.post("/sign-out", data={"csrf": token}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_request_that_another_page_started_is_refused(browser: Browser, site: str) -> None:
    """Fetch metadata tell a picture or frame in another page; "same-site" is another port of this computer."""
    assert browser.get("/about", headers={"sec-fetch-site": site}).status_code == 403


def test_no_other_origin_may_read_an_answer(browser: Browser) -> None:
    """There is no CORS: a preflight is refused and nothing is allowed."""
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = browser.options("/sign-in", headers=headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("path", "method"), ROOMS_POSTS)
@pytest.mark.parametrize("token", [None, "", "guess", "\u00e9"])
def test_every_changing_route_refuses_without_the_csrf_token(
    browser: Browser, path: str, method: str, token: str | None
) -> None:
    """Each route that changes something, found by enumeration, wants the session's token before anything else."""
    browser.sign_in(browser.account("Everything", *Role))
    before = len(browser.parts.audit.newest(1000))
    data = {} if token is None else {"csrf": token}
    answer = browser.request(method, filled(path), data=data)
    assert answer.status_code == 403
    assert len(browser.parts.audit.newest(1000)) == before


def test_there_are_changing_routes_to_try() -> None:
    """The enumeration above finds the routes that this file is about."""
    assert {("/sign-in", "POST"), ("/accounts/{account_id}/pin", "POST"), ("/awake", "POST")} <= set(ROOMS_POSTS)


def test_another_sessions_csrf_token_is_refused(browser: Browser) -> None:
    """A token is bound to its session."""
    other = Browser(browser.parts, browser.kiosk).come_in()
    assert browser.post("/sign-out", data={"csrf": other.csrf()}).status_code == 403
