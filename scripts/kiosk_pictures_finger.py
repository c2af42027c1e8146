"""Touch the kiosk's page by names, values and addresses, which are the same in every language."""

from __future__ import annotations

from urllib.parse import urljoin

from playwright.sync_api import Page

from tests.simulators.kiosk_parts import PIN


def go(page: Page, path: str) -> None:
    """Open another page of the kiosk."""
    page.goto(urljoin(page.url, path))


def press(page: Page, selector: str) -> None:
    """Press a button that sends a form, and wait for the next page."""
    with page.expect_navigation():
        page.locator(selector).first.click()


def touch(page: Page, **answers: str) -> None:
    """Touch answers where a finger does: on their labels. A name's dots are written as two underscores."""
    for name, value in answers.items():
        page.locator(f'label:has(> input[name="{name.replace("__", ".")}"][value="{value}"])').click()


def sign_in(page: Page, name: str) -> None:
    """Choose a name and type its PIN."""
    go(page, "/sign-in")
    press(page, f'.names a:has-text("{name}")')
    page.fill('input[name="pin"]', PIN)
    press(page, "main form .button-main")


def speak(page: Page, language: str) -> None:
    """Change the language as the menu does; the page is read again."""
    with page.expect_navigation():
        page.evaluate(
            "(code) => document.querySelector(`form[action='/settings/language'] button[value='${code}']`).click()",
            language,
        )
