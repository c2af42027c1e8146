"""The frame of the kiosk in the browser that kiosks have: every page can be read, reached and touched, by anybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import Stationery
from edge_agent.kiosk.server import KioskServer
from edge_agent.store.accounts import EMERGENCY, Role
from edge_agent.store.audit import Action
from tests.simulators.browser import CHROMIUM, axe_violations, chromium, small_targets
from tests.simulators.kiosk_parts import PIN, RealClock, kiosk_parts

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
SIGNED_IN = (
    "/",
    "/settings",
    "/status",
    "/about",
    "/accounts",
    "/accounts/new",
    "/audit",
    "/pin",
    "/blank",
    "/nothing",
)
OPEN = ("/sign-in", "/emergency", "/about", "/settings")
CONTROLS = """{% extends "base.html" %}
{% from "parts/controls.html" import three_way, choices, stepper, tier, banner, field %}
{% block title %}Controls{% endblock %}
{% block main %}<h1>Controls</h1>
{{ stepper(["Danger signs", "Consent", "Pictures", "Report"], 1) }}
<form>{{ three_way("fever", "Fever?", hint="38 degrees or more", is_danger=true) }}{{ three_way("pain", "Pain?") }}
{{ choices("sex", "Sex", [("f", "female"), ("m", "male", "as the person says")]) }}
{{ choices("sites", "Where?", [("arm", "arm"), ("leg", "leg")], chosen=["arm"], is_many=true) }}
{{ field("age", "Age", problem="Write a number.") }}</form>
{% for id in ["T1_emergency", "T2_same_day", "T3_urgent", "T4_routine", "T5_local"] %}<p>{{ tier(id, "words", "by tomorrow") }}</p>{% endfor %}
<p><span class="overdue">overdue</span></p>
{% for kind in ["info", "caution", "alert", "good"] %}{{ banner(kind, "Strong words.", "And what to do.") }}{% endfor %}
{% endblock %}"""


@dataclass(frozen=True)
class Kiosk:
    """One served kiosk and one browser."""

    parts: KioskParts
    server: KioskServer
    browser: Browser
    folder: Path

    def page(self) -> Page:
        """Open a page at the start address, in a window of a small kiosk screen."""
        page = self.browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.on("console", lambda line: pytest.fail(line.text) if "Content Security Policy" in line.text else None)
        page.goto((self.folder / "kiosk.url").read_text(encoding="utf-8").strip())
        return page

    def signed_in(self) -> Page:
        """Open a page and sign in through the keys on the screen."""
        page = self.page()
        page.goto(f"{self.server.origin}/sign-in")
        page.get_by_role("link", name="Zhang Wei").click()
        for digit in PIN:
            page.locator(f'[data-key="{digit}"]').click()
        page.get_by_role("button", name="Sign in").click()
        return page


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kiosk]:
    folder = tmp_path_factory.mktemp("kiosk")
    with kiosk_parts(folder, clock=RealClock()) as parts, chromium() as browser:
        parts.accounts.add("Zhang Wei", roles=set(Role), pin=PIN, by="(test)")
        parts.accounts.add("Nurse Li", roles={Role.WORKER}, pin=PIN, by="(test)")
        parts.audit.note(EMERGENCY, Action.EMERGENCY_ACCESS, detail="danger_to_life")
        server = KioskServer(parts)
        server.start()
        yield Kiosk(parts, server, browser, folder)
        server.stop()


def _judge(page: Page, name: str) -> list[str]:
    """Return what is wrong with the page that is shown; keep a picture where somebody asked for one."""
    if folder := os.environ.get("DERM_EDGE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    is_wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    wide = [f"{name}: has to be moved sideways"] if is_wide else []
    return [f"{name}: {one}" for one in axe_violations(page) + small_targets(page)] + wide


def test_every_page_can_be_read_and_touched(kiosk: Kiosk) -> None:
    """axe-core finds nothing, every target has 48 px, nothing runs out of the screen: signed in and not."""
    page = kiosk.page()
    found: list[str] = []
    for path in OPEN:
        page.goto(f"{kiosk.server.origin}{path}")
        found += _judge(page, f"open{path.replace('/', '_')}")
    page = kiosk.signed_in()
    one = kiosk.parts.accounts.named("nurse.li").account_id
    for path in (*SIGNED_IN, f"/accounts/{one}"):
        page.goto(f"{kiosk.server.origin}{path}")
        found += _judge(page, f"in{path.replace('/', '_')}")
    assert found == []


@pytest.mark.parametrize("language", ["zh", "ar", "es"])
def test_every_language_fits(kiosk: Kiosk, language: str) -> None:
    """The same in each language, from right to left too."""
    page = kiosk.signed_in()
    page.goto(f"{kiosk.server.origin}/settings")
    page.locator(f'main button[value="{language}"]').click()
    found = []
    for path in SIGNED_IN:
        page.goto(f"{kiosk.server.origin}{path}")
        found += _judge(page, f"{language}{path.replace('/', '_')}")
    assert page.evaluate("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
    assert found == []


def test_large_print_and_the_dark_screen_fit_a_small_screen(kiosk: Kiosk) -> None:
    """Larger letters on a tablet's screen, light on dark: still readable, reachable, nothing cut off."""
    page = kiosk.signed_in()
    page.set_viewport_size({"width": 800, "height": 600})
    page.goto(f"{kiosk.server.origin}/settings")
    for name in ("large", "still", "dark"):
        page.locator(f'[name="{name}"]').check(force=True)
    page.locator('form[action="/settings/look"] button').click()
    found = []
    for path in SIGNED_IN:
        page.goto(f"{kiosk.server.origin}{path}")
        found += _judge(page, f"dark_large{path.replace('/', '_')}")
    assert found == []


def test_the_controls_of_all_rooms_work_by_touch_and_by_keyboard(kiosk: Kiosk) -> None:
    """Yes, no and not examined start empty, are chosen by keys and by touch, and say their state in words."""
    page = kiosk.page()
    stationery = Stationery(load_languages(["en"]), default="en")
    language = stationery.languages["en"]
    environment = stationery._environments["en"]
    values: dict[str, Any] = {
        "session": None,
        "person": None,
        "csrf": "",
        "language": language,
        "languages": {},
        "here": "/",
        "may_print": False,
        "is_verified": False,
    }
    words = environment.from_string(CONTROLS).render(**values, config=kiosk.parts.config.kiosk, faults=())
    page.route("**/controls", lambda route: route.fulfill(body=words, content_type="text/html"))
    page.goto(f"{kiosk.server.origin}/controls")
    assert page.locator('[name="fever"]:checked').count() == 0
    page.locator('[name="fever"]').first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator('[name="fever"]:checked').get_attribute("value") == "not_examined"
    page.get_by_role("group", name="Pain?").get_by_text("Yes").click()
    assert page.locator('[name="pain"]:checked').get_attribute("value") == "yes"
    assert _judge(page, "controls") == []


def test_the_screen_blanks_after_a_minute_and_hides_everything(kiosk: Kiosk) -> None:
    """After 60 s without a touch nothing of the page can be seen; a touch brings it back (policy R7)."""
    page = kiosk.signed_in()
    page.clock.install()
    page.goto(f"{kiosk.server.origin}/status")
    page.clock.fast_forward(59_000)
    assert page.locator("h1").is_visible()
    page.clock.fast_forward(2_000)
    page.locator("#blank").wait_for(state="visible")
    assert not page.locator("h1").is_visible()
    assert not page.get_by_text("Zhang Wei").is_visible()
    page.locator("#blank").click()
    page.locator("h1").wait_for(state="visible")


def test_a_kiosk_that_was_left_asks_for_the_pin_when_it_wakes(kiosk: Kiosk) -> None:
    """Whoever touches a blank screen after the session ended finds the names, not the page before."""
    page = kiosk.signed_in()
    page.clock.install()
    page.goto(f"{kiosk.server.origin}/status")
    page.clock.fast_forward(61_000)
    token = page.locator('meta[name="csrf"]').get_attribute("content")
    cookie = page.context.cookies()[0]
    page.request.post(
        f"{kiosk.server.origin}/sign-out",
        form={"csrf": str(token)},
        headers={"origin": str(kiosk.server.origin), "cookie": f"{cookie['name']}={cookie['value']}"},
        max_redirects=0,
    )
    page.locator("#blank").click()
    page.wait_for_url("**/sign-in**")


def test_a_person_without_a_script_can_do_everything_too(kiosk: Kiosk) -> None:
    """Without JavaScript the PIN is typed, forms are sent, and the page goes blank by itself."""
    context = kiosk.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((kiosk.folder / "kiosk.url").read_text(encoding="utf-8").strip())
    page.get_by_role("link", name="Nurse Li").click()
    page.get_by_label("Your PIN").fill(PIN)
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("heading", name="What would you like to do?").is_visible()
    assert page.locator('meta[http-equiv="refresh"]').get_attribute("content") == "60; url=/blank"
