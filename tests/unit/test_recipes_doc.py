"""The section on recipes tells every recipe of a sweep, those that failed too, and points with their bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.recipes_doc import recipes
from scripts.recipes_main import read_sweep

ROW: dict[str, Any] = {
    "state": "gates NOT met", "failure": "", "size_bytes": 8_000_000, "accuracy": 0.8, "case_ms": None, "report": "",
    "loss": {"group": "all", "points": 0.31, "bound": 0.62}, "worst_tone": {"group": "tone 5", "points": 1.2, "bound": None},
}  # fmt: skip
SUMMARY: dict[str, Any] = {
    "cases": 1000,
    "tones": {"1": 200, "5": 201},
    "flip_table": [
        {"what": "family", "group": "all cases", "share": 0.05},
        {"what": "family", "group": "tone 1", "share": 0.5},
    ],
    "divergences": [{"agent": "reasoning", "group": "all cases", "nats": 0.0123}],
}


def swept(folder: Path) -> Path:
    """Write a sweep of one measured recipe and one that was not built."""
    stage = folder / "stages" / "evaluate-int4"
    stage.mkdir(parents=True)
    (stage / "summary.json").write_text(json.dumps(SUMMARY))
    measured = {**ROW, "name": "int4", "report": "stages/evaluate-int4/report.html"}
    nothing = dict.fromkeys(("size_bytes", "accuracy", "loss", "worst_tone"))
    failed = {**ROW, **nothing, "name": "int4-se", "state": "FAILED", "failure": "176 of 186 decisions"}
    (folder / "sweep.json").write_text(json.dumps({"recipes": [measured, failed]}))
    return folder


def test_a_measured_recipe_is_one_row(tmp_path: Path) -> None:
    """Size, accuracy, loss and bound over all and on the worst tone, flips and divergences over all cases."""
    text = recipes(read_sweep(swept(tmp_path)))
    assert "| int4 | 8.00 | 0.800 | +0.31 | 0.62 | tone 5 | +1.20 | – | – | 0.050 | – | – | – | 0.0123 |" in text
    assert "1,000 drawn cases (200 of each tone)" in text


def test_a_recipe_without_a_bundle_is_told_with_its_reason(tmp_path: Path) -> None:
    """It has a row of dashes, and a line that says why."""
    text = recipes(read_sweep(swept(tmp_path)))
    assert "| int4-se | – |" in text
    assert "`int4-se`: 176 of 186 decisions" in text


def test_without_a_sweep_the_section_says_so() -> None:
    """No table is better than an empty one."""
    assert "Not measured." in recipes(None)
