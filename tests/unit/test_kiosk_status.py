"""Rules of the page about the device: plain words, never a promise that nobody checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import StoreError
from edge_agent.kiosk.clock_watch import ClockWatch
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from edge_agent.store.audit import ClockTrust
from tests.simulators.kiosk_parts import Browser, HandClock, QuietDesk, kiosk_parts


@dataclass(frozen=True)
class Seen:
    """What a camera says of itself."""

    fault: str | None


class StillCamera:
    """A camera whose state a test chooses."""

    def __init__(self, fault: str | None, *, is_live: bool) -> None:
        self._fault = fault
        self._is_live = is_live

    def status(self) -> Seen:
        """Return the chosen fault."""
        return Seen(self._fault)

    def latest(self) -> object | None:
        """Return something while live."""
        return object() if self._is_live else None

    def preview_jpeg(self, max_px: int = 720) -> bytes | None:  # noqa: ARG002  (same shape as the real one)
        """Return nothing: the page about the device shows no picture."""
        return None


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def parts(tmp_path: Path, clock: HandClock) -> Iterator[KioskParts]:
    with kiosk_parts(tmp_path, clock=clock) as made:
        yield made


def _page(parts: KioskParts) -> str:
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account())
    return str(browser.get("/status").text)


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (None, "None is set up"),
        (StillCamera(None, is_live=True), "Nothing is recorded."),
        (StillCamera(None, is_live=False), "Starts"),
        (StillCamera("unplugged", is_live=False), "Gives no picture"),
    ],
)
def test_the_camera_is_said_to_work_only_with_a_fresh_picture(
    parts: KioskParts, camera: StillCamera | None, words: str
) -> None:
    """No fault alone is not "works": a camera that has shown nothing yet starts."""
    text = _page(dataclasses.replace(parts, camera=camera))
    assert words in text
    assert ("It shows a live picture." in text) is (camera is not None and words == "Nothing is recorded.")


@pytest.mark.parametrize("state", ["stopped", "dead", "", "unheard of"])
def test_an_engine_in_any_other_state_does_not_run(parts: KioskParts, state: str) -> None:
    """Only the states that work are called working; every other one says to decide without it."""
    assert isinstance(parts.desk, QuietDesk)
    parts.desk.told["daemon"]["child_state"] = state
    text = _page(parts)
    assert "Does not run" in text
    assert "Decide without it." in text


@pytest.mark.parametrize(
    ("holds", "words"), [("too_hot", "The device is too warm"), ("battery_low", "The battery is low")]
)
def test_help_that_rests_is_not_said_to_work(parts: KioskParts, holds: str, words: str) -> None:
    """Heat and a low battery: the row says why and what to do, as the banner does."""
    assert isinstance(parts.desk, QuietDesk)
    parts.desk.told["power"] = {"holds": [holds]}
    text = _page(parts)
    assert words in text
    assert "Cases are kept and run later. Decide without it." in text


@pytest.mark.parametrize(("state", "words"), [("idle", "Works"), ("busy", "Works"), ("starting", "Starts")])
def test_an_engine_that_serves_is_said_to_work(parts: KioskParts, state: str, words: str) -> None:
    """The states are the inference child's own."""
    assert isinstance(parts.desk, QuietDesk)
    parts.desk.told["daemon"]["child_state"] = state
    text = _page(parts)
    assert words in text
    assert "Does not run" not in text


def test_a_wrong_clock_is_said(parts: KioskParts, clock: HandClock) -> None:
    """A clock at 1970 asks for the date on paper."""
    parts.audit.note("a", "signed_in")
    clock.moment = datetime(1970, 1, 1, tzinfo=UTC)
    assert "Write the date on paper" in _page(parts)


def test_the_last_exchange_is_told_in_words(parts: KioskParts, clock: HandClock) -> None:
    """How long ago, not a date that a wrong clock spoils."""
    text = _page(dataclasses.replace(parts, uplink_seen=lambda: clock.now() - timedelta(hours=3)))
    assert "Last sent 3 hours ago. 3 records wait." in text


def _maintainer(parts: KioskParts) -> Browser:
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account("Technician", Role.MAINTAINER))
    return browser


def test_a_maintainer_confirms_a_doubted_day(parts: KioskParts, clock: HandClock) -> None:
    """A device that lay unused for three years: nothing is deleted, the page says what to do, one press settles it."""
    clock.moment = clock.moment.replace(year=2029)
    browser = _maintainer(parts)
    page = browser.get("/status").text
    assert "Nothing is deleted until a maintainer says here that it is right." in page
    assert "Is today Nov 22, 2029?" in page
    assert parts.audit.clock_trust() is ClockTrust.WRONG
    assert browser.submit("/status/day", day="2029-11-22").status_code == 303
    assert "Is today" not in browser.get("/status").text
    newest = parts.audit.newest(1)[0]
    assert (newest.who, newest.action, newest.detail) == ("technician", "date_confirmed", "2029-11-22")
    assert parts.audit.clock_trust() is ClockTrust.PLAUSIBLE  # the banner goes too


def test_a_day_that_has_passed_meanwhile_is_not_confirmed(parts: KioskParts, clock: HandClock) -> None:
    """A page that was left open confirms nothing; nor does a day that is no day."""
    clock.moment = clock.moment.replace(year=2029)
    browser = _maintainer(parts)
    assert browser.submit("/status/day", day="2029-11-21").status_code == 503
    assert browser.submit("/status/day", day="tomorrow").status_code == 422
    assert "Is today" in browser.get("/status").text


def test_who_does_not_maintain_the_device_confirms_no_day(parts: KioskParts, clock: HandClock) -> None:
    """A worker reads that nothing is deleted, and is not asked."""
    clock.moment = clock.moment.replace(year=2029)
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account())
    page = browser.get("/status").text
    assert "Nothing is deleted" in page and "Is today" not in page
    assert browser.submit("/status/day", day="2029-11-22").status_code == 403


def test_a_clock_that_was_never_set_cannot_be_confirmed(parts: KioskParts, clock: HandClock) -> None:
    """1970 was before this program: only setting the clock helps, and the page says so."""
    clock.moment = clock.moment.replace(year=1970)
    browser = _maintainer(parts)
    page = browser.get("/status").text
    assert "Call the technician to set it." in page and "Is today" not in page
    assert browser.submit("/status/day", day="1970-11-22").status_code == 503


def test_the_banner_asks_the_store_now_and_then_only() -> None:
    """Every page shows the banner; the store is asked every ten seconds, and one that is broken changes nothing."""
    hand, asked = HandClock(), []

    def trust() -> ClockTrust:
        asked.append(hand.seconds)
        if len(asked) == 2:
            raise StoreError("busy")
        return ClockTrust.WRONG

    watch = ClockWatch(trust, monotonic=hand.monotonic)
    assert [watch.is_wrong() for _ in range(3)] == [True] * 3
    assert len(asked) == 1
    hand.pass_s(10)
    assert watch.is_wrong() and len(asked) == 2
