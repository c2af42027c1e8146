"""Settings that change what the factors mean, or that nobody here knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.peft_folder import assert_says, refusal, write_peft

CHANGING = {
    "fan_in_fan_out": True,
    "layer_replication": [[0, 2], [1, 2]],
    "target_parameters": ["experts.gate_up_proj"],
    "megatron_config": {"x": 1},
    "arrow_config": {"top_k": 2},
    "use_bdlora": {"nblocks": 2},
    "kasa_config": {"beta": 1e-4},
    "monteclora_config": {"num_samples": 8},
    "velora_config": {"num_groups": 4},
    "a_setting_of_2027": 3,
}


@pytest.mark.parametrize("setting", CHANGING)
def test_a_setting_that_cannot_be_honoured_is_refused(tmp_path: Path, setting: str) -> None:
    """No setting is dropped in silence, not even one that a later PEFT invents."""
    folder = write_peft(tmp_path / "peft", config={setting: CHANGING[setting]})
    assert_says(refusal(folder), folder / "adapter_config.json", f"{setting} = ", "train with")


@pytest.mark.parametrize("setting", ["target_modules", "exclude_modules", "rank_pattern", "alpha_pattern"])
def test_a_broken_expression_is_refused(tmp_path: Path, setting: str) -> None:
    """A pattern that is no regular expression is named with its setting."""
    broken = {"(": 4} if "pattern" in setting else "("
    folder = write_peft(tmp_path / "peft", config={setting: broken})
    assert_says(refusal(folder), folder / "adapter_config.json", setting, "no regular expression", "save the adapter")


@pytest.mark.parametrize("pattern", ["(?i)layers", "a{99999999999999999999}"])
@pytest.mark.parametrize("setting", ["layers_pattern", "rank_pattern", "alpha_pattern"])
def test_an_expression_that_breaks_the_one_around_it_is_refused(tmp_path: Path, setting: str, pattern: str) -> None:
    """PEFT puts these patterns into expressions of its own, where flags may not stand."""
    broken = {pattern: 4} if setting != "layers_pattern" else [pattern]
    folder = write_peft(tmp_path / "peft", config={setting: broken})
    assert_says(refusal(folder), folder / "adapter_config.json", setting, "no regular expression", "save the adapter")


@pytest.mark.parametrize("value", [5, [5], {"layers": 1}])
def test_a_layers_pattern_that_is_no_name_is_refused(tmp_path: Path, value: object) -> None:
    """A number is neither a name nor a list of names."""
    folder = write_peft(tmp_path / "peft", config={"layers_pattern": value})
    assert_says(refusal(folder), folder / "adapter_config.json", "layers_pattern = ", "save the adapter again")


@pytest.mark.parametrize("value", [0, -1, float("nan"), "8", None, 10**400])
def test_an_alpha_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    """Alpha 0 would switch the adapter off."""
    folder = write_peft(tmp_path / "peft", config={"lora_alpha": value})
    assert_says(refusal(folder), folder / "adapter_config.json", "lora_alpha", "save the adapter again")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_configuration_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    """The file is named."""
    folder = write_peft(tmp_path / "peft")
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    assert_says(refusal(folder), folder / "adapter_config.json", "save the adapter with PeftModel.save_pretrained")
