"""Walk through the kiosk on the real daemon and photograph every screen in three languages."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page

from edge_agent.config import load_config
from edge_agent.kiosk_bootstrap import open_registry
from edge_agent.store.accounts import Role
from scripts.kiosk_pictures_album import LANGUAGES, Album, opened
from scripts.kiosk_pictures_course import course
from scripts.kiosk_pictures_finger import go, press, sign_in, touch
from scripts.kiosk_pictures_troubles import troubles
from scripts.kiosk_pictures_visit import at_work, interruptions, visit
from tests.simulators.browser import chromium
from tests.simulators.kiosk import DEMO, Kiosk, wait_until
from tests.simulators.kiosk_parts import PIN

ROOT = Path(__file__).resolve().parent.parent
NURSE, DOCTOR, READER, KEEPER = "Nurse Li", "Dr Lin", "Dr Wang", "Chen Bo"
CONTACTS: Final = """[contacts]
emergency_number = "120"
referral_contact = { name = "County hospital, skin clinic", phone = "0000 111 222" }
safeguarding_contact = { name = "Ms Sun", phone = "0000 333 444" }
crisis_contact = { name = "Crisis line", phone = "0000 555 666" }
"""  # invented numbers


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
        earlier = walk(kiosk, browser, album)
        for name, draw in (("person", course), ("post", troubles)):
            home = Path(folder) / name
            home.mkdir()
            draw(home, browser, album)
        corrections(kiosk, browser, album, earlier)
    options.page.write_text(album.contents(options.page), encoding="utf-8")
    print(f"{len(album.screens)} screens in {len(LANGUAGES)} languages: {options.page}")
    return 0


def furnish(kiosk: Kiosk) -> None:
    """Give the device a camera of drawn pictures, four people and numbers to call, and start it."""
    settings = kiosk.config.read_text(encoding="utf-8")
    practice = kiosk.config.with_name("practice.toml")
    practice.write_text(CONTACTS, encoding="utf-8")
    seen = kiosk.config.with_name("seen")  # the close-up alone: what the live picture shows is what the page asks for
    seen.mkdir()
    shutil.copy(DEMO / "pictures" / "2-close-up.png", seen)
    camera = f'[capture]\nsource = "{seen}"\n[kiosk]\nis_demo = true\n'
    kiosk.config.write_text(f'practice_file = "{practice}"\n{settings}{camera}', encoding="utf-8")
    people: dict[str, set[Role]] = {
        KEEPER: {Role.MAINTAINER},
        NURSE: {Role.WORKER},
        DOCTOR: {Role.CLINICIAN, Role.PRESCRIBER},
        READER: {Role.CLINICIAN},
    }
    with open_registry(load_config(kiosk.config)) as registry:
        for name, roles in people.items():
            registry.accounts.add(name, roles=roles, pin=PIN, by="(pictures)")
    kiosk.start()
    wait_until((kiosk.state_dir / "kiosk.url").exists, what="the page is not served")


def walk(kiosk: Kiosk, browser: Browser, album: Album) -> str:
    """Go through all rooms, in the order in which a post meets them; return the person's earlier case, not signed yet."""
    nurse = opened(browser, kiosk.state_dir)
    album.keep(nurse, "sign-in", "Everybody signs in with the own name.")
    at_the_door(nurse, album)
    album.keep(nurse, "home", "The start: a person, people on their way, cases, the device.")
    interruptions(nurse, album)
    album.is_open = False
    earlier = visit(nurse, album)  # makes the next visit a follow-up
    report_is_there(kiosk, 1)
    album.is_open = True
    case_id = visit(nurse, album)
    at_work(kiosk, nurse, album)
    report_is_there(kiosk, 2)
    go(nurse, f"/consultation/{case_id}")
    album.keep(nurse, "ready", "The report is ready; it never opens by itself.")
    go(nurse, "/consultation")
    album.keep(nurse, "people", "People on their way, and visits that wait to go on.")
    doctor = opened(browser, kiosk.state_dir)
    sign_in(doctor, DOCTOR)
    review(doctor, album, case_id)
    reader = opened(browser, kiosk.state_dir)
    sign_in(reader, READER)
    second_reading(reader, album, case_id)
    afterwards(doctor, album, case_id)
    rooms = (
        ("status", "How the device is, in words."),
        ("settings", "Language and look of the screen."),
        ("about", "What the program can and cannot do, for everybody."),
    )
    for room, words in rooms:
        go(doctor, f"/{room}")
        album.keep(doctor, room, words)
    keeper = opened(browser, kiosk.state_dir)
    sign_in(keeper, KEEPER)
    upkeep(keeper, album)
    return earlier


def corrections(kiosk: Kiosk, browser: Browser, album: Album, case_id: str) -> None:
    """Show where a wrong answer is put right after the hand-over."""
    nurse = opened(browser, kiosk.state_dir)
    sign_in(nurse, NURSE)
    go(nurse, f"/cases/{case_id}/answers")
    album.keep(nurse, "correct-an-answer", "A wrong answer is put right beside the form, by name and with a reason.")


def upkeep(page: Page, album: Album) -> None:
    """Show what the maintainer looks after: accounts, and the trail of who did what."""
    go(page, "/accounts")
    album.keep(page, "accounts", "Who may use this kiosk.")
    page.locator("table a.button").last.click()
    page.wait_for_url("**/accounts/*")
    album.keep(page, "account", "A new PIN, or switched off; nothing of what somebody did is lost.")
    go(page, "/accounts/new")
    album.keep(page, "account-new", "A person is added with roles and a first PIN.")
    go(page, "/audit")
    album.keep(page, "audit", "Who did what; nothing in it can be changed.")


def at_the_door(page: Page, album: Album) -> None:
    """Show the PIN and the way in for emergencies, then sign the nurse in."""
    go(page, "/emergency")
    album.keep(page, "emergency-access", "Nobody can sign in and somebody needs help: a reason opens one visit.")
    go(page, "/sign-in")
    press(page, f'.names a:has-text("{NURSE}")')
    album.keep(page, "pin", "The PIN, by touch or keyboard.")
    sign_in(page, NURSE)


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
    """Print, and take a consent back."""
    go(page, f"/cases/{case_id}/print")
    album.keep(page, "print", "The person's copy, the clinician's copy, a referral letter, a file.")
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
