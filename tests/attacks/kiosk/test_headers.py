"""What every answer carries, whatever was asked: nothing may run, be framed, or be kept."""

from __future__ import annotations

import pytest
from fastapi import Request, Response

from edge_agent.store.accounts import Role
from tests.simulators.kiosk_parts import Browser, filled, routes

GETS = [path for path, method in routes() if method == "GET"]
PLACES = [*GETS, "/static/kiosk.css", "/static/blank.js", "/nothing-here", "/?token=wrong"]


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_every_answer_has_the_strict_headers(browser: Browser, path: str, *, is_signed_in: bool) -> None:
    """Pages, errors, redirects and files: all have them; nothing of a page is kept in a cache, and only a sheet is framed."""
    if is_signed_in:
        browser.sign_in(browser.account("Everything", *Role))
    known = {"account_id": browser.parts.accounts.all()[0].account_id} if is_signed_in else {}
    answer = browser.get(filled(path, **known))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert f"frame-ancestors '{'self' if path.endswith('.pdf') else 'none'}'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    if not path.startswith("/static/"):
        assert answer.headers["cache-control"] == "no-store"


def test_no_page_has_inline_script_or_style(browser: Browser) -> None:
    """The policy would stop them; none is written in the first place."""
    browser.sign_in(browser.account("Everything", *Role))
    for path in GETS:
        text = browser.get(filled(path, account_id=browser.parts.accounts.all()[0].account_id)).text
        assert "style=" not in text, path
        assert "<style" not in text, path
        assert " on" + "click" not in text, path
        assert "<script>" not in text, path
        assert "http://" not in text.replace("http://www.w3.org", ""), path
        assert "https://" not in text, path


def test_the_cookie_is_out_of_reach_of_scripts_and_other_pages(browser: Browser) -> None:
    """HttpOnly and SameSite=Strict, with no domain, so no other host gets it."""
    browser.cookies.clear()
    door = browser.kiosk.state.door
    cookie = browser.get("/", params={"token": door.token}).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Domain" not in cookie


def test_a_mistake_in_a_room_is_a_calm_page_without_a_trace(browser: Browser) -> None:
    """A programmer's mistake shows one sentence and what to do: no traceback, no path, and the strict headers."""

    def broken(_: Request) -> Response:
        raise RuntimeError("secret /srv/path of patient")

    browser.kiosk.router.add_route("/broken", broken)
    answer = browser.get("/broken")
    assert answer.status_code == 500
    assert "Something went wrong in the program." in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_name_with_markup_is_shown_as_it_is_written(browser: Browser) -> None:
    """Whatever somebody types as a name cannot become part of the page."""
    browser.account("<img src=x>")
    text = browser.get("/sign-in").text
    assert "<img src=x" not in text
    assert "&lt;img src=x&gt;" in text
