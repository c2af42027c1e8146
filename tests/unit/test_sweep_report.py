"""The table of recipes: losses in points with their bounds, who is on the front, why there is no bundle."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from rich.console import Console

from calibration.sweep.report import print_table, write_sweep_report
from calibration.sweep.sweep import RecipeResult, SweepResult
from edge_agent.errors import CompressionError, QualityGateError


def _fields(all_: float, dark: float) -> dict[str, Any]:
    return {
        "recognition.family": {
            "accuracy": all_,
            "groups": {"tone 1": {"accuracy": 2 * all_ - dark}, "tone 5": {"accuracy": dark}},
        }
    }


def _loss(group: str, bound: float | None, *, value: float) -> dict[str, Any]:
    return {"group": group, "value": value, "bound": bound, "n": 100}


def _measured(
    all_: float, dark: float, *losses: dict[str, Any], fallen: str = "", case_ms: float = 100.0
) -> dict[str, Any]:
    return {"fields": _fields(all_, dark), "gates": [], "losses": list(losses), "fallen": fallen, "case_ms": case_ms}


@pytest.fixture
def result(tmp_path: Path) -> SweepResult:
    """FP32; INT8, which keeps everything; INT4, whose gate fell; and one that NNCF refused."""
    built = {"census": [{"part": "language_model", "element_type": "u8", "tensors": 1, "elements": 2, "bytes": 2}]}
    twin = RecipeResult(
        "fp32", True, False, None, tmp_path / "bundles/fp32", {**built, "size_bytes": 40_000_000}, _measured(0.9, 0.9)
    )
    int8 = RecipeResult(
        "int8", False, True, None, tmp_path / "bundles/int8", {**built, "size_bytes": 10_000_000},
        _measured(0.9, 0.89, _loss("all cases", 0.004, value=0.0), _loss("tone 5", 0.015, value=0.01), case_ms=50.0),
    )  # fmt: skip
    fallen = QualityGateError("1 of 2 quality gates are not met: tone 5")
    int4 = RecipeResult(
        "int4",
        False,
        True,
        fallen,
        None,
        {**built, "size_bytes": 6_000_000},
        _measured(
            0.8,
            0.7,
            _loss("tone 1", None, value=0.0),
            _loss("tone 5", None, value=0.2),
            fallen=str(fallen),
            case_ms=60.0,
        ),
    )
    broken = RecipeResult("int4-gptq", False, True, CompressionError("NNCF refused it; change the recipe"))
    return SweepResult((twin, int8, int4, broken), is_measured=True)


def test_losses_are_points_with_their_bounds(result: SweepResult, tmp_path: Path) -> None:
    """INT8 loses nothing in all (bound 0.4) and one point on tone 5 (bound 1.5); INT4 has no bound and says so."""
    rows = {row.name: row for row in write_sweep_report(result, tmp_path)}
    loss, worst = rows["int8"].loss, rows["int8"].worst_tone
    assert loss is not None and worst is not None
    assert (loss.points, loss.bound) == (0.0, 0.4)
    assert (worst.group, worst.points, worst.bound) == ("tone 5", 1.0, 1.5)
    other = rows["int4"].worst_tone
    assert other is not None
    assert (other.group, other.points, other.bound) == ("tone 5", 20.0, None)
    assert rows["fp32"].loss is None


def test_states_and_exit_code_are_those_of_the_first_failure(result: SweepResult, tmp_path: Path) -> None:
    """A fallen gate comes before the refusal: 83."""
    rows = write_sweep_report(result, tmp_path)
    assert [row.state for row in rows] == ["reference", "gates met", "gates NOT met", "FAILED"]
    assert [row.bundle for row in rows] == ["bundles/fp32", "bundles/int8", "", ""]
    assert [row.on_front for row in rows] == [False, True, True, False]  # INT8 is as good as FP32, smaller and faster
    assert result.exit_code == 83
    assert json.loads((tmp_path / "sweep.json").read_text(encoding="utf-8"))["exit_code"] == 83


def test_the_page_is_whole_and_offline(result: SweepResult, tmp_path: Path) -> None:
    """One picture, every recipe, every reason; nothing is fetched."""
    write_sweep_report(result, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "2 of 4 recipes gave no bundle" in page
    assert "NNCF refused it; change the recipe" in page
    assert not re.search(r"(src|href)=\"?(https?:)?//", page)
    assert "<script" not in page


def test_the_screen_says_the_same(result: SweepResult, tmp_path: Path) -> None:
    """One line per recipe, then the reasons."""
    console = Console(record=True, width=180, file=(tmp_path / "screen").open("w"))
    print_table(write_sweep_report(result, tmp_path), console=console)
    text = console.export_text()
    assert "+0.00 (≤ 0.40)" in text
    assert "tone 5: +20.00 (no bound)" in text
    assert "int4-gptq: NNCF refused it; change the recipe" in text
