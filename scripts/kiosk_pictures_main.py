"""Walk through the kiosk on the real daemon and photograph every screen in three languages."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
from playwright.sync_api import Browser, Page

from edge_agent.config import load_config
from edge_agent.kiosk_bootstrap import open_registry
from edge_agent.store.accounts import Role
from scripts.kiosk_pictures_album import LANGUAGES, SCREEN, Album
from scripts.kiosk_pictures_finger import go, press, touch
from tests.simulators.browser import chromium
from tests.simulators.kiosk import DEMO, Kiosk, wait_until
from tests.simulators.kiosk_parts import PIN

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_MS: Final = 60_000
NURSE, DOCTOR, READER = "Nurse Li", "Dr Lin", "Dr Wang"


def main() -> int:
    """Draw the pictures and write their page.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(prog="scripts/kiosk_pictures", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "kiosk", help="folder of the pictures")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "kiosk-screens.md", help="page that shows them")
    options = parser.parse_args()
    for language in LANGUAGES:
        shutil.rmtree(options.out / language, ignore_errors=True)
    album = Album(options.out)
    with tempfile.TemporaryDirectory(prefix="k-") as folder, Kiosk(Path(folder)) as kiosk, chromium() as browser:
        furnish(kiosk)
        walk(kiosk, browser, album)
    options.page.write_text(album.contents(options.page), encoding="utf-8")
    print(f"{len(album.screens)} screens in {len(LANGUAGES)} languages: {options.page}")
    return 0


def furnish(kiosk: Kiosk) -> None:
    """Give the device a camera of drawn pictures and three people, and start it."""
    settings = kiosk.config.read_text(encoding="utf-8")
    camera = f'[capture]\nsource = "{DEMO / "pictures"}"\n[kiosk]\nis_demo = true\n'
    kiosk.config.write_text(settings + camera, encoding="utf-8")
    people = {NURSE: {Role.WORKER}, DOCTOR: {Role.CLINICIAN, Role.PRESCRIBER}, READER: {Role.CLINICIAN}}
    with open_registry(load_config(kiosk.config)) as registry:
        for name, roles in people.items():
            registry.accounts.add(name, roles=roles, pin=PIN, by="(pictures)")
    kiosk.start()
    wait_until((kiosk.state_dir / "kiosk.url").exists, what="the page is not served")


def walk(kiosk: Kiosk, browser: Browser, album: Album) -> None:
    """Go through all rooms, in the order in which a post meets them."""
    nurse = opened(kiosk, browser)
    album.keep(nurse, "sign-in", "Everybody signs in with the own name.")
    at_the_door(nurse, album)
    album.keep(nurse, "home", "The start: a person, people on their way, cases, the device.")
    interruptions(nurse, album)
    album.is_open = False
    visit(nurse, album)  # makes the next visit a follow-up
    report_is_there(kiosk, 1)
    album.is_open = True
    case_id = visit(nurse, album)
    at_work(kiosk, nurse, album)
    report_is_there(kiosk, 2)
    go(nurse, f"/consultation/{case_id}")
    album.keep(nurse, "ready", "The report is ready; it never opens by itself.")
    go(nurse, "/consultation")
    album.keep(nurse, "people", "People on their way, and visits that wait to go on.")
    doctor = opened(kiosk, browser)
    sign_in(doctor, DOCTOR)
    review(doctor, album, case_id)
    reader = opened(kiosk, browser)
    sign_in(reader, READER)
    second_reading(reader, album, case_id)
    afterwards(doctor, album, case_id)
    for room, words in (("status", "How the device is, in words."), ("settings", "Language and look of the screen.")):
        go(doctor, f"/{room}")
        album.keep(doctor, room, words)


def opened(kiosk: Kiosk, browser: Browser) -> Page:
    """Open the kiosk by its start address in a window of its own."""
    page = browser.new_context(viewport={"width": SCREEN[0], "height": SCREEN[1]}, reduced_motion="reduce").new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto((kiosk.state_dir / "kiosk.url").read_text(encoding="utf-8").strip())
    return page


def at_the_door(page: Page, album: Album) -> None:
    """Show the PIN and the way in for emergencies, then sign the nurse in."""
    go(page, "/emergency")
    album.keep(page, "emergency-access", "Nobody can sign in and somebody needs help: a reason opens one visit.")
    go(page, "/sign-in")
    press(page, f'.names a:has-text("{NURSE}")')
    album.keep(page, "pin", "The PIN, by touch or keyboard.")
    sign_in(page, NURSE)


def sign_in(page: Page, name: str) -> None:
    """Choose a name and type its PIN."""
    go(page, "/sign-in")
    press(page, f'.names a:has-text("{name}")')
    page.fill('input[name="pin"]', PIN)
    press(page, "main form .button-main")


def begin(page: Page) -> None:
    """Begin a visit; ends at the danger signs."""
    go(page, "/consultation/new")
    press(page, "main form .button-main")


def interruptions(page: Page, album: Album) -> None:
    """Show what an emergency and a child's words about violence do to the screen."""
    for sign, name, words in (
        ("breathing_difficulty", "emergency", "A danger sign fills the screen with what to do now."),
        ("disclosure_of_abuse", "safeguarding", "Signs of abuse: read alone, no pictures from now on."),
    ):
        begin(page)
        touch(page, **{f"sign__{sign}": "yes"})
        press(page, 'button[form="answers"]')
        album.keep(page, name, words)


def visit(page: Page, album: Album) -> str:
    """Hold one visit of a person with a rash at the elbow; returns the case's id."""
    go(page, "/consultation/new")
    album.keep(page, "begin", "A visit begins.")
    press(page, "main form .button-main")
    case_id = page.url.rsplit("/", maxsplit=1)[-1]
    steps: list[tuple[str, str, Callable[[], None] | None]] = [
        ("danger-signs", "Danger signs first, three answers each.", lambda: no_danger(page)),
        ("age", "Age, and who can decide.", lambda: who_decides(page)),
    ]
    for name, words, fill in steps:
        album.keep(page, name, words, fill=fill)
        press(page, 'button[form="answers"]')
    album.keep(page, "consent", "Five consents, read aloud; yes and no are equally large.")
    while page.locator(".yes-no").count():
        press(page, ".yes-no button")
    where(page, album)
    pictures(page, album)
    questions(page, album)
    return case_id


def no_danger(page: Page) -> None:
    """Say that every danger sign was looked for."""
    for button in page.locator("[data-all-no]").all():
        button.click()


def who_decides(page: Page) -> None:
    """Give a grown woman who reads and decides."""
    page.fill('input[name="age_years"]', "34")
    touch(page, sex="female", capacity="full", can_read="yes")


def where(page: Page, album: Album) -> None:
    """Give the reference, known from the earlier visit or not, and the elbow."""
    page.fill('input[name="local_reference"]', "bed 4")
    press(page, 'button[form="answers"]')
    if page.locator('input[name="episode"]').count():
        known = 'label:has(> input[name="episode"]:not([value="new"]))'
        album.keep(page, "who", "The post's own reference; it never leaves the device.", fill=page.locator(known).click)
        press(page, 'button[form="answers"]')
    elbow = {"site__elbow": "left"}
    album.keep(
        page, "sites", "Where the skin is affected: a figure and the same as a list.", fill=lambda: touch(page, **elbow)
    )
    press(page, 'button[form="answers"]')


def pictures(page: Page, album: Album) -> None:
    """Take the pictures that the gate accepts."""
    page.locator(".wanted li a").last.click()
    page.wait_for_url("**shot=close_up")
    press(page, 'button[name="has_mark"][value="no"]')
    album.keep(page, "camera", "The live picture with a hint, and the pictures that are wanted.")
    page.locator("details.import > summary").click()
    page.set_input_files('input[name="picture"]', DEMO / "pictures" / "2-close-up.png")  # the camera's turn is chance
    press(page, "details.import form > button")
    album.keep(page, "picture-taken", "What the gate accepted; it can be taken again.")
    press(page, 'button[form="answers"]')


def questions(page: Page, album: Album) -> None:
    """Answer the three screens and give the own view; ends with the case handed over."""
    first = {"duration": "more_than_one_year", "pregnancy": "no"}
    steps: list[tuple[str, str, Callable[[], None] | None]] = [
        ("complaint", "What troubles the person; only what has a star is needed.", lambda: touch(page, **first)),
        ("history", "Drugs and illnesses.", None),
        ("examination", "What was examined; tongue and pulse where somebody knows how.", None),
        (
            "own-view",
            "The worker's own view, before the program says anything.",
            lambda: touch(page, tier="T4_routine"),
        ),
    ]
    for name, words, fill in steps:
        album.keep(page, name, words, fill=fill)
        press(page, 'button[form="answers"]')


def at_work(kiosk: Kiosk, page: Page, album: Album) -> None:
    """Hold the program in the middle of its work, so that every language shows it."""

    def is_on_its_way() -> None:
        wait_until(lambda: page.locator(".stages .is-done").count() > 0, what="no progress is shown")

    is_on_its_way()
    child = psutil.Process(int(kiosk.told()["daemon"]["child_pid"]))
    child.suspend()
    try:
        album.keep(page, "running", "The program works; nobody has to wait for it.", fill=is_on_its_way)
    finally:
        child.resume()


def report_is_there(kiosk: Kiosk, count: int) -> None:
    """Wait until so many cases have a report."""
    wait_until(lambda: int(kiosk.status()["cases"]["reported"]) == count, what="no report")


def review(page: Page, album: Album, case_id: str) -> None:
    """Decide, correct and sign as the clinician."""
    go(page, "/cases")
    album.keep(page, "cases", "What waits for a decision, the most urgent first.")
    go(page, f"/cases/{case_id}")
    album.keep(page, "report", "The report: danger signs first, and what the program does not know.")

    def correct() -> None:
        form = page.locator("#decide-triage")
        form.locator('label:has(> [value="corrected"])').click()
        form.locator("details.why > summary").click()
        form.locator('[name="reason"]').select_option("missed_red_flag")
        form.locator('select[name^="value_"]').first.select_option("T4_routine")

    album.keep(page, "decision", "Each part is accepted, corrected or rejected.", fill=correct, at="#decide-triage")
    press(page, "#decide-triage .button-main")
    press(page, 'form[action$="/accept-open"] button')
    album.keep(page, "to-sign", "A clinician signs.", fill=lambda: touch(page, confirmed="yes"), at="#sign")
    press(page, 'form[action$="/sign"] .button-main')
    album.keep(page, "signed", "Signed: only now may the de-identified result leave the device.", at="#sign")


def second_reading(page: Page, album: Album, case_id: str) -> None:
    """Read the report as another clinician."""
    go(page, f"/cases/{case_id}/second-reading")
    album.keep(
        page,
        "second-reading",
        "A second clinician agrees or not, and may score.",
        fill=lambda: touch(page, agrees="yes", lesion_description="9"),
    )
    press(page, "main form .button-main")


def afterwards(page: Page, album: Album, case_id: str) -> None:
    """Print, look at earlier visits, take a consent back."""
    go(page, f"/cases/{case_id}/print")
    album.keep(page, "print", "The person's copy, the clinician's copy, a referral letter, a file.")
    go(page, f"/cases/{case_id}/episode")
    album.keep(page, "episode", "Earlier visits of the same person, pictures side by side.")
    go(page, f"/cases/{case_id}/withdraw")
    album.keep(page, "withdraw", "Taking back a consent, with what happens then.")

    def ask() -> None:
        go(page, f"/cases/{case_id}/withdraw")  # the question itself has no address
        touch(page, purpose="care_pictures")
        press(page, "main form .button-main")

    album.keep(page, "withdraw-sure", "Asked once more, since it cannot be undone.", fill=ask)
    press(page, 'button[name="is_sure"]')
    album.keep(page, "withdrawn", "The pictures are destroyed.")


if __name__ == "__main__":
    sys.exit(main())
