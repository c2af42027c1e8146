"""The kiosk as a post has it: the real daemon, the real engine, a virtual camera, Chromium, and a person who touches.

``DERM_SCREENSHOTS=DIR`` keeps a picture of the screens.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.simulators import kiosk_post as walk
from tests.simulators.browser import CHROMIUM, chromium
from tests.simulators.kiosk import wait_until
from tests.simulators.kiosk_post import DOCTOR, Post, post

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
REPORT_MS = 180_000  # the engine loads and runs on a computer that may be busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def here(browser: Browser) -> Iterator[Post]:
    with post(browser) as found:
        found.device.start()
        yield found


def after_the_pictures(page: Page) -> None:
    """Answer the form and hand the case over."""
    walk.go_on(page)
    walk.questions(page)
    walk.own_view(page)


def test_a_whole_visit_on_the_real_device(here: Post) -> None:
    """From danger signs to the report: pictures through the real gate, the real agents, nothing left unsigned leaves."""
    kiosk, page = here.device, here.signed_in()
    case_id = walk.up_to_the_pictures(page)
    walk.take_picture(page)
    walk.seen(page, "view-taken")
    after_the_pictures(page)
    expect(page.locator("h1")).to_contain_text("The program is working")
    walk.seen(page, "running")
    wait_until(lambda: kiosk.status()["cases"]["reported"] == 1, what="no report")
    expect(page.locator("#ready-words")).to_have_text("A report is ready.", timeout=REPORT_MS)
    walk.seen(page, "ready")
    outbox = kiosk.status()["outbox"]
    assert outbox["queued"] + outbox["sent"] + outbox["stored"] == 0, "a report left before its signature"
    doctor = here.signed_in(DOCTOR)
    doctor.goto(f"{doctor.url.rstrip('/')}/cases/{case_id}")
    expect(doctor.locator("h1")).to_contain_text("bed 4")
    walk.seen(doctor, "report")
    doctor.get_by_role("button", name="Accept all open parts").click()
    walk.touch(doctor, "confirmed", "yes")
    doctor.get_by_role("button", name="Sign the report").click()
    expect(doctor.locator("#sign")).to_contain_text("Signed by")
    wait_until(lambda: kiosk.status()["outbox"]["queued"] == 1, what="the signed result was not queued")


def test_a_power_cut_in_the_middle_loses_no_answer(here: Post) -> None:
    """The supervisor is killed at the pictures: after the next start the visit stands where it stood."""
    page = here.signed_in()
    case_id = walk.up_to_the_pictures(page)
    walk.take_picture(page)
    here.power_cut()
    again = here.signed_in()
    again.goto(f"{again.url.rstrip('/')}/consultation/{case_id}")
    expect(again.locator(".taken > li")).to_have_count(1)
    after_the_pictures(again)
    wait_until(lambda: here.device.status()["cases"]["reported"] == 1, what="no report after the power cut")
