"""The sentences of ``docs/faults.md``: what a worker must read on the screen when something breaks."""

from __future__ import annotations

import re
from functools import cache

from playwright.sync_api import Page, expect

from tests.simulators.kiosk import ROOT

DOC = ROOT / "docs" / "faults.md"


@cache
def sentences() -> dict[str, tuple[str, ...]]:
    """Return the quoted sentences of each row, by the row's id."""
    rows = (line.split("|") for line in DOC.read_text(encoding="utf-8").splitlines() if line.startswith("| `"))
    return {row[1].strip(" `"): tuple(re.findall(r'"([^"]+)"', row[3])) for row in rows}


def reads(page: Page, fault: str, *, where: str = "body", timeout_s: float = 60.0) -> None:
    """Wait until a worker can read every sentence of a row; hidden words do not count."""
    for sentence in sentences()[fault]:
        expect(page.locator(where)).to_contain_text(sentence, use_inner_text=True, timeout=timeout_s * 1000)
