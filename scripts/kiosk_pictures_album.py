"""Photograph each screen of the kiosk in every language, and write the page that shows the pictures."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, Page

from scripts.kiosk_pictures_finger import speak
from tests.simulators.kiosk import wait_until

LANGUAGES: Final = {"zh": "中文", "ar": "العربية", "en": "English"}  # English last: the walk goes on in it
SCREEN: Final = (1024, 768)  # pixels, the smallest screen that the kiosk is made for
PATIENCE_MS: Final = 60_000
SMALL: Final = (640, 480)
TALLEST: Final = 1100  # pixels; what is longer goes on like the part that is shown
COLOURS: Final = {"en": 64, "zh": 32, "ar": 32}
LARGEST_BYTES: Final = 40_000  # of one picture: what does not fit has fewer colours, then fewer pixels
FEWEST_COLOURS: Final = 32
# Screens on which a picture of skin is the point: blotched colours would teach the wrong thing.
PHOTOGRAPHS: Final = frozenset({"camera", "picture-taken", "second-reading", "episode"})
PHOTOGRAPH_FACTOR: Final = 2  # as many colours and bytes
_PICTURES_HERE: Final = """() => [...document.images].every((one) => {
  one.loading = 'eager';
  return !one.checkVisibility() || one.naturalWidth > 0;
})"""


def opened(browser: Browser, folder: Path) -> Page:
    """Open the kiosk by the start address that it left in ``folder``, in a window of its own."""
    page = browser.new_context(viewport={"width": SCREEN[0], "height": SCREEN[1]}, reduced_motion="reduce").new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto((folder / "kiosk.url").read_text(encoding="utf-8").strip())
    return page


class Album:
    """Keep the pictures in the order of the walk, and the sentence that goes with each.

    Does not draw while ``is_open`` is False: a visit that only makes the next one a follow-up is not shown.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_open = True
        self.screens: list[tuple[str, str]] = []

    def keep(self, page: Page, name: str, words: str, *, fill: Callable[[], None] | None = None, at: str = "") -> None:
        """Photograph one screen in every language; ends in English, filled in.

        Args:
            page: shows the screen; its address can be opened again.
            name: of the files.
            words: one line for the page of all screens.
            fill: answers the screen as it should be seen, in whatever language; None leaves it as it opens.
            at: selector of what stands on top of the picture, one screen high; empty for the page from its beginning.
        """
        if not self.is_open:
            if fill:
                fill()
            return
        self.screens.append((f"{len(self.screens) + 1:02d}-{name}", words))
        for language in LANGUAGES:
            speak(page, language)
            if fill:
                fill()
            wait_until(lambda: bool(page.evaluate(_PICTURES_HERE)), what=f"{name}: a picture did not come")
            self._save(_shot(page, language, at=at), language)

    def _save(self, picture: bytes, language: str) -> None:
        path = self.folder / language / f"{self.screens[-1][0]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(picture)) as page:
            shown = page.convert("RGB")
            if language != "en":  # smaller: every picture stays in the project's history
                shown = shown.resize(SMALL, Image.Resampling.LANCZOS)
            more = PHOTOGRAPH_FACTOR if self.screens[-1][0].partition("-")[2] in PHOTOGRAPHS else 1
            _write(shown, path, colours=more * COLOURS[language], limit=more * LARGEST_BYTES)

    def contents(self, page: Path) -> str:
        """Return the Markdown page that shows the English pictures and links the others."""
        base = os.path.relpath(self.folder, page.parent)
        lines = [
            "# The screens of the kiosk",
            "",
            "Drawn by `scripts/kiosk_pictures` on a practice device: the real daemon and the reference model (not for clinical",
            "use), invented people and numbers, drawn skin; a device in trouble and visits that are weeks apart are played. Long pages",
            "are cut. No wording has been verified by a reviewer: Chinese is complete, Arabic is a draft.",
        ]
        for name, words in self.screens:
            others = " · ".join(f"[{own}]({base}/{code}/{name}.png)" for code, own in LANGUAGES.items() if code != "en")
            lines += ["", f"**{words}** {others}", "", f"![{words}]({base}/en/{name}.png)"]
        return "\n".join(lines) + "\n"


def _shot(page: Page, language: str, *, at: str) -> bytes:
    """Return a PNG of the screen; English ones as tall as the page, up to a limit, what sticks to the bottom at its bottom."""
    width, height = SCREEN
    page.evaluate("(at) => at ? document.querySelector(at).scrollIntoView({block: 'start'}) : scrollTo(0, 0)", at)
    if language == "en" and not at:
        whole = int(page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": width, "height": min(max(whole, height), TALLEST)})
    picture = page.screenshot()
    page.set_viewport_size({"width": width, "height": height})
    return picture


def _write(picture: Image.Image, path: Path, *, colours: int, limit: int) -> None:
    """Write a PNG of few colours and at most ``limit`` bytes: small enough for the project's history."""
    fewest = min(colours, max(FEWEST_COLOURS, colours // 2))
    while True:
        # This method keeps the few small patches of strong colour.
        picture.quantize(colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= limit:
            return
        if colours > fewest:
            colours //= 2
        else:
            smaller = (picture.width * 4 // 5, picture.height * 4 // 5)
            picture = picture.resize(smaller, Image.Resampling.LANCZOS)
