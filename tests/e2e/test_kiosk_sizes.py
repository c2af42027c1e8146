"""Every kind of screen, in every language, on the screens that kiosks have: nothing cut off that a hand needs.

1024 x 768 is the smallest; 800 x 1280 is a tablet on its end. axe-core and the size of a finger are asked at the smallest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from edge_agent.consultation.steps import QUESTIONS, Step
from edge_agent.contracts.practice import Contact, Contacts, Practice
from edge_agent.kiosk.consultation_parts import ConsultationParts
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.server import KioskServer
from edge_agent.store.accounts import Account, Role
from edge_agent.store.vault import ImageKind
from tests.simulators.browser import CHROMIUM, axe_violations, chromium, small_targets
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.consultations import COURSE, PNG, steps, taken
from tests.simulators.kiosk_parts import PIN, RealClock

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
SIZES = ((1024, 768), (1280, 800), (1920, 1080), (800, 1280))
SMALLEST = SIZES[0]
LANGUAGES = ("en", "zh", "ar", "es")
MOST_WORDS = ("safe_mode", "restarting_often", "disk_full", "clock_wrong")
CALLED = Contacts(
    emergency_number="120",
    referral_contact=Contact(name="County hospital, skin clinic", phone="0000 111 222"),
    safeguarding_contact=Contact(name="Ms Sun", phone="0000 333 444"),
)
SUBMIT = ".button-main.button-wide"  # of the PIN pad


@dataclass(frozen=True)
class Kiosk:
    """One served kiosk, a page before and one after the PIN, and the address of each screen."""

    origin: str
    door: Page  # nobody is signed in
    inside: Page
    faults: list[str]
    screens: dict[str, str]

    def at_the_door(self, language: str, size: tuple[int, int]) -> Page:
        """Return the page of the PIN in one language, on one size of screen."""
        return _shown(self.door, language, size)

    def signed_in(self, language: str, size: tuple[int, int] = SMALLEST) -> Page:
        """Return the page of somebody who may do everything."""
        self.inside.goto(f"{self.origin}/settings")
        return _shown(self.inside, language, size)


def _shown(page: Page, language: str, size: tuple[int, int]) -> Page:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    _speak(page, language)
    return page


def _opened(browser: Browser, folder: Path, origin: str, account: Account) -> Page:
    page = browser.new_context(reduced_motion="reduce").new_page()
    page.set_default_timeout(20_000)
    page.goto((folder / "kiosk.url").read_text(encoding="utf-8").strip())  # a start address opens one session
    page.goto(f"{origin}/sign-in?account={account.account_id}")
    return page


def _speak(page: Page, language: str) -> None:
    with page.expect_navigation():
        page.evaluate(
            "(code) => document.querySelector(`form[action='/settings/language'] button[value='${code}']`).click()",
            language,
        )


def _begun(parts: KioskParts, account: Account, answers: Sequence[Any], episode_id: str | None = None) -> str:
    """Begin a visit in the store and answer so many screens; returns the case's id."""
    room = _room(parts)
    case_id = room.consultations.begin(owner=account.name, now=datetime.now(UTC), episode_id=episode_id).case_id
    for answer in answers:
        room.consultations.change(case_id, answer)
    return case_id


def _room(parts: KioskParts) -> ConsultationParts:
    assert parts.consultation is not None
    return parts.consultation


def _interrupted(sign: str) -> Any:
    return lambda draft: COURSE.onward(draft.changed(danger_signs={sign: "yes"}))


def _earlier_visit(parts: KioskParts, account: Account) -> str:
    """Hold a whole visit with one picture and hand it over; returns its episode."""
    room, way = _room(parts), steps()
    at = QUESTIONS.index(Step.VIEWS)
    case_id = _begun(parts, account, way[:at])
    room.consultations.take(
        case_id,
        PNG,
        kind=ImageKind.ORDINARY,
        describe=lambda draft, image: draft.changed(views=(*draft.views, taken(image))),
    )
    for answer in way[at:]:
        room.consultations.change(case_id, answer)
    room.consultations.hand_over(case_id, desk=parts.desk, rules=COURSE, now=datetime.now(UTC))
    return room.episodes.visit(case_id).episode_id


def _screens(parts: KioskParts, account: Account) -> dict[str, str]:
    """Return the address of each screen by name."""
    way = steps()
    found = {f"{step}": _begun(parts, account, way[: QUESTIONS.index(step)]) for step in QUESTIONS}
    found["emergency"] = _begun(parts, account, [_interrupted("breathing_difficulty")])
    found["safeguarding"] = _begun(parts, account, [_interrupted("disclosure_of_abuse")])
    # The reference is known: the step "who" is answered like the others, and the second visit stands at its pictures.
    found["follow_up"] = _begun(
        parts, account, way[: QUESTIONS.index(Step.VIEWS)], episode_id=_earlier_visit(parts, account)
    )
    rooms = ("", "consultation", "consultation/new", "cases", "status", "settings", "about", "accounts", "accounts/new",
             "audit", "pin")  # fmt: skip
    return {name: f"/consultation/{case_id}" for name, case_id in found.items()} | {
        f"/{path}": f"/{path}" for path in (*rooms, f"accounts/{account.account_id}")
    }


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kiosk]:
    folder = tmp_path_factory.mktemp("kiosk")
    faults: list[str] = []
    with consultation_kiosk(folder, clock=RealClock()) as built, chromium() as browser:
        account = built.accounts.add("Zhang Wei", roles=set(Role), pin=PIN, by="(test)")
        parts = replace(built, faults=lambda: tuple(faults), practice=Practice(contacts=CALLED))
        screens = _screens(parts, account)
        server = KioskServer(parts)
        server.start()
        try:
            door, inside = (_opened(browser, folder, str(server.origin), account) for _ in range(2))
            inside.fill('input[name="pin"]', PIN)
            with inside.expect_navigation():
                inside.keyboard.press("Enter")
            yield Kiosk(str(server.origin), door, inside, faults, screens)
        finally:
            server.stop()


def _sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def _bottom(page: Page, selector: str) -> float:
    """Return where an element ends, in px from the top of the screen as it opens."""
    return float(page.locator(selector).first.evaluate("(one) => one.getBoundingClientRect().bottom"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen_can_be_read_and_touched(kiosk: Kiosk, language: str) -> None:
    """axe-core finds nothing, every target has 48 px, nothing runs out to the side, at the smallest size."""
    page = kiosk.signed_in(language)
    found: list[str] = []
    for name, path in kiosk.screens.items():
        page.goto(f"{kiosk.origin}{path}")
        found += [f"{name}: {one}" for one in axe_violations(page) + small_targets(page)]
        found += [f"{name}: has to be moved sideways"] if _sideways(page) else []
    assert found == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_screen_has_to_be_moved_sideways(kiosk: Kiosk, language: str, size: tuple[int, int]) -> None:
    """Each size of screen in each language."""
    page = kiosk.signed_in(language, size)
    found = []
    for name, path in kiosk.screens.items():
        page.goto(f"{kiosk.origin}{path}")
        if _sideways(page):
            found.append(name)
    assert found == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pin_pad_fits_the_screen(kiosk: Kiosk, language: str, size: tuple[int, int]) -> None:
    """Who types a PIN with a glove on sees every key and the button without moving the page."""
    page = kiosk.at_the_door(language, size)
    assert _bottom(page, SUBMIT) <= size[1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_emergency_shows_number_orders_and_buttons_at_once(
    kiosk: Kiosk, language: str, size: tuple[int, int]
) -> None:
    """Nobody scrolls for the number to call or for what to do; the buttons lie over none of it."""
    page = kiosk.signed_in(language, size)
    page.goto(f"{kiosk.origin}{kiosk.screens['emergency']}")
    top_of_buttons = page.locator(".actions-kept").evaluate("(one) => one.getBoundingClientRect().top")
    number, last_order = _bottom(page, ".call strong"), _bottom(page, ".order-steps li:last-child")
    assert page.locator(".call strong").first.inner_text() == "120"
    assert number < last_order <= top_of_buttons < size[1]
    assert "RF-01" not in page.locator(".instruction").inner_text()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_follow_up_shows_both_pictures_and_the_shutter(kiosk: Kiosk, language: str, size: tuple[int, int]) -> None:
    """The live picture is at least 460 px wide, and the shutter is in sight; beside it the last picture begins."""
    page = kiosk.signed_in(language, size)
    page.goto(f"{kiosk.origin}{kiosk.screens['follow_up']}")
    width = page.locator("#live").evaluate("(one) => one.getBoundingClientRect().width")
    assert width >= 460
    assert _bottom(page, ".shutter") <= page.locator(".actions-kept").evaluate(
        "(one) => one.getBoundingClientRect().top"
    )
    earlier = page.locator(".earlier img").evaluate("(one) => one.getBoundingClientRect().top")
    assert earlier < size[1] - 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_device_in_trouble_still_shows_where_to_begin(kiosk: Kiosk, language: str) -> None:
    """Four banners at once, on the smallest screen: axe-core finds nothing, the first tile stays in sight."""
    page = kiosk.signed_in(language)
    kiosk.faults[:] = MOST_WORDS
    try:
        page.goto(f"{kiosk.origin}/")
        assert axe_violations(page) + small_targets(page) == []
        assert _bottom(page, ".tile-first") <= SMALLEST[1]
    finally:
        kiosk.faults.clear()
