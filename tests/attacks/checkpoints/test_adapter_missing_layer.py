"""A layer, a linear or a factor that is not in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.peft_folder import DOWN, assert_says, factors, key, refusal, write_peft


def test_a_missing_layer_is_refused(tmp_path: Path) -> None:
    """PEFT leaves such a layer bare with a warning: here the layer and its first tensor are named."""
    tensors = {name: value for name, value in factors().items() if ".layers.1." not in name}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    first = key("model.language_model.layers.1.self_attn.q_proj", "A")
    assert_says(message, folder / "adapter_model.safetensors", "nothing for layer 1", first, "save the adapter again")


def test_a_missing_linear_is_refused(tmp_path: Path) -> None:
    """One linear of one layer is enough."""
    tensors = {name: value for name, value in factors().items() if DOWN not in name}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", key(DOWN, "A"), "target_modules declares", "save the")


@pytest.mark.parametrize("factor", ["A", "B"])
def test_half_a_pair_is_refused(tmp_path: Path, factor: str) -> None:
    """A factor without its other half is no adapter."""
    tensors = factors()
    del tensors[key(DOWN, factor)]
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    assert_says(refusal(folder), folder / "adapter_model.safetensors", key(DOWN, factor), "save the adapter again")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """No tensor at all."""
    folder = write_peft(tmp_path / "peft", tensors={})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", "no tensors", "save the adapter again")
