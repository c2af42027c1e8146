"""Somebody without the right tries to come in with an old token, a planted cookie, or none."""

from __future__ import annotations

import pytest

from edge_agent.kiosk.sessions import COOKIE
from edge_agent.store.accounts import Role
from tests.simulators.kiosk_parts import Browser, HandClock


def _fresh(browser: Browser) -> Browser:
    browser.cookies.clear()
    return browser


def test_a_start_token_works_once(browser: Browser) -> None:
    """A token that was read over somebody's shoulder opens nothing after its first use."""
    door = browser.kiosk.state.door
    used = door.token
    assert browser.get("/", params={"token": used}).status_code == 303
    _fresh(browser)
    answer = browser.get("/", params={"token": used})
    assert answer.status_code == 401
    assert COOKIE not in answer.cookies


@pytest.mark.parametrize("token", ["", "x", "\u0000", "a" * 5000])
def test_a_guessed_start_token_opens_nothing(browser: Browser, token: str) -> None:
    """A wrong token is refused, whatever it is made of."""
    assert _fresh(browser).get("/", params={"token": token}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/sign-in", "/status", "/accounts", "/audit", "/set-up", "/nothing"])
def test_no_page_is_open_without_the_kiosks_own_session(browser: Browser, path: str) -> None:
    """Another process or account on the computer that finds the port sees no page, not even the names."""
    browser.account("Nurse Li")
    answer = _fresh(browser).get(path)
    assert answer.status_code == 401
    assert "Nurse Li" not in answer.text


def test_a_planted_session_is_worth_nothing_after_sign_in(browser: Browser) -> None:
    """Session fixation: the id and the CSRF token change when a person signs in, and the old id is dead."""
    planted, token = browser.cookies[COOKIE], browser.csrf()
    browser.sign_in(browser.account())
    assert browser.cookies[COOKIE] != planted
    assert browser.csrf() != token
    browser.cookies.set(COOKIE, planted)
    assert _with_cookie(browser, planted).get("/status").status_code == 401


def test_a_session_is_dead_after_sign_out(browser: Browser) -> None:
    """The id that a signed-in person had opens nothing after signing out."""
    browser.sign_in(browser.account())
    old = browser.cookies[COOKIE]
    browser.submit("/sign-out")
    assert _with_cookie(browser, old).get("/status").status_code == 401


def test_a_kiosk_that_was_left_is_signed_out(browser: Browser, clock: HandClock) -> None:
    """After ten minutes without a touch the next person has to sign in."""
    browser.sign_in(browser.account())
    clock.pass_s(599)
    assert browser.get("/status").status_code == 200
    clock.pass_s(600)
    assert browser.get("/status").headers["location"].startswith("/sign-in")


def test_streams_do_not_keep_a_left_kiosk_signed_in(browser: Browser, clock: HandClock) -> None:
    """A preview that asks again and again is nobody's touch; behind the blank screen it gets nothing (R7)."""
    browser.sign_in(browser.account())
    background = {"sec-fetch-dest": "image"}
    clock.pass_s(59)
    assert browser.get("/status", headers=background).status_code == 200
    clock.pass_s(20)
    assert browser.get("/status", headers=background).status_code == 423
    clock.pass_s(530)
    assert browser.get("/status").headers["location"].startswith("/sign-in")


def test_a_disabled_account_is_out_at_once(browser: Browser) -> None:
    """Switching an account off ends what it is doing now, also in a session that is open."""
    account = browser.account()
    browser.sign_in(account)
    browser.parts.accounts.set_disabled(account.account_id, is_disabled=True, by="(test)")
    assert browser.get("/status").headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("path", ["/accounts", "/accounts/new", "/audit"])
def test_a_worker_opens_no_maintainers_page(browser: Browser, path: str) -> None:
    """A role that is not given opens nothing."""
    browser.sign_in(browser.account("Nurse Li", Role.WORKER))
    assert browser.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/accounts", "/audit", "/pin"])
def test_emergency_access_opens_no_records(browser: Browser, path: str) -> None:
    """Whoever breaks the glass may help a person now, and sees neither accounts nor the trail."""
    browser.account("Dr. A", *Role)
    assert browser.submit("/emergency", reason="danger_to_life").status_code == 303
    assert browser.get("/").status_code == 200
    assert browser.get(path).status_code in {303, 403}


def test_emergency_access_needs_a_known_reason_and_is_noted(browser: Browser) -> None:
    """Without a reason nothing opens; with one, the trail has it before the door opens, and a maintainer is told."""
    maintainer = browser.account("Dr. A", Role.MAINTAINER)
    assert browser.submit("/emergency", reason="curious").status_code == 422
    assert browser.get("/").headers["location"] == "/sign-in"
    browser.submit("/emergency", reason="danger_to_life")
    noted = browser.parts.audit.newest(1)[0]
    assert noted.who.startswith("(emergency access 2026-11-22T08:00")
    assert (noted.action, noted.detail) == ("emergency_access", "danger_to_life")
    browser.sign_in(maintainer)
    assert "Emergency access was used once." in browser.get("/").text


@pytest.mark.parametrize("target", ["//evil.example", "http://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_to_no_other_page(browser: Browser, target: str) -> None:
    """An open redirect would let a link look like the kiosk."""
    account = browser.account()
    answer = browser.submit("/sign-in", account=account.account_id, pin="284617", next=target)
    assert answer.headers["location"] == "/"


def test_a_second_first_account_cannot_be_made(browser: Browser) -> None:
    """The first set-up is over once there is an account, also an account that was switched off."""
    browser.account("Dr. A", Role.WORKER)
    answer = browser.submit("/set-up", name="Thief", pin="907364", again="907364")
    assert answer.status_code == 403
    assert [one.name for one in browser.parts.accounts.all()] == ["dr.a"]


def _with_cookie(browser: Browser, value: str) -> Browser:
    browser.cookies.clear()
    browser.cookies.set(COOKIE, value, domain="localhost.local")
    return browser
