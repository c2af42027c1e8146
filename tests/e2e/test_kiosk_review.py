"""The rooms of stored cases in the browser that kiosks have: decide, sign, read a second time, print, take back.

``DERM_SCREENSHOTS=DIR`` keeps a picture of every screen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from edge_agent.interop.pdf import PdfPress
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.server import KioskServer
from edge_agent.store.accounts import Role
from edge_agent.store.sent_files import SentFiles
from tests.simulators.browser import CHROMIUM, axe_violations, chromium, small_targets
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import PIN, RealClock
from tests.simulators.paper_press import PaperPress
from tests.simulators.reported_visits import Told, add_visit, golden

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
SHOTS = os.environ.get("DERM_SCREENSHOTS")


@dataclass(frozen=True)
class Kiosk:
    """One served kiosk and one browser."""

    parts: KioskParts
    browser: Browser
    folder: Path
    press: PaperPress

    def signed_in(self, name: str, *roles: Role) -> Page:
        """Open a page of a small kiosk screen and sign somebody in."""
        account = self.parts.accounts.add(name, roles=roles or (Role.WORKER,), pin=PIN, by="(test)")
        page = self.browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.on("console", lambda line: pytest.fail(line.text) if "Content Security Policy" in line.text else None)
        page.goto((self.folder / "kiosk.url").read_text(encoding="utf-8").strip())
        page.goto(f"{page.url.split('/sign-in', maxsplit=1)[0]}/sign-in?account={account.account_id}")
        page.fill('input[name="pin"]', PIN)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("What would you like to do?")
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def kiosk(tmp_path: Path, browser: Browser) -> Iterator[Kiosk]:
    with consultation_kiosk(tmp_path, clock=RealClock(), is_demo=True) as built:
        press = PaperPress()
        parts = replace(built, press=press)
        _fill(parts)
        server = KioskServer(parts)
        server.start()
        try:
            yield Kiosk(parts, browser, tmp_path, press)
        finally:
            server.stop()


def _fill(parts: KioskParts) -> None:
    """Store one person's three visits, an urgent one of dark skin, and an emergency."""
    now = datetime.now(UTC)
    episode = None
    for n, (days, bsa, pga) in enumerate(((90, 12.0, 3), (45, 6.0, 2), (2, 2.5, 1)), start=1):
        report = golden("psoriasis")
        report["severity"] = {**report["severity"], "bsa_percent": bsa, "pga": pga}
        if n == 1:
            bundle = {**report["provenance"]["bundle"], "lineage": "before"}
            report["provenance"] = {**report["provenance"], "bundle": bundle}
        told = Told(reference="F-0412", episode_id=episode, fitzpatrick=6)
        episode = add_visit(parts, f"visit-{n}", told, created=now - timedelta(days=days), report=report)
    late = golden("pigmented")
    late["triage"] = {**late["triage"], "deadline": (now - timedelta(days=1)).isoformat()}
    add_visit(
        parts,
        "late",
        Told("pigmented", reference="M-0077", sites=("groin",), shots=("close_up",)),
        created=now - timedelta(days=15),
        report=late,
    )
    urgent = golden("sjs")
    urgent["triage"] = {**urgent["triage"], "deadline": (now - timedelta(minutes=3)).isoformat()}
    told = Told("sjs", reference="F-0388", sites=(), shots=())
    add_visit(parts, "now", told, created=now - timedelta(minutes=4), report=urgent)


def _seen(page: Page, name: str) -> None:
    """Judge one screen: nothing that axe-core minds, nothing too small for a gloved finger; keep its picture if asked."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    page.wait_for_load_state()
    is_wide = page.locator("html").evaluate("it => it.scrollWidth > it.clientWidth")  # waits while a page is replaced
    assert axe_violations(page) == [], name
    assert small_targets(page) == [], name
    assert not is_wide, f"{name} has to be moved sideways"


def test_a_report_is_decided_signed_read_again_and_printed(kiosk: Kiosk) -> None:
    """From the list to the paper, by two people; every screen can be read and touched."""
    page = kiosk.signed_in("Lin Hua", Role.CLINICIAN)
    page.get_by_role("link", name="Cases", exact=False).first.click()
    _seen(page, "cases")
    page.get_by_role("navigation", name="Which cases").get_by_role("link", name="Second reading").click()
    _seen(page, "cases_second")
    page.get_by_role("link", name="F-0412").first.click()
    case = page.url.rsplit("/", maxsplit=1)[1]
    _seen(page, "report_open")
    triage = page.locator("#decide-triage")
    triage.locator('label:has(> input[value="corrected"])').click()
    triage.get_by_text("Reason and correction").click()
    triage.get_by_label("Why").select_option("missed_red_flag")
    triage.get_by_label("Right:").select_option("T4_routine")
    _seen(page, "report_correcting")
    triage.get_by_role("button", name="Save the decision").click()
    expect(page.locator("#decide-triage")).to_contain_text("corrected")
    page.get_by_role("button", name="Accept all open parts").click()
    page.locator('label:has(> input[name="confirmed"])').click()
    _seen(page, "report_to_sign")
    page.get_by_role("button", name="Sign the report").click()
    expect(page.locator("#sign")).to_contain_text("Signed by Lin Hua")
    _seen(page, "report_signed")
    page.get_by_role("link", name="Print, letter, file").click()
    _seen(page, "print")
    expect(page.locator("#to")).to_have_value("dermatology_remote_reading")  # its tier was corrected to routine
    sheet = page.request.get(f"{page.url}/report.pdf?audience=person&language=en")
    assert sheet.headers["content-type"] == "application/pdf"
    assert "T4 routine" in sheet.text() and "Signed by Lin Hua" in kiosk.press.pages[-1].foot
    other = kiosk.signed_in("Wang Min", Role.CLINICIAN)
    other.goto(page.url.replace("/print", "/second-reading"))
    _seen(other, "second_reading")
    other.locator('label:has(> input[name="agrees"][value="yes"])').click()
    other.locator('label:has(> input[name="lesion_description"][value="9"])').click()
    other.get_by_role("button", name="Save the second reading").click()
    expect(other.locator("#sign")).to_contain_text("agrees")
    assert kiosk.parts.database.rows("SELECT count(*) FROM second_readings WHERE case_id = ?", (case,)) == [(1,)]


@pytest.fixture
def printing_kiosk(tmp_path: Path, browser: Browser) -> Iterator[Kiosk]:
    """A kiosk with the real press: its sheets can be drawn by the browser."""
    with consultation_kiosk(tmp_path, clock=RealClock(), is_demo=True) as built:
        parts = replace(built, press=PdfPress())
        add_visit(parts, "one", created=datetime.now(UTC))
        server = KioskServer(parts)
        server.start()
        try:
            yield Kiosk(parts, browser, tmp_path, PaperPress())
        finally:
            server.stop()


def test_a_sheet_is_drawn_printed_and_left_again(printing_kiosk: Kiosk) -> None:
    """The browser's own viewer draws the PDF in the page, the page's button prints it, and Back leads back."""
    page = printing_kiosk.signed_in("Lin Hua", Role.CLINICIAN)
    page.goto(f"{page.url.rstrip('/')}/cases/one/print")
    page.get_by_role("button", name="Print the clinician's copy").click()
    button = page.get_by_role("button", name="Print", exact=True)
    expect(button).to_be_enabled(timeout=60_000)
    assert any(frame.url.startswith("chrome-extension:") for frame in page.frames)  # the viewer, not an error page
    _seen(page, "paper")
    page.evaluate(
        "() => { const sheet = document.getElementById('paper').contentWindow; sheet.print = () => { window.printed = true; }; }"
    )
    button.click()
    assert page.evaluate("() => window.printed === true")
    page.get_by_role("link", name="Back").click()
    expect(page.locator("h1")).to_contain_text("Print, letter, file")
    assert printing_kiosk.parts.database.rows("SELECT count(*) FROM audit WHERE action = 'report_printed'") == [(1,)]


def test_earlier_visits_and_a_withdrawal(kiosk: Kiosk) -> None:
    """The course as drawing and table, pictures then and now; then the pictures are taken back and gone."""
    page = kiosk.signed_in("Li Na")
    origin = page.url.rstrip("/")
    page.goto(f"{origin}/cases/visit-3/episode")
    _seen(page, "episode")
    page.goto(f"{origin}/cases/visit-3/withdraw")
    _seen(page, "withdraw")
    page.locator('label:has(> input[value="care_pictures"])').click()
    page.get_by_role("button", name="Go on").click()
    _seen(page, "withdraw_sure")
    page.get_by_role("button", name="Yes, take it back now").click()
    expect(page.get_by_text("The pictures are destroyed.")).to_be_visible()
    _seen(page, "withdrawn")
    page.goto(f"{origin}/cases/visit-3")
    assert page.locator("main img").count() == 0
    _seen(page, "report_withdrawn")


def test_a_wrong_answer_is_put_right(kiosk: Kiosk) -> None:
    """A sign that was missed, by touch: the case is an emergency at once, and says what was corrected."""
    page = kiosk.signed_in("Lin Hua", Role.CLINICIAN)
    origin = page.url.rstrip("/")
    page.goto(f"{origin}/cases/visit-3")
    page.get_by_role("link", name="Correct an answer").click()
    _seen(page, "answers")
    for screen in ("complaint", "history", "examination"):
        page.goto(f"{origin}/cases/visit-3/answers?screen={screen}")
        _seen(page, f"answers_{screen}")
    page.goto(f"{origin}/cases/visit-3/answers")
    page.locator('label:has(> input[name="danger_signs.breathing_difficulty"][value="yes"])').click()
    page.locator('label:has(> input[name="reason"][value="learned_later"])').click()
    page.get_by_role("button", name="Save the correction").click()
    expect(page.locator("#corrected")).to_contain_text("Lin Hua")
    expect(page.locator("main").get_by_text("Emergency: now")).to_be_visible()
    _seen(page, "answers_corrected")
    page.goto(f"{origin}/cases/visit-3")
    expect(page.locator("#section_red_flags")).to_contain_text("RF-01")
    _seen(page, "report_corrected")


def test_a_receiver_answers(kiosk: Kiosk) -> None:
    """A file that was taken back stands on the list until a clinician has written down that it is deleted."""
    with kiosk.parts.database.transaction() as connection:
        SentFiles.append(
            connection, "visit-3", form="fhir", receiver="hospital", account="lin.hua", sent=datetime.now(UTC)
        )
    page = kiosk.signed_in("Lin Hua", Role.CLINICIAN)
    origin = page.url.rstrip("/")
    page.goto(f"{origin}/cases/visit-3/withdraw")
    page.locator('label:has(> input[value="referral_package"])').click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Yes, take it back now").click()
    page.goto(f"{origin}/cases?show=asked")
    _seen(page, "deletions_to_confirm")
    page.get_by_role("link", name="Ask, and write the answer down").click()
    _seen(page, "receivers")
    page.locator('label:has(> input[value="deleted"])').click()
    page.locator('label:has(> input[value="telephone"])').click()
    page.get_by_label("Who said so").fill("Records office, Wang")
    page.get_by_role("button", name="Save the answer").click()
    expect(page.get_by_text("Records office, Wang")).to_be_visible()
    _seen(page, "receiver_answered")
    page.goto(f"{origin}/cases?show=asked")
    expect(page.get_by_text("Nothing waits here.")).to_be_visible()


def test_a_hidden_picture_is_fetched_only_when_it_is_opened(kiosk: Kiosk) -> None:
    """An intimate picture stays closed: no look is logged before the clinician opens it (R5, R13)."""
    page = kiosk.signed_in("Lin Hua", Role.CLINICIAN)
    page.goto(f"{page.url.rstrip('/')}/cases/late")
    page.wait_for_load_state("networkidle")
    looks = "SELECT count(*) FROM audit WHERE action = 'picture_viewed'"
    assert kiosk.parts.database.rows(looks) == [(0,)]
    with page.expect_response("**/pictures/0") as answer:
        page.get_by_text("Show the picture").first.click()
    assert answer.value.status == 200
    assert kiosk.parts.database.rows(looks) == [(1,)]


@pytest.mark.parametrize("language", ["zh", "ar"])
def test_every_room_fits_in_each_language(kiosk: Kiosk, language: str) -> None:
    """Chinese, and from right to left: still readable, reachable, nothing cut off."""
    page = kiosk.signed_in("Lin Hua", Role.CLINICIAN)
    origin = page.url.rstrip("/")
    page.goto(f"{origin}/settings")
    page.locator(f'main button[value="{language}"]').click()
    for path in (
        "",
        "/late",
        "/late/print",
        "/visit-3/episode",
        "/late/withdraw",
        "/late/answers",
        "/late/second-reading",
    ):
        page.goto(f"{origin}/cases{path}")
        _seen(page, f"{language}{path.replace('/', '_') or '_cases'}")
