"""Somebody at the kiosk tries PINs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import PinRefused
from edge_agent.store.accounts import Accounts
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from tests.simulators.kiosk_parts import CHEAP, PIN, Browser, HandClock

WRONG = "907364"


def _wrong(browser: Browser, account_id: str) -> PinRefused:
    with pytest.raises(PinRefused) as caught:
        browser.parts.accounts.check_pin(account_id, WRONG)
    return caught.value


def test_each_wrong_pin_makes_the_next_wait_longer(browser: Browser, clock: HandClock) -> None:
    """The waits grow: the first slips cost nothing, later guesses cost minutes."""
    account = browser.account()
    waits = []
    for _ in range(9):
        waits.append(float(str(_wrong(browser, account.account_id).details["wait_s"])))
        clock.pass_s(waits[-1])
    assert waits == sorted(waits)
    assert waits[:2] == [0.0, 0.0]
    assert waits[-1] >= 300


def test_during_the_wait_even_the_right_pin_is_not_looked_at(browser: Browser, clock: HandClock) -> None:
    """A guesser who ignores the wait learns nothing."""
    account = browser.account()
    for _ in range(3):
        _wrong(browser, account.account_id)
    with pytest.raises(PinRefused) as caught:
        browser.parts.accounts.check_pin(account.account_id, PIN)
    assert caught.value.details["reason"] == "too_early"
    clock.pass_s(5)
    assert browser.parts.accounts.check_pin(account.account_id, PIN).name == "nurse.li"


def test_ten_wrong_pins_lock_the_account_for_good(browser: Browser, clock: HandClock) -> None:
    """No waiting opens a locked account; a maintainer's new PIN does."""
    account = browser.account()
    for _ in range(10):
        _wrong(browser, account.account_id)
        clock.pass_s(3600)
    clock.pass_s(10 * 365 * 86400)
    with pytest.raises(PinRefused, match="locked"):
        browser.parts.accounts.check_pin(account.account_id, PIN)
    browser.parts.accounts.reset_pin(account.account_id, pin="518293", by="(test)")
    assert browser.parts.accounts.check_pin(account.account_id, "518293").must_change_pin


def test_restarting_the_device_forgets_no_wrong_pin(browser: Browser, clock: HandClock, tmp_path: Path) -> None:
    """The count is in the store before a PIN is compared: pulling the plug wins nothing."""
    account = browser.account()
    for _ in range(3):
        _wrong(browser, account.account_id)
    with Database(tmp_path / "store.db", StoreKey("00" * 32)) as database:
        again = Accounts(database, audit=browser.parts.audit, clock=clock.now, hasher=CHEAP)
        with pytest.raises(PinRefused) as caught:
            again.check_pin(account.account_id, PIN)
    assert caught.value.details["reason"] == "too_early"


def test_setting_the_clock_back_does_not_shorten_the_wait(browser: Browser, clock: HandClock) -> None:
    """A clock before the last failure counts as no time passed."""
    account = browser.account()
    for _ in range(3):
        _wrong(browser, account.account_id)
    clock.pass_s(-86400)
    with pytest.raises(PinRefused) as caught:
        browser.parts.accounts.check_pin(account.account_id, PIN)
    assert caught.value.details["wait_s"] == 5.0


def test_every_wrong_pin_is_in_the_trail(browser: Browser) -> None:
    """Guessing is seen by whoever reads the trail."""
    account = browser.account()
    _wrong(browser, account.account_id)
    assert browser.parts.audit.newest(1)[0].action == "pin_refused"


def test_the_page_says_how_long_to_wait_and_shows_no_pin(browser: Browser) -> None:
    """The refusal is calm, and the PIN that was tried stands nowhere in it."""
    account = browser.account()
    answers = [browser.sign_in(account, pin=WRONG) for _ in range(3)]
    assert answers[-1].status_code == 403
    assert "Wait 5 seconds" in answers[-1].text
    assert WRONG not in answers[-1].text


@pytest.mark.parametrize(
    "pin", ["123456", "654321", "890123", "111111", "121212", "123123", "12345", "12a456", "１２３４５６"]
)
def test_a_pin_that_anybody_would_try_is_refused(browser: Browser, pin: str) -> None:
    """Rows, repeats and short PINs are no PINs."""
    answer = browser.submit("/set-up", name="Zhang", pin=pin, again=pin)
    assert answer.status_code == 422
    assert not browser.parts.accounts.all()
