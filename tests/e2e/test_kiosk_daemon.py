"""The kiosk as a post has it: the real daemon, the real engine, a virtual camera, Chromium, and a person who touches.

``DERM_SCREENSHOTS=DIR`` keeps a picture of the screens.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from edge_agent.config import load_config
from edge_agent.kiosk_bootstrap import open_registry
from edge_agent.store.accounts import Role
from tests.simulators.browser import CHROMIUM, axe_violations, chromium, small_targets
from tests.simulators.kiosk import DEMO, Kiosk, wait_until
from tests.simulators.kiosk_parts import PIN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
SHOTS = os.environ.get("DERM_SCREENSHOTS")
REPORT_MS = 180_000  # the engine loads and runs on a computer that may be busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def kiosk() -> Iterator[Kiosk]:
    with tempfile.TemporaryDirectory(prefix="k-") as folder, Kiosk(Path(folder)) as device:
        settings = device.config.read_text(encoding="utf-8")
        camera = f'[capture]\nsource = "{DEMO / "pictures"}"\n[kiosk]\nis_demo = true\n'
        device.config.write_text(settings + camera, encoding="utf-8")
        with open_registry(load_config(device.config)) as registry:
            registry.accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="(test)")
            registry.accounts.add("Dr Lin", roles={Role.CLINICIAN, Role.PRESCRIBER}, pin=PIN, by="(test)")
        device.start()
        yield device


def signed_in(kiosk: Kiosk, browser: Browser, name: str) -> Page:
    """Open the page by its start address and sign in with the PIN."""
    address = kiosk.state_dir / "kiosk.url"
    wait_until(address.exists, what="the page is not served")
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(30_000)
    page.goto(address.read_text(encoding="utf-8").strip())
    page.get_by_role("link", name=name).click()
    page.fill('input[name="pin"]', PIN)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("What would you like to do?")
    return page


def touch(page: Page, name: str, value: str) -> None:
    """Touch an answer where a finger does: on its label."""
    page.locator(f'label:has(> input[name="{name}"][value="{value}"])').click()


def go_on(page: Page, name: str = "Go on") -> None:
    page.get_by_role("button", name=name, exact=True).click()


def seen(page: Page, name: str) -> None:
    """Judge one screen as axe-core and a gloved finger do."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    assert axe_violations(page) == [], name
    assert small_targets(page) == [], name


def until_the_pictures(page: Page) -> str:
    """Answer everything up to the guided views and return the case's id."""
    page.get_by_role("link", name="Start with a person").click()
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("h1")).to_have_text("Danger signs first")
    case_id = page.url.rsplit("/", maxsplit=1)[-1]
    touch(page, "sign.fever_now_or_history", "no")
    go_on(page)
    page.fill('input[name="age_years"]', "34")
    for name, value in (("sex", "female"), ("capacity", "full"), ("can_read", "yes")):
        touch(page, name, value)
    go_on(page)
    for title in ("Pictures for your care", "Help from a program", "A result without", "Pictures for another"):
        expect(page.locator("h1")).to_contain_text(title)
        page.get_by_role("button", name="Read aloud: the answer is yes").click()
    page.get_by_role("button", name="nothing to decide").click()
    page.fill('input[name="local_reference"]', "bed 4")
    go_on(page)
    touch(page, "site.elbow", "left")
    go_on(page)
    page.get_by_role("button", name="No", exact=True).click()  # no tattoo, nothing by which people know the person
    return case_id


def after_the_pictures(page: Page) -> None:
    """Answer the form and hand the case over."""
    go_on(page)
    touch(page, "duration", "more_than_one_year")
    touch(page, "pregnancy", "no")
    for _ in range(3):
        go_on(page)
    expect(page.locator("h1")).to_have_text("What do you think yourself?")
    touch(page, "tier", "T4_routine")
    go_on(page, "Hand the case over")


def test_a_whole_visit_on_the_real_device(kiosk: Kiosk, browser: Browser) -> None:
    """From danger signs to the report: pictures through the real gate, the real agents, nothing left unsigned leaves."""
    page = signed_in(kiosk, browser, "Nurse Li")
    case_id = until_the_pictures(page)
    expect(page.locator("#live-picture")).to_be_visible()
    live = "document.getElementById('live-picture').naturalWidth > 0"
    wait_until(lambda: bool(page.evaluate(live)), what="no preview")
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".taken > li")).to_have_count(1)
    seen(page, "view-taken")
    after_the_pictures(page)
    expect(page.locator("h1")).to_contain_text("The program is working")
    seen(page, "running")
    wait_until(lambda: kiosk.status()["cases"]["reported"] == 1, what="no report")
    expect(page.locator("#ready-words")).to_have_text("A report is ready.", timeout=REPORT_MS)
    seen(page, "ready")
    outbox = kiosk.status()["outbox"]
    assert outbox["queued"] + outbox["sent"] + outbox["stored"] == 0, "a report left before its signature"
    doctor = signed_in(kiosk, browser, "Dr Lin")
    doctor.goto(f"{doctor.url.rstrip('/')}/cases/{case_id}")
    expect(doctor.locator("h1")).to_contain_text("bed 4")
    seen(doctor, "report")
    doctor.get_by_role("button", name="Accept all open parts").click()
    touch(doctor, "confirmed", "yes")
    doctor.get_by_role("button", name="Sign the report").click()
    expect(doctor.locator("#sign")).to_contain_text("Signed by")
    wait_until(lambda: kiosk.status()["outbox"]["queued"] == 1, what="the signed result was not queued")


def test_a_power_cut_in_the_middle_loses_no_answer(kiosk: Kiosk, browser: Browser) -> None:
    """The supervisor is killed at the pictures: after the next start the visit stands where it stood."""
    page = signed_in(kiosk, browser, "Nurse Li")
    case_id = until_the_pictures(page)
    expect(page.locator("#live-picture")).to_be_visible()
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".taken > li")).to_have_count(1)
    kiosk.kill()
    (kiosk.state_dir / "kiosk.url").unlink()
    kiosk.start()
    again = signed_in(kiosk, browser, "Nurse Li")
    again.goto(f"{again.url.rstrip('/')}/consultation/{case_id}")
    expect(again.locator(".taken > li")).to_have_count(1)
    after_the_pictures(again)
    wait_until(lambda: kiosk.status()["cases"]["reported"] == 1, what="no report after the power cut")
