"""README.md and docs/profiles.md: their tables are what the profiles give, and a changed profile is a changed page."""

from __future__ import annotations

import pytest

from scripts.clinical_doc_main import filled
from scripts.profiles_doc_main import pages
from scripts.profiles_doc_tables import ROOT, readme_table

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_is_the_generated_one(name: str) -> None:
    """Whoever changes a profile, a factor or the cost model runs scripts/profiles_doc."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert filled(text, PAGES[name]) == text


@pytest.mark.parametrize(("name", "block"), [(name, block) for name in sorted(PAGES) for block in sorted(PAGES[name])])
def test_a_figure_changed_by_hand_is_seen(name: str, block: str) -> None:
    """A page that was edited inside a block differs from the generated one."""
    text = (ROOT / name).read_text(encoding="utf-8")
    start = text.index(f"<!-- generated: {block} -->") + len(f"<!-- generated: {block} -->\n\n")
    damaged = text[:start] + "1" + text[start:]
    assert filled(damaged, PAGES[name]) == text != damaged


def test_the_table_has_a_row_per_shape_and_says_what_is_refused() -> None:
    """Seven billion parameters fit the hub and a new cart alone; the 3b shape is refused where memory or time do not do."""
    rows = {line.split(" | ")[0].strip("| "): line for line in readme_table().splitlines()}
    assert {"reference", "0.6b", "qwen2.5-vl-3b", "qwen2.5-vl-7b"} <= set(rows)
    assert "refused" not in rows["reference"] + rows["0.6b"]
    assert rows["qwen2.5-vl-7b"].count("refused") == 5
    assert "refused: memory, time" in rows["qwen2.5-vl-3b"]
