"""Rules of the way into the kiosk: first set-up, names, PIN, an own PIN, emergency."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.store.accounts import Role
from tests.simulators.kiosk_parts import PIN, Browser, kiosk_parts


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with kiosk_parts(tmp_path) as parts:
        yield Browser(parts).come_in()


def test_a_new_device_asks_who_looks_after_it(browser: Browser) -> None:
    """Without accounts every way leads to the first set-up, and its account may add the others."""
    assert browser.get("/").headers["location"] == "/set-up"
    answer = browser.submit("/set-up", name="Zhang Wei", role=["clinician"], pin=PIN, again=PIN)
    assert answer.headers["location"] == "/"
    [account] = browser.parts.accounts.all()
    assert account.roles == {Role.MAINTAINER, Role.CLINICIAN}
    assert browser.get("/accounts").status_code == 200


@pytest.mark.parametrize(("pin", "again"), [(PIN, "518293"), ("12", "12")])
def test_a_first_account_needs_the_same_good_pin_twice(browser: Browser, pin: str, again: str) -> None:
    """What does not fit is said, and what was typed stays, but for the PIN."""
    answer = browser.submit("/set-up", name="Zhang Wei", pin=pin, again=again)
    assert answer.status_code == 422
    assert "Zhang Wei" in answer.text
    assert f'value="{pin}"' not in answer.text


def test_a_person_with_the_right_pin_sees_the_start(browser: Browser) -> None:
    """A right PIN leads to the start page."""
    account = browser.account()
    assert browser.sign_in(account).headers["location"] == "/"
    assert "What would you like to do?" in browser.get("/").text


def test_a_wrong_pin_signs_nobody_in(browser: Browser) -> None:
    """A wrong PIN leaves the browser without a person."""
    account = browser.account()
    assert browser.sign_in(account, pin="999123").status_code == 403
    assert browser.get("/").headers["location"] == "/sign-in"


def test_a_page_that_asks_to_sign_in_comes_back(browser: Browser) -> None:
    """After signing in the person is where they wanted to be."""
    account = browser.account()
    asked = browser.get("/status").headers["location"]
    assert asked == "/sign-in?next=%2Fstatus"
    answer = browser.submit("/sign-in", account=account.account_id, pin=PIN, next="/status")
    assert answer.headers["location"] == "/status"
    assert browser.get("/status").status_code == 200


def test_a_pin_that_somebody_else_chose_is_changed_first(browser: Browser) -> None:
    """Until then no page is open but the one for the own PIN."""
    account = browser.parts.accounts.add("New", roles={Role.WORKER}, pin=PIN, by="x", must_change_pin=True)
    assert browser.sign_in(account).headers["location"] == "/pin"
    assert browser.get("/").headers["location"] == "/pin"
    assert browser.get("/status").headers["location"] == "/pin"
    assert browser.submit("/pin", old=PIN, new="518293", again="518293").headers["location"] == "/"
    assert browser.get("/status").status_code == 200


def test_the_start_shows_what_a_role_may_open(browser: Browser) -> None:
    """A worker sees no accounts; a maintainer does."""
    browser.sign_in(browser.account("Nurse Li", Role.WORKER))
    assert 'href="/accounts"' not in browser.get("/").text
    browser.sign_in(browser.account("Zhang Wei", Role.MAINTAINER))
    assert 'href="/accounts"' in browser.get("/").text


def test_the_start_says_when_it_was_sent_last_and_what_waits(browser: Browser) -> None:
    """Sync state in words, with the time of the last exchange."""
    browser.sign_in(browser.account())
    assert "Not sent since the device was started. 3 records wait." in browser.get("/").text


def test_what_the_program_cannot_do_is_told_to_anybody(browser: Browser) -> None:
    """Policy R16: nobody has to sign in to read it, and how to ask for a person stands on every page."""
    text = browser.get("/about").text
    assert "What it cannot do" in text
    assert "You can always ask for a person" in text
    assert "You can always ask for a person" in browser.get("/sign-in", follow_redirects=True).text


def test_language_and_print_follow_the_session(browser: Browser) -> None:
    """One switch on every page; signing in keeps it."""
    account = browser.account()
    browser.submit("/settings/language", language="ar", next="/about")
    browser.submit("/settings/look", large="yes", dark="yes")
    browser.sign_in(account)
    text = browser.get("/").text
    assert '<html lang="ar" dir="rtl" data-print="large" data-light="dark">' in text
    browser.submit("/settings/language", language="xx")
    assert '<html lang="ar"' in browser.get("/").text


def test_words_that_nobody_verified_are_said_to_be_so(browser: Browser, tmp_path: Path) -> None:
    """A banner stands on every page; advice may be printed only on a practice device then."""
    assert "not been checked by a named reviewer" in browser.get("/about").text
    assert "Advice cannot be printed" in browser.get("/about").text
    with kiosk_parts(tmp_path / "demo", is_demo=True) as parts:
        text = Browser(parts).come_in().get("/about").text
    assert "Advice cannot be printed" not in text
    assert "Practice device" in text
