"""Recipes are validated before anything is exported."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from calibration.recipe import Recipe, load_recipe, parse_recipe, recipe_folder
from edge_agent.errors import CompressionError

SHIPPED = ("fp32", "int8", "int4-data-free", "int4-se", "int4-gptq", "int4-mixed-80")


@pytest.fixture
def document() -> dict[str, Any]:
    """Return the shipped data-free INT4 recipe as a document to be changed."""
    return tomllib.loads((recipe_folder() / "int4-data-free.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_valid_and_called_by_their_file(name: str) -> None:
    """Every shipped recipe loads by name and carries that name."""
    assert load_recipe(name).name == name


def test_no_shipped_recipe_is_left_out() -> None:
    """The folder holds the recipes that are tested, and no other."""
    assert {path.stem for path in recipe_folder().glob("*.toml")} == set(SHIPPED)


def test_int4_is_another_name_of_the_data_free_recipe() -> None:
    """Scripts and notes that say `int4` keep working."""
    assert load_recipe("int4") == load_recipe("int4-data-free")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_recipe_survives_its_own_record(name: str) -> None:
    """What the manifest keeps of a recipe, defaults included, is the same recipe when it is read again."""
    recipe = load_recipe(name)
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_recipe_by_path(tmp_path: Path) -> None:
    """A recipe of one's own is given by its path."""
    path = tmp_path / "mine.toml"
    path.write_text((recipe_folder() / "int8.toml").read_text().replace('"int8"', '"mine"', 1))
    assert load_recipe(str(path)).name == "mine"


def test_unknown_recipe_lists_the_known_ones() -> None:
    """A mistyped name shows what there is, aliases included."""
    with pytest.raises(CompressionError, match="fp32, int4, int4-data-free, int4-gptq, int4-mixed-80, int4-se, int8"):
        load_recipe("in4")


@pytest.mark.parametrize(
    ("section", "key", "hint"),
    [
        ("language_model", "groupsize", "did you mean 'group_size'"),
        ("language_model", "scale_estimaton", "did you mean 'scale_estimation'"),
        ("adapters", "modes", "did you mean 'mode'"),
    ],
)
def test_unknown_key_gets_a_suggestion(document: dict[str, Any], section: str, key: str, hint: str) -> None:
    """An unknown key is an error with the nearest known one."""
    document[section][key] = 64
    with pytest.raises(CompressionError, match=rf"{section}.{key}: unknown key; {hint}"):
        parse_recipe(document, source="x.toml")


def test_unknown_advanced_key_gets_a_suggestion(document: dict[str, Any]) -> None:
    """Also two tables down."""
    document["language_model"] |= {"gptq": True, "advanced_parameters": {"gptq_params": {"damp_percents": 0.1}}}
    with pytest.raises(CompressionError, match=r"gptq_params.damp_percents: unknown key; did you mean 'damp_percent'"):
        parse_recipe(document, source="x.toml")


def test_unknown_section_gets_a_suggestion(document: dict[str, Any]) -> None:
    """An unknown section is an error with the nearest known one."""
    document["visions"] = {"mode": "none"}
    with pytest.raises(CompressionError, match="did you mean 'vision'"):
        parse_recipe(document, source="x.toml")


@pytest.mark.parametrize(
    ("section", "key", "message"),
    [
        ("language_model", "backup", "language_model.backup is now called backup_mode, NNCF's own name; rename it"),
        ("adapters", "precision", r"adapters.precision is now called mode \(int8 is int8_sym, f32 is none\)"),
    ],
)
def test_a_key_of_older_recipes_says_what_it_is_called_now(
    document: dict[str, Any], section: str, key: str, message: str
) -> None:
    """Renamed keys are named, not merely unknown."""
    document[section][key] = "int8_asym"
    with pytest.raises(CompressionError, match=message):
        parse_recipe(document, source="x.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mode", "int5_sym"),
        ("group_size", 0),
        ("group_size", -2),
        ("ratio", 1.5),
        ("backup_mode", "int4_sym"),
        ("sensitivity_metric", "loudness"),
        ("subset_size", 0),
    ],
)
def test_values_out_of_range(document: dict[str, Any], key: str, value: object) -> None:
    """A value that NNCF does not have, or cannot take, is refused here."""
    document["language_model"][key] = value
    with pytest.raises(CompressionError, match="language_model"):
        parse_recipe(document, source="x.toml")


@pytest.mark.parametrize("key", ["group_size", "backup_mode"])
def test_int4_says_its_group_size_and_backup_mode(document: dict[str, Any], key: str) -> None:
    """A default that nobody wrote down is no declaration to compare with."""
    del document["language_model"][key]
    with pytest.raises(CompressionError, match=f"int4_asym needs {key}"):
        parse_recipe(document, source="x.toml")


@pytest.mark.parametrize(
    "row",
    [
        {"metric": "danger_refusal_loss", "limit": 0.5},
        {"metric": "danger_refusal_loss", "limit": 0.005, "min_cases": 5},
        {"metric": "abstention_loss", "limit": 0.005, "substitute": {"metric": "scope_finding_loss", "limit": 0.1}},
    ],
)
def test_a_looser_hard_gate_is_refused_before_the_export(document: dict[str, Any], row: dict[str, Any]) -> None:
    """By its limit, by fewer cases or by a substitute: an evaluation would say so hours later."""
    document["gates"]["quality"] = [row]
    with pytest.raises(CompressionError, match=r"x\.toml: the hard gate \w+ may be tightened only"):
        parse_recipe(document, source="x.toml")


@pytest.mark.parametrize(
    ("metric", "part", "hint"),
    [
        ("flips", "familly", "did you mean 'family'"),
        ("flips", "mean", "known are decision, family, stage, syndrome, cascade_syndrome"),
        ("divergence", "recogniton", "did you mean 'recognition'"),
        ("token_disagreement", "mean", "known are recognition, representation, reasoning"),
        ("text_loss", "rouge_l", "did you mean 'rouge_l_f_char'"),
        ("weight_error", "languagemodel", "did you mean 'language_model'"),
        ("weight_error", "adapter.triage", "'adapter.triage' is not known"),
        ("field_accuracy_loss", "recognition.familly", "did you mean 'recognition.family'"),
        ("field_accuracy_loss", "representation.itch", "known are representation.distribution"),
        ("calibration_error_gain", "family", "'family' is no field; write mean, each or AGENT.FIELD"),
        ("danger_naming_loss", "family", "known are mean"),
    ],
)
def test_a_gate_on_a_part_that_nothing_has_is_refused(
    document: dict[str, Any], metric: str, part: str, hint: str
) -> None:
    """A misspelled part would fall in every evaluation, after export and build."""
    document["gates"]["quality"] = [{"metric": metric, "part": part, "limit": 0.05}]
    with pytest.raises(CompressionError, match=rf"x\.toml: gate on {metric}: part = .*{hint}") as caught:
        parse_recipe(document, source="x.toml")
    assert "\n" not in str(caught.value)


def test_a_substitute_on_a_part_that_nothing_has_is_refused(document: dict[str, Any]) -> None:
    """What is judged instead is one figure of one part that there is."""
    row = {"metric": "calibration_error_gain", "limit": 0.02}
    for instead in ({"metric": "text_loss", "part": "bleu"}, {"metric": "field_accuracy_loss", "part": "each"}):
        document["gates"]["quality"] = [{**row, "substitute": {**instead, "limit": 0.02}}]
        with pytest.raises(CompressionError, match=rf"gate on {instead['metric']}: part = "):
            parse_recipe(document, source="x.toml")


@pytest.mark.parametrize(
    ("metric", "part"),
    [
        ("field_accuracy_loss", "each"),
        ("field_accuracy_loss", "reasoning.biomedical.working"),
        ("calibration_error_gain", "cascade.syndrome"),
        ("flips", "decision"),
        ("divergence", "reasoning"),
        ("text_loss", "bleu4_sentence_char_smooth3"),
        ("weight_error", "mean"),
        ("weight_error", "adapter.reasoning"),
        ("scope_finding_loss", "mean"),
    ],
)
def test_a_gate_on_a_part_that_there_is_stands(document: dict[str, Any], metric: str, part: str) -> None:
    """Fields, agents, scores and pieces of a bundle, each by its own name."""
    document["gates"]["quality"] = [{"metric": metric, "part": part, "limit": 0.01}]
    assert parse_recipe(document, source="x.toml").gates.quality[0].part == part


@pytest.mark.parametrize("limit", ["inf", "nan"])
def test_a_limit_without_end_is_refused(tmp_path: Path, limit: str) -> None:
    """TOML can write it, and such a gate would never fall."""
    text = (recipe_folder() / "int8.toml").read_text(encoding="utf-8")
    path = tmp_path / "x.toml"
    path.write_text(f'{text}\n[[gates.quality]]\nmetric = "flips"\npart = "stage"\nlimit = {limit}\n')
    with pytest.raises(CompressionError, match=r"gates\.quality\.0\.limit: "):
        load_recipe(str(path))


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    """A file that is not TOML is named."""
    (tmp_path / "x.toml").write_text("[language_model\n")
    with pytest.raises(CompressionError, match="cannot be read") as caught:
        load_recipe(str(tmp_path / "x.toml"))
    assert "\n" not in str(caught.value)


def test_the_stage_loads_no_linear_algebra_before_it_fixes_its_threads() -> None:
    """OpenBLAS takes its thread count from the CPUs when it is loaded: importing the stage must not load it."""
    code = (
        "import sys, calibration.grafted.stage; sys.exit(int(bool({'numpy', 'openvino', 'nncf'} & set(sys.modules))))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
