"""What a recipe needs besides weights is checked before the export starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from calibration.adapters.base import BaseShape
from calibration.backbone import check_before_export, find_cases
from calibration.recipe import CalibrationRecipe, load_recipe
from edge_agent.errors import CompressionError, ExportError

SHAPE = BaseShape(layers=1, linears={"model.language_model.layers.0.mlp.down_proj": (96, 144)}, others={})
WIDE = BaseShape(layers=1, linears={"model.language_model.layers.0.mlp.down_proj": (128, 256)}, others={})


def test_a_group_size_that_does_not_fit_the_base(tmp_path: Path) -> None:
    """Named with the linear and a size that fits."""
    with pytest.raises(CompressionError, match=r"group_size 32 does not divide the 144 inputs of .*down_proj; use 16"):
        check_before_export(load_recipe("int4"), shape=SHAPE, cases=tmp_path)


def test_recipes_without_groups_or_data_ask_for_nothing(tmp_path: Path) -> None:
    """INT8 takes any shape, and no cases are looked for."""
    check_before_export(load_recipe("int8"), shape=SHAPE, cases=tmp_path / "missing")


def test_missing_calibration_cases(tmp_path: Path) -> None:
    """Found before the export, not after it."""
    with pytest.raises(ExportError, match=r"cases\.json cannot be used"):
        check_before_export(load_recipe("int4-se"), shape=WIDE, cases=tmp_path)


def test_more_threads_than_cpus(tmp_path: Path) -> None:
    """The same number of threads gives the same bytes: fewer would be another result in silence."""
    recipe = load_recipe("int4-gptq")
    count = len(os.sched_getaffinity(0)) + 1
    recipe = recipe.model_copy(update={"calibration": CalibrationRecipe(threads=count)})
    (tmp_path / "cases.json").write_text('{"cases": [{"case_id": "a", "pictures": []}]}', encoding="utf-8")
    with pytest.raises(CompressionError, match=f"fixes {count} threads, this process has {count - 1} CPUs"):
        check_before_export(recipe, shape=WIDE, cases=tmp_path)


def test_calibration_cases_come_before_golden_ones(tmp_path: Path) -> None:
    """A folder of their own if there is one, since nothing should be fitted on what judges it."""
    assert find_cases(tmp_path, None) == tmp_path / "golden"
    (tmp_path / "calibration").mkdir()
    assert find_cases(tmp_path, None) == tmp_path / "calibration"
    assert find_cases(tmp_path, tmp_path / "mine") == tmp_path / "mine"
