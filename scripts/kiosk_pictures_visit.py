"""Hold one visit on the real page, and photograph each of its screens."""

from __future__ import annotations

from collections.abc import Callable

import psutil
from playwright.sync_api import Page

from scripts.kiosk_pictures_album import Album
from scripts.kiosk_pictures_finger import go, press, touch
from tests.simulators.kiosk import DEMO, Kiosk, wait_until


def begin(page: Page) -> None:
    """Begin a visit; ends at the danger signs."""
    go(page, "/consultation/new")
    press(page, "main form .button-main")


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
    go(page, "/consultation")

    def ask() -> None:
        go(page, "/consultation")  # the question itself has no address
        press(page, 'form[action$="/discard"] button')

    album.keep(page, "discard", "A visit is thrown away only after a second question.", fill=ask)
