"""The whole consultation in the browser that kiosks have: by touch, by keyboard, with every refusal, without a mouse.

``DERM_SCREENSHOTS=DIR`` keeps a picture of every screen.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from edge_agent.ipc import Kind
from edge_agent.kiosk.consultation_parts import ConsultationParts
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.server import KioskServer
from edge_agent.store.accounts import Role
from tests.simulators.browser import CHROMIUM, axe_violations, chromium, small_targets
from tests.simulators.consultation_kiosk import PatientDesk, ScriptedGate, Verdict, consultation_kiosk
from tests.simulators.kiosk import wait_until
from tests.simulators.kiosk_parts import PIN, RealClock

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

    @property
    def room(self) -> ConsultationParts:
        assert self.parts.consultation is not None
        return self.parts.consultation

    @property
    def gate(self) -> ScriptedGate:
        assert isinstance(self.room.gate, ScriptedGate)
        return self.room.gate

    @property
    def desk(self) -> PatientDesk:
        assert isinstance(self.parts.desk, PatientDesk)
        return self.parts.desk

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
    with consultation_kiosk(tmp_path, clock=RealClock()) as parts:
        server = KioskServer(parts)
        server.start()
        try:
            yield Kiosk(parts, browser, tmp_path)
        finally:
            server.stop()


def _seen(page: Page, name: str) -> None:
    """Judge one screen: nothing that axe-core minds, nothing too small for a gloved finger; keep its picture if asked."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    assert axe_violations(page) == [], name
    assert small_targets(page) == [], name


def _begin(page: Page) -> str:
    page.get_by_role("link", name="Start with a person").click()
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("h1")).to_have_text("Danger signs first")
    found = re.search(r"/consultation/(\w+)$", page.url)
    assert found is not None
    return found[1]


def _on(page: Page, name: str = "Go on") -> None:
    page.get_by_role("button", name=name, exact=True).click()


def _answer(page: Page, name: str, value: str) -> None:
    """Touch an answer where a finger does: on its label."""
    page.locator(f'label:has(> input[name="{name}"][value="{value}"])').click()


def _danger(page: Page, **signs: str) -> None:
    for sign, answer in ({"fever_now_or_history": "no"} | signs).items():
        _answer(page, f"sign.{sign}", answer)
    _on(page)


def _age(page: Page, years: int = 34) -> None:
    page.fill('input[name="age_years"]', str(years))
    _answer(page, "sex", "female")
    _answer(page, "capacity", "full")
    _answer(page, "can_read", "yes")


def _consents(page: Page, *, refused: str = "") -> None:
    for title in ("Pictures for your care", "Help from a program", "A result without", "Pictures for another"):
        expect(page.locator("h1")).to_contain_text(title)
        answer = "no" if refused and refused in title else "yes"
        page.get_by_role("button", name=f"Read aloud: the answer is {answer}").click()
    page.get_by_role("button", name="nothing to decide").click()


def _who(page: Page, reference: str) -> None:
    page.fill('input[name="local_reference"]', reference)
    _on(page)


def _intake(page: Page) -> None:
    _answer(page, "duration", "more_than_one_year")
    if page.locator('input[name="pregnancy"]').count():  # not asked of a small child
        _answer(page, "pregnancy", "unknown")
    _on(page)
    expect(page.locator("h1")).to_have_text("Drugs, illnesses and joints")
    _on(page)
    expect(page.locator("h1")).to_have_text("Examination")
    _on(page)


def _no_mark(page: Page) -> None:
    """Answer that nothing on this place tells who the person is."""
    page.get_by_role("button", name="No", exact=True).click()


def _own_view(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("What do you think yourself?")
    _answer(page, "tier", "T4_routine")
    _on(page, "Hand the case over")
    expect(page.locator("h1")).to_contain_text("The program is working")


def test_the_whole_way(kiosk: Kiosk) -> None:
    """Every screen from danger signs to the notice: answered, judged by axe-core and by the size of a finger."""
    page = kiosk.signed_in("Nurse Li")
    page.get_by_role("link", name="Start with a person").click()
    _seen(page, "00-new")
    page.goto(page.url.replace("/consultation/new", "/"))
    case_id = _begin(page)
    _answer(page, "sign.fever_now_or_history", "no")
    page.get_by_role("button", name="I looked: no to the rest").first.click()
    expect(page.locator("[data-count]")).to_have_text("8")
    _seen(page, "01-danger-signs")
    _on(page)
    _age(page)
    _seen(page, "03-age")
    _on(page)
    _seen(page, "04-consent")
    _consents(page)
    _seen(page, "05-who")
    _who(page, "bed 4")
    page.locator('.region[data-site="elbow"][data-side="left"]').first.click()
    assert page.locator('input[name="site.elbow"][value="left"]').is_checked()
    _answer(page, "site.abdomen", "yes")
    _seen(page, "06-sites")
    _on(page)
    _seen(page, "07-mark")
    _no_mark(page)
    expect(page.locator("#hint-words")).to_contain_text("Ready")
    wait_until(
        lambda: bool(page.evaluate("document.getElementById('live-picture').naturalWidth > 0")), what="no preview"
    )
    _seen(page, "07-views")
    kiosk.gate.says = Verdict("refused", ("blur_focus",))
    page.keyboard.press("Space")
    expect(page.locator(".banner-alert")).to_contain_text("not good enough")
    _seen(page, "08-refused")
    assert kiosk.room.consultations.draft(case_id).views == ()
    kiosk.gate.says = Verdict("accepted_with_warning", ("glare",))
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".taken")).to_contain_text("accepted with a warning")
    kiosk.gate.says = Verdict()
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".taken > li")).to_have_count(2)
    _seen(page, "09-taken")
    _on(page)
    _seen(page, "10-complaint")
    _answer(page, "duration", "more_than_one_year")
    _answer(page, "pregnancy", "no")
    _answer(page, "itch_nrs", "6")
    expect(page.locator("[data-count]")).to_have_text("3")
    _on(page)
    _seen(page, "11-history")
    _on(page)
    _seen(page, "12-examination")
    _on(page)
    _seen(page, "13-own-view")
    _own_view(page)
    wait_until(lambda: kiosk.desk.is_followed(case_id), what="nobody follows the case")
    kiosk.desk.tell(case_id, Kind.PROGRESS, stage="recognition", done=1, total=2, remaining_s=130.0)
    shown = {"agent": "recognition", "view": 0, "step": "step", "is_decided": True}
    kiosk.desk.tell(case_id, Kind.FIELD, **shown, field="family", value="papulosquamous")
    kiosk.desk.tell(case_id, Kind.FIELD, **shown, field="colour", value=["bright_red", "pink"])
    expect(page.locator("#left")).to_contain_text("About 2 minutes left")
    expect(page.locator("#sign-list")).to_contain_text("bright red")
    _seen(page, "14-running")
    page.get_by_role("link", name="Start the next person").click()
    page.get_by_role("button", name="Begin").click()
    kiosk.desk.finish(case_id, {"case_id": case_id})
    expect(page.locator("#ready-words")).to_have_text("A report is ready.")
    expect(page.locator("h1")).to_have_text("Danger signs first")  # it did not open over the next person
    page.get_by_role("link", name="Look at the list").click()
    _seen(page, "15-people")
    case = kiosk.parts.cases.load(case_id)
    assert [view.body_site for view in case.views] == ["abdomen", "abdomen"]
    assert case.intake.views[0].quality == "accepted_with_warning"


def test_an_emergency_stops_everything_and_the_case_goes_on(kiosk: Kiosk) -> None:
    """The fixed instruction fills the screen before age and consent; then the case goes on."""
    page = kiosk.signed_in("Nurse Wang")
    _begin(page)
    _danger(page, breathing_difficulty="yes")
    expect(page.locator(".order")).to_contain_text("Arrange the transfer at once.")
    _seen(page, "02-emergency")
    page.get_by_role("link", name="Help the person first").click()
    page.get_by_role("link", name="Go on", exact=True).click()
    page.get_by_role("button", name="I have read it").click()
    expect(page.locator("h1")).to_have_text("Age, and who can decide")


def test_signs_of_abuse_end_photography(kiosk: Kiosk) -> None:
    """R9: an instruction to read alone, then no camera anywhere."""
    page = kiosk.signed_in("Nurse Zhao")
    _begin(page)
    _danger(page, disclosure_of_abuse="yes")
    expect(page.locator("h1")).to_have_text("Please read this alone")
    _seen(page, "16-safeguarding")
    page.get_by_role("button", name="Go on without pictures").click()
    _age(page)
    _on(page)
    _consents(page)
    _who(page, "bed 5")
    expect(page.locator(".banner")).to_contain_text(["No pictures in this case."])
    _seen(page, "17-sites-stopped")
    _answer(page, "site.elbow", "left")
    _on(page)
    expect(page.locator("h1")).to_have_text("What troubles the person")


@pytest.mark.parametrize(
    "refused", ["Pictures for your care", "Help from a program", "A result without", "Pictures for another"]
)
def test_each_refusal_alone_still_reaches_the_end(kiosk: Kiosk, refused: str) -> None:
    """R1: without pictures, program, sync or package the case is handed over all the same."""
    page = kiosk.signed_in("Nurse Qian")
    case_id = _begin(page)
    _danger(page)
    _age(page)
    _on(page)
    _consents(page, refused=refused)
    _who(page, "bed 6")
    _answer(page, "site.elbow", "left")
    _on(page)
    if refused != "Pictures for your care":
        _on(page, "Go on without pictures")
    _intake(page)
    _own_view(page)
    consent = kiosk.parts.cases.load(case_id).consent
    assert consent is not None
    granted = [consent.care_pictures, consent.program_help, consent.deidentified_result, consent.referral_package]
    assert sum(purpose.granted for purpose in granted) == 3


def test_a_childs_intimate_site_has_no_camera(kiosk: Kiosk) -> None:
    """R4: guardian and child agree, and the site picker says in words that no picture is taken there."""
    page = kiosk.signed_in("Nurse Sun", Role.WORKER, Role.CLINICIAN)
    case_id = _begin(page)
    _danger(page)
    _age(page, 9)
    expect(page.locator("[data-for-minors]")).to_be_visible()
    _answer(page, "guardian_present", "yes")
    page.fill('input[name="guardian_name"]', "A mother")
    page.select_option('select[name="guardian_relation"]', "mother")
    _answer(page, "assent", "given")
    _seen(page, "18-child")
    _on(page)
    _consents(page)
    _who(page, "bed 7")
    expect(page.locator(".site", has=page.locator('input[name="site.buttock"]'))).to_contain_text("never photographed")
    _seen(page, "19-child-sites")
    _answer(page, "site.buttock", "left")
    _on(page)
    expect(page.locator("h1")).to_have_text("What troubles the person")
    assert kiosk.room.consultations.draft(case_id).views == ()


def test_a_child_alone_is_a_text_case(kiosk: Kiosk) -> None:
    """R3: without a guardian there is one way on, in words."""
    page = kiosk.signed_in("Nurse Feng")
    case_id = _begin(page)
    _danger(page)
    _age(page, 9)
    _answer(page, "guardian_present", "no")
    _on(page)
    expect(page.locator("h1")).to_have_text("This case goes on in words")
    _seen(page, "20-text-case")
    _on(page, "Go on in words")
    _who(page, "bed 8")
    _answer(page, "site.elbow", "left")
    _on(page)
    _intake(page)
    _own_view(page)
    consent = kiosk.parts.cases.load(case_id).consent
    assert consent is not None and not consent.program_help.granted and not consent.care_pictures.granted


def test_an_adults_intimate_picture_needs_a_clinician(kiosk: Kiosk) -> None:
    """R5: a worker cannot; a clinician can, after chaperone and a second yes; the thumbnail stays hidden."""
    page = kiosk.signed_in("Dr Kong", Role.CLINICIAN)
    _begin(page)
    _danger(page)
    _age(page)
    _on(page)
    _consents(page)
    _who(page, "bed 9")
    _answer(page, "site.buttock", "left")
    _on(page)
    _seen(page, "21-intimate-needs")
    _answer(page, "declined", "yes")
    _answer(page, "confirmed", "yes")
    page.get_by_role("button", name="Write it down").click()
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".hidden-picture")).to_be_visible()
    expect(page.locator("h2", has_text="Before this picture")).to_be_visible()  # the next one is asked for again
    _seen(page, "22-intimate-taken")


def test_a_follow_up_shows_the_last_picture_beside_the_live_one(kiosk: Kiosk) -> None:
    """The second visit of an episode is framed like the first."""
    page = kiosk.signed_in("Nurse Han")
    for visit in range(2):
        if visit:
            page.goto(page.url.split("/consultation", maxsplit=1)[0])
        case_id = _begin(page)
        _danger(page)
        _age(page)
        _on(page)
        _consents(page)
        _who(page, "bed 10")
        if visit:
            _seen(page, "23-known-reference")
            page.locator("label", has_text="The same person").click()
            _on(page)
        _answer(page, "site.elbow", "left")
        _on(page)
        _no_mark(page)
        if visit:
            break
        page.get_by_role("button", name="Take the picture").click()
        _on(page)
        _intake(page)
        _own_view(page)
        expect(page.locator("h1")).to_contain_text("The program is working")
        kiosk.desk.finish(case_id, {"case_id": case_id})
        expect(page.locator("h1")).to_have_text(
            "The report is ready"
        )  # it goes there by itself: then nothing is under way
    expect(page.locator(".earlier img")).to_be_visible()
    page.get_by_role("button", name="Lay the last picture over it").click()
    expect(page.locator("#ghost")).to_be_visible()
    _seen(page, "24-follow-up")


def test_the_whole_way_without_script(kiosk: Kiosk) -> None:
    """Forms and redirects alone carry the consultation; only preview hints and notices are missing."""
    signed = kiosk.signed_in("Nurse Tao")
    context = kiosk.browser.new_context(
        java_script_enabled=False, storage_state=signed.context.storage_state(), viewport={"width": 1280, "height": 800}
    )
    page = context.new_page()
    page.goto(signed.url)
    case_id = _begin(page)
    _danger(page)
    _age(page)
    _on(page)
    _consents(page)
    _who(page, "bed 11")
    _answer(page, "site.elbow", "left")
    _on(page)
    _no_mark(page)
    page.get_by_role("button", name="Take the picture").click()
    _on(page)
    _intake(page)
    _own_view(page)
    assert len(kiosk.parts.cases.load(case_id).views) == 1
    context.close()
