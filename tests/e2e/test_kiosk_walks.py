"""Five walks on the real device that are no plain visit: an emergency, refusals, a child, a second visit, a withdrawal.

The real daemon, its engine and its camera child; Chromium; nobody in here exists. ``DERM_SCREENSHOTS=DIR`` keeps pictures.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from edge_agent.config import load_config
from edge_agent.errors import ImageGone
from edge_agent.store_bootstrap import Store, open_store
from tests.simulators import kiosk_post as walk
from tests.simulators.browser import CHROMIUM, chromium
from tests.simulators.kiosk_post import DOCTOR, Post, post

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's package chromium is not installed"),
]
REPORT_MS = 180_000  # the engine runs on a computer that may be busy


@pytest.fixture(scope="module")
def here() -> Iterator[Post]:
    """One started device for all walks: none of them needs a fresh one."""
    with chromium() as browser, post(browser) as found:
        found.device.start()
        yield found


@pytest.fixture
def page(here: Post) -> Iterator[Page]:
    """A nurse who is signed in."""
    yield here.signed_in()
    here.close_pages()


@pytest.fixture
def store(here: Post) -> Iterator[Store]:
    """The device's own store, opened beside the running daemon."""
    with open_store(load_config(here.device.config)) as found:
        yield found


def _answer_of(page: Page, path: str) -> tuple[int, str]:
    """Return status and body of an address, asked by the page itself."""
    told = page.evaluate("async (path) => { const a = await fetch(path); return [a.status, await a.text()]; }", path)
    return int(told[0]), str(told[1])


def _reported(page: Page, case_id: str) -> None:
    """Wait on the running page until it says that the report is ready."""
    assert page.url.endswith(case_id)
    expect(page.locator("h1")).to_have_text("The report is ready", timeout=REPORT_MS)


def _visit(page: Page, reference: str, *, refused: str = "", is_known: bool = False) -> str:
    """Go through a whole visit, with one picture where pictures are allowed, up to its report."""
    case_id = walk.begin(page)
    walk.danger(page)
    walk.age(page)
    walk.consents(page, refused=refused)
    walk.who(page, reference, is_known=is_known)
    walk.where(page)
    if not refused.startswith("Pictures for your care"):
        walk.take_picture(page)
        walk.go_on(page)
    walk.questions(page)
    walk.own_view(page)
    _reported(page, case_id)
    return case_id


def _signed(here: Post, case_id: str) -> Page:
    """Let the clinician accept every part and sign."""
    doctor = here.signed_in(DOCTOR)
    doctor.goto(f"{doctor.url.rstrip('/')}/cases/{case_id}")
    doctor.get_by_role("button", name="Accept all open parts").click()
    walk.touch(doctor, "confirmed", "yes")
    doctor.get_by_role("button", name="Sign the report").click()
    expect(doctor.locator("#sign")).to_contain_text("Signed by")
    return doctor


def test_an_emergency_comes_before_everything_else(page: Page) -> None:
    """The fixed instruction fills the screen; neither consent nor camera can be reached before it is read."""
    case_id = walk.begin(page)
    walk.danger(page, breathing_difficulty="yes")
    expect(page.locator(".order")).to_contain_text("Arrange the transfer at once.")
    walk.seen(page, "emergency")
    assert _answer_of(page, f"/consultation/{case_id}/preview/0.mjpeg")[0] in {403, 404}
    page.goto(f"{page.url}?step=consent")
    expect(page.locator("h1")).to_have_text("Danger sign: do this now")
    page.get_by_role("link", name="Help the person first").click()
    expect(page.locator("table")).to_contain_text("Emergency: read the instruction")
    page.get_by_role("link", name="Go on", exact=True).first.click()
    page.get_by_role("button", name="I have read it").click()
    expect(page.locator("h1")).to_have_text("Age, and who can decide")


def test_without_pictures_the_camera_stays_closed(page: Page, store: Store) -> None:
    """Consent 1 refused: no preview, no picture, the person is examined in words and gets a report."""
    case_id = walk.begin(page)
    walk.danger(page)
    walk.age(page)
    walk.consents(page, refused="Pictures for your care")
    walk.who(page, "bed 21")
    expect(page.locator(".banner", has_text="No pictures in this case.")).to_be_visible()
    walk.where(page)
    expect(page.locator("h1")).to_have_text("What troubles the person")
    assert _answer_of(page, f"/consultation/{case_id}/preview/0.mjpeg")[0] == 403
    walk.questions(page)
    walk.own_view(page)
    _reported(page, case_id)
    assert store.cases.views(case_id) == ()


def test_without_the_programs_help_the_rules_alone_report(page: Page, store: Store) -> None:
    """Consent 2 refused: the picture stays for the clinician, no agent sees it, and the report says so on top."""
    case_id = _visit(page, "bed 22", refused="Help from a program")
    page.get_by_role("link", name="Open the report").click()
    expect(page.locator(".banners, main")).to_contain_text(
        ["", "The person refused the program's help: only the rules were used."]
    )
    expect(page.locator("main")).to_contain_text("No condition is named")
    assert len(store.cases.views(case_id)) == 1


def test_a_result_that_may_not_leave_stays(here: Post, page: Page) -> None:
    """Consent 3 refused: the agents help all the same, the report is signed, and nothing is queued for the centre."""
    case_id = _visit(page, "bed 23", refused="A result without")
    before = here.device.told()["outbox"]["queued"]
    _signed(here, case_id)
    assert here.device.told()["outbox"]["queued"] == before


def test_without_a_package_no_file_is_made(here: Post, page: Page) -> None:
    """Consent 4 refused: the result without a name leaves after the signature, the file for another system is refused."""
    case_id = _visit(page, "bed 24", refused="Pictures for another")
    before = here.device.told()["outbox"]["queued"]
    doctor = _signed(here, case_id)
    assert here.device.told()["outbox"]["queued"] == before + 1
    doctor.get_by_role("link", name="Print, letter, file").click()
    doctor.get_by_role("button", name="Save the file").click()
    expect(doctor.locator("h1")).to_have_text("The person did not agree to a package for another doctor.")
    expect(doctor.locator("main")).to_contain_text("No file is made. Print the letter or the page instead.")


def test_training_cannot_be_agreed_to(page: Page) -> None:
    """Consent 5 is off: the only answer says that nothing is decided today, and it stands there as no."""
    walk.begin(page)
    walk.danger(page)
    walk.age(page)
    walk.consents(page)
    page.get_by_role("button", name="Back").click()
    row = page.locator("tr", has_text="Use to improve the program")
    expect(row).to_contain_text("No")
    row.get_by_role("link", name="Ask again").click()
    expect(page.get_by_role("button", name="the answer is yes")).to_have_count(0)


def test_a_childs_intimate_site_is_never_photographed(page: Page, store: Store) -> None:
    """R4: mother and child agree, the place is named, and there is no camera for it."""
    case_id = walk.begin(page)
    walk.danger(page)
    walk.age(page, 9, mother="A mother")
    walk.consents(page)
    walk.who(page, "bed 25")
    site = page.locator(".site", has=page.locator('input[name="site.buttock"]'))
    expect(site).to_contain_text("never photographed")
    walk.where(page, "buttock")
    expect(page.locator("h1")).to_have_text("What troubles the person")
    assert _answer_of(page, f"/consultation/{case_id}/preview/0.mjpeg")[0] == 403
    walk.questions(page)
    walk.own_view(page)
    _reported(page, case_id)
    assert store.cases.views(case_id) == ()
    assert store.cases.load(case_id).views == ()


def test_a_second_visit_stands_beside_the_first(page: Page) -> None:
    """The last picture beside the live one, framed alike; afterwards the page says what changed."""
    _visit(page, "bed 26")
    case_id = walk.begin(page)
    walk.danger(page)
    walk.age(page)
    walk.consents(page)
    walk.who(page, "bed 26", is_known=True)
    walk.where(page)
    expect(page.locator("section.earlier img")).to_be_visible()
    width = page.locator("section.earlier img").evaluate("(one) => one.naturalWidth")
    assert width > 0
    expect(page.locator("#live-picture")).to_be_visible()
    walk.take_picture(page)
    walk.seen(page, "follow-up")
    walk.go_on(page)
    walk.questions(page)
    walk.own_view(page)
    _reported(page, case_id)
    walk.home(page)
    page.goto(f"{page.url}cases/{case_id}/episode")
    expect(page.locator("section", has=page.get_by_role("heading", name="What changed"))).to_contain_text(
        "change since the earlier visit"
    )
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator(".then-now img")).to_have_count(2)
    walk.seen(page, "follow-up-changed")


def test_a_withdrawal_shreds_the_pictures_and_locks_the_record(here: Post, page: Page, store: Store) -> None:
    """R11: asked twice, said plainly, done when the answer comes: the pictures cannot be opened, the record not changed."""
    case_id = _visit(page, "bed 27")
    (view,) = store.cases.views(case_id)
    assert view.image_id is not None
    assert store.vault.get(view.image_id)
    walk.home(page)
    page.goto(f"{page.url}cases/{case_id}")
    page.get_by_role("link", name="Take back a consent").click()
    walk.touch(page, "purpose", "care_pictures")
    walk.go_on(page)
    expect(page.locator("main")).to_contain_text("destroy the keys of the pictures")
    expect(page.locator("main")).to_contain_text("It cannot be undone.")
    walk.seen(page, "withdrawal-asked")
    page.get_by_role("button", name="Yes, take it back now").click()
    expect(page.locator("main .banner")).to_have_text(
        "The pictures are destroyed. The record is kept and not changed any more."
    )
    walk.seen(page, "withdrawal-done")
    with pytest.raises(ImageGone):
        store.vault.get(view.image_id)
    doctor = here.signed_in(DOCTOR)
    doctor.goto(f"{doctor.url.rstrip('/')}/cases/{case_id}")
    expect(doctor.locator("main .banner", has_text="The person took this back:")).to_contain_text(
        "Pictures for your care"
    )
    expect(doctor.get_by_role("button", name="Accept all open parts")).to_have_count(0)
    expect(doctor.get_by_role("button", name="Sign the report")).to_have_count(0)
    expect(doctor.locator("main figure img")).to_have_count(0)
