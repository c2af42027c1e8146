"""Recipes are validated before anything is exported."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from calibration.recipe import load_recipe, parse_recipe, recipe_folder
from edge_agent.errors import CompressionError


@pytest.fixture
def document() -> dict[str, Any]:
    """Return the shipped INT4 recipe as a document to be changed."""
    return tomllib.loads((recipe_folder() / "int4.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["int4", "int8", "fp32"])
def test_shipped_recipes_are_valid_and_called_by_their_file(name: str) -> None:
    """Every shipped recipe loads by name and carries that name."""
    assert load_recipe(name).name == name


def test_recipe_by_path(tmp_path: Path) -> None:
    """A recipe of one's own is given by its path."""
    path = tmp_path / "mine.toml"
    path.write_text((recipe_folder() / "int4.toml").read_text().replace('"int4"', '"mine"', 1))
    assert load_recipe(str(path)).name == "mine"


def test_unknown_recipe_lists_the_known_ones() -> None:
    """A mistyped name shows what there is."""
    with pytest.raises(CompressionError, match="fp32, int4, int8"):
        load_recipe("in4")


def test_unknown_key_gets_a_suggestion(document: dict[str, Any]) -> None:
    """An unknown key is an error with the nearest known one."""
    document["language_model"]["groupsize"] = 64
    with pytest.raises(CompressionError, match=r"language_model.groupsize: unknown key; did you mean 'group_size'"):
        parse_recipe(document, source="x.toml")


def test_unknown_section_gets_a_suggestion(document: dict[str, Any]) -> None:
    """An unknown section is an error with the nearest known one."""
    document["visions"] = {"mode": "none"}
    with pytest.raises(CompressionError, match="did you mean 'vision'"):
        parse_recipe(document, source="x.toml")


@pytest.mark.parametrize("method", ["awq", "gptq", "scale_estimation", "lora_correction"])
def test_methods_that_break_grafted_adapters_are_refused_by_name(document: dict[str, Any], method: str) -> None:
    """Data-aware methods that do not know the grafted adapters are refused, not ignored."""
    document["language_model"][method] = True
    with pytest.raises(CompressionError, match=f"language_model.{method} is refused"):
        parse_recipe(document, source="x.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mode", "int5_sym"),
        ("group_size", 0),
        ("group_size", -2),
        ("ratio", 0.0),
        ("ratio", 1.5),
        ("backup", "int4_sym"),
    ],
)
def test_values_out_of_range(document: dict[str, Any], key: str, value: object) -> None:
    """A value that NNCF would refuse or change in silence is refused here."""
    document["language_model"][key] = value
    with pytest.raises(CompressionError, match="language_model"):
        parse_recipe(document, source="x.toml")


def test_ratio_without_int4_is_refused(document: dict[str, Any]) -> None:
    """NNCF ignores a ratio for INT8: a recipe may not pretend."""
    document["language_model"] |= {"mode": "int8_asym", "ratio": 0.5}
    with pytest.raises(CompressionError, match="ratio is for INT4 modes only"):
        parse_recipe(document, source="x.toml")


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    """A file that is not TOML is named."""
    (tmp_path / "x.toml").write_text("[language_model\n")
    with pytest.raises(CompressionError, match="cannot be read") as caught:
        load_recipe(str(tmp_path / "x.toml"))
    assert "\n" not in str(caught.value)
