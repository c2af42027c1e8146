"""The printed report: a browser lays it out on paper."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_agent.agents.report.html import render_html
from edge_agent.contracts.terms import LANGUAGES, Language, Vocabulary
from tests.simulators.reports import full_report

TIMEOUT_S = 120
PAGES = re.compile(rb"/Type\s*/Pages\b[^>]*?/Count (\d+)|/Count (\d+)[^>]*?/Type\s*/Pages\b", re.DOTALL)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_full_report_of_three_pictures_fits_on_two_sheets(lang: Language, tmp_path: Path) -> None:
    """Every section filled, three pictures: two pages of A4."""
    pictures = {index: np.full((600, 900, 3), 120, np.uint8) for index in range(3)}
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(render_html(full_report(), Vocabulary.load(), lang, pictures=pictures), encoding="utf-8")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # chromium refuses its sandbox to root
    words = ["chromium", "--headless", *sandbox, "--disable-gpu", "--disable-dev-shm-usage", "--no-pdf-header-footer"]
    words += [f"--user-data-dir={tmp_path / 'browser'}", f"--print-to-pdf={paper}", page.as_uri()]
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=TIMEOUT_S)
    found = [int(a or b) for a, b in PAGES.findall(paper.read_bytes())]
    assert found and max(found) == 2
