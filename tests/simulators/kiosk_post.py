"""A health post as it stands: the real daemon, a camera that a test may break, Chromium, people with a PIN.

Every answer is touched where a finger touches it. Nobody in here exists.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect

from edge_agent.config import load_config
from edge_agent.kiosk.door import URL_FILE
from edge_agent.kiosk_bootstrap import open_registry
from edge_agent.store.accounts import Role
from tests.simulators.browser import axe_violations, small_targets
from tests.simulators.kiosk import DEMO, Kiosk, wait_until
from tests.simulators.kiosk_parts import PIN

NURSE: Final = "Nurse Li"
DOCTOR: Final = "Dr Lin"
SHOTS: Final = os.environ.get("DERM_SCREENSHOTS")
PICTURES: Final = DEMO / "pictures"
NO_ENGINE: Final = 'bundle_dir = "/no/such/bundle"\n'  # where the engine is not the point: the daemon starts faster
CONSENTS: Final = ("Pictures for your care", "Help from a program", "A result without", "Pictures for another")


@contextmanager
def post(browser: Browser, *, first: str = "", sections: str = "", camera: object = PICTURES) -> Iterator[Post]:
    """Give a post that is not started yet.

    Args:
        browser: that the post's people use.
        first: lines of the configuration before any section.
        sections: more sections of it.
        camera: the source.
    """
    with tempfile.TemporaryDirectory(prefix="p-") as folder, Kiosk(Path(folder)) as device:
        settings = first + device.config.read_text(encoding="utf-8")
        settings += f'[capture]\nsource = "{camera}"\n[kiosk]\nis_demo = true\n{sections}'
        device.config.write_text(settings, encoding="utf-8")
        with open_registry(load_config(device.config)) as registry:
            registry.accounts.add(NURSE, roles={Role.WORKER}, pin=PIN, by="(test)")
            registry.accounts.add(DOCTOR, roles={Role.CLINICIAN, Role.PRESCRIBER}, pin=PIN, by="(test)")
        yield Post(device, browser)


class Post:
    """One device and the browser in front of it; the last page that somebody signed in on is ``page``."""

    def __init__(self, device: Kiosk, browser: Browser) -> None:
        self.device = device
        self._browser = browser
        self._pages: list[Page] = []

    @property
    def start_address(self) -> str:
        """Return the address that the kiosk's own session opens, once the page is served."""
        address = self.device.state_dir / URL_FILE
        wait_until(address.exists, what="the page is not served")
        return address.read_text(encoding="utf-8").strip()

    def open_page(self) -> Page:
        """Open a fresh browser on the start address."""
        page = self._browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(30_000)
        self._pages.append(page)
        page.goto(self.start_address)
        return page

    def signed_in(self, name: str = NURSE) -> Page:
        """Open a fresh browser and sign in with the PIN."""
        page = self.open_page()
        page.get_by_role("link", name=name).click()
        give_pin(page)
        expect(page.locator("h1")).to_have_text("What would you like to do?")
        return page

    def close_pages(self) -> None:
        """Close every browser window."""
        for page in self._pages:
            page.context.close()
        self._pages.clear()

    def power_cut(self) -> None:
        """Kill the supervisor and start it again; who had a page open has to begin at the start address."""
        self.device.kill()
        (self.device.state_dir / URL_FILE).unlink()
        self.close_pages()
        self.device.start()


def give_pin(page: Page) -> None:
    """Enter the PIN of all tests."""
    page.fill('input[name="pin"]', PIN)
    page.keyboard.press("Enter")


def home(page: Page) -> None:
    """Go to the start page."""
    page.goto(re.sub(r"(https?://[^/]+)/.*", r"\1/", page.url))


def touch(page: Page, name: str, value: str) -> None:
    """Touch an answer where a finger does: on its label."""
    page.locator(f'label:has(> input[name="{name}"][value="{value}"])').click()


def go_on(page: Page, name: str = "Go on") -> None:
    """Press the way on."""
    page.get_by_role("button", name=name, exact=True).click()


def seen(page: Page, name: str) -> None:
    """Judge one screen as axe-core and a gloved finger do; ``DERM_SCREENSHOTS=DIR`` keeps its picture."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    assert axe_violations(page) == [], name
    assert small_targets(page) == [], name


def begin(page: Page) -> str:
    """Begin with a person and return the case's id."""
    home(page)
    page.get_by_role("link", name="Start with a person").click()
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("h1")).to_have_text("Danger signs first")
    return page.url.rsplit("/", maxsplit=1)[-1]


def danger(page: Page, **signs: str) -> None:
    """Answer the danger signs: no fever, and what is told."""
    for sign, answer in ({"fever_now_or_history": "no"} | signs).items():
        touch(page, f"sign.{sign}", answer)
    go_on(page)


def age(page: Page, years: int = 34, *, mother: str | None = None) -> None:
    """Enter who it is, decided by the person; ``mother``: for a child that agrees."""
    page.fill('input[name="age_years"]', str(years))
    for name, value in (("sex", "female"), ("capacity", "full"), ("can_read", "yes")):
        touch(page, name, value)
    if mother is not None:
        touch(page, "guardian_present", "yes")
        page.fill('input[name="guardian_name"]', mother)
        page.select_option('select[name="guardian_relation"]', "mother")
        touch(page, "assent", "given")
    go_on(page)


def consents(page: Page, *, refused: str = "") -> None:
    """Read the five consents aloud and write the answers down; the fifth is not open at all."""
    for title in CONSENTS:
        expect(page.locator("h1")).to_contain_text(title)
        answer = "no" if refused and refused in title else "yes"
        page.get_by_role("button", name=f"Read aloud: the answer is {answer}").click()
    expect(page.locator("h1")).to_contain_text("Use to improve the program")
    page.get_by_role("button", name="nothing to decide").click()


def who(page: Page, reference: str, *, is_known: bool = False) -> None:
    """Enter the post's own reference."""
    page.fill('input[name="local_reference"]', reference)
    go_on(page)
    if is_known:
        page.locator("label", has_text="The same person").click()
        go_on(page)


def where(page: Page, site: str = "elbow", side: str = "left") -> None:
    """Choose one body site; where a picture may be taken, nothing on it tells who it is."""
    touch(page, f"site.{site}", side)
    go_on(page)
    expect(page.locator("h1")).not_to_have_text("Where is the skin affected?")
    page.wait_for_load_state("domcontentloaded")
    unmarked = page.locator('button[name="has_mark"][value="no"]')
    if unmarked.count():
        unmarked.click()


def take_picture(page: Page, *, count: int = 1) -> None:
    """Wait for the live picture and take one; ``count`` stand there afterwards."""
    live = "document.getElementById('live-picture')?.naturalWidth > 0"
    wait_until(lambda: bool(page.evaluate(live)), what="no preview")
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".taken > li")).to_have_count(count)


def questions(page: Page) -> None:
    """Answer the three screens of the form: what has a star."""
    touch(page, "duration", "more_than_one_year")
    if page.locator('input[name="pregnancy"]').count():  # not asked of a small child
        touch(page, "pregnancy", "no")
    for _ in range(3):
        go_on(page)


def own_view(page: Page, tier: str = "T4_routine") -> None:
    """Say what the worker thinks, and hand the case over."""
    expect(page.locator("h1")).to_have_text("What do you think yourself?")
    touch(page, "tier", tier)
    go_on(page, "Hand the case over")


def up_to_the_pictures(page: Page, reference: str = "bed 4", *, refused: str = "") -> str:
    """Answer everything up to the guided views and return the case's id."""
    case_id = begin(page)
    danger(page)
    age(page)
    consents(page, refused=refused)
    who(page, reference)
    where(page)
    return case_id


def case_counts(device: Kiosk) -> Mapping[str, int]:
    """Return how many cases stand in which state, as the daemon tells."""
    told: Mapping[str, int] = device.told()["cases"]
    return told
