"""The browser of the kiosk: Debian's Chromium, headless, that talks to nobody but the page under test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")
QUIET: Final = (
    "--no-sandbox",  # tests run as root in a container; the kiosk's own session does not
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
TARGET_PX: Final = 48
PATIENCE_MS: Final = 30_000  # a busy computer is not a wrong page; what must be quick is measured elsewhere
# Everything that a finger may hit, with the area that answers (a label answers for its hidden input).
_TARGETS: Final = """() => {
  const seen = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')];
  return seen.map((e) => (['radio', 'checkbox'].includes(e.type) ? e.closest('label') ?? e : e))
    .filter((e) => e.checkVisibility({checkVisibilityCSS: true}) && !e.closest('.skip'))
    .map((e) => ({ e, box: e.getBoundingClientRect() }))
    .filter(({ box }) => box.width > 0)
    .map(({ e, box }) => ({ what: e.outerHTML.slice(0, 120), width: box.width, height: box.height }));
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser for several tests."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


def small_targets(page: Page) -> list[str]:
    """Return what is smaller than a gloved finger needs: under 48 px in width or height."""
    found: list[dict[str, Any]] = page.evaluate(_TARGETS)
    assert found, "a page without anything to touch cannot be judged"
    small = [one for one in found if one["width"] < TARGET_PX - 0.5 or one["height"] < TARGET_PX - 0.5]
    return [f"{one['width']:.0f} x {one['height']:.0f}: {one['what']}" for one in small]


def axe_violations(page: Page) -> list[str]:
    """Return what axe-core finds against the rules of accessibility, each with the first element that breaks it.

    A page that goes on by itself meanwhile (from the progress to the report) is judged where it arrives.
    """
    found: list[dict[str, Any]] = []
    for is_last in (False, False, False, True):
        try:
            found = Axe().run(page).response["violations"]
            break
        except Error as error:
            if is_last or "context was destroyed" not in str(error):
                raise
            page.wait_for_load_state()
    return [f"{one['id']}: {one['help']}: {json.dumps(one['nodes'][0]['html'])}" for one in found]
