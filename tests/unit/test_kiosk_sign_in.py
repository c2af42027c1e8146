"""Rules of the way into the kiosk: token, names, PIN."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.kiosk_parts import Browser, kiosk_parts


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with kiosk_parts(tmp_path) as parts:
        yield Browser(parts)


def test_a_person_with_the_right_pin_sees_the_start(browser: Browser) -> None:
    """A right PIN leads to the start page."""
    account = browser.come_in().account()
    assert browser.sign_in(account).headers["location"] == "/"
    assert "What would you like to do?" in browser.get("/").text


def test_a_wrong_pin_signs_nobody_in(browser: Browser) -> None:
    """A wrong PIN leaves the browser without a person."""
    account = browser.come_in().account()
    assert browser.sign_in(account, pin="999123").status_code == 403
    assert browser.get("/").headers["location"] == "/sign-in"


def test_status_is_shown_to_whoever_is_signed_in(browser: Browser) -> None:
    """The status page asks to sign in first, and comes back."""
    account = browser.come_in().account()
    assert browser.get("/status").headers["location"] == "/sign-in?next=%2Fstatus"
    browser.sign_in(account)
    assert browser.get("/status").status_code == 200
