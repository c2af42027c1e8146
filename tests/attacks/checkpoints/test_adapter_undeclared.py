"""Tensors that no declared target accounts for."""

from __future__ import annotations

from pathlib import Path

from tests.simulators.peft_folder import assert_says, factors, key, refusal, write_peft


def test_a_tensor_that_no_target_declares_is_refused(tmp_path: Path) -> None:
    """PEFT drops it in silence; here it is named."""
    folder = write_peft(tmp_path / "peft", config={"target_modules": ["q_proj"], "exclude_modules": ".*visual.*"})
    message = refusal(folder)
    first = key("model.language_model.layers.0.mlp.down_proj", "A")
    assert_says(message, folder / "adapter_model.safetensors", first, "no module that target_modules declares")
    assert_says(message, "put the adapter_config.json of this training beside it")


def test_layers_that_were_not_to_be_transformed_are_refused(tmp_path: Path) -> None:
    """layers_to_transform counts as PEFT counts it."""
    config = {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": "layers"}
    tensors = factors(
        ["model.language_model.layers.0.self_attn.q_proj", "model.language_model.layers.1.self_attn.q_proj"]
    )
    folder = write_peft(tmp_path / "peft", config=config, tensors=tensors)
    named = key("model.language_model.layers.1.self_attn.q_proj", "A")
    assert_says(refusal(folder), folder / "adapter_model.safetensors", named, "no module that target_modules declares")


def test_targets_that_match_nothing_are_refused(tmp_path: Path) -> None:
    """A name of another architecture matches no linear of this base."""
    folder = write_peft(tmp_path / "peft", config={"target_modules": ["c_attn"]})
    assert_says(refusal(folder), folder / "adapter_config.json", "matches no linear", "train on this base")


def test_a_configuration_without_targets_is_refused(tmp_path: Path) -> None:
    """PEFT would guess them by architecture; a saved adapter names them."""
    folder = write_peft(tmp_path / "peft", config={"target_modules": None})
    assert_says(refusal(folder), folder / "adapter_config.json", "target_modules names nothing", "name the adapted")
