"""Factors that fit another base by their size: more layers, wider linears, other modules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import DOWN, Q, R, assert_says, factors, key, paths, refusal, write_peft


def test_a_layer_that_the_base_lacks_is_refused(tmp_path: Path) -> None:
    """An adapter of a deeper model is named by its first layer too many."""
    deep = DOWN.replace("layers.1", "layers.35")
    folder = write_peft(tmp_path / "peft", tensors=factors([*paths(), deep]))
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", key(deep, "A"), "is for layer 35, the base has 2")
    assert_says(message, "give the base that it was trained on")


@pytest.mark.parametrize(("factor", "shape", "side"), [("A", (R, 64), "64 inputs"), ("B", (32, R), "32 outputs")])
def test_another_width_is_refused(tmp_path: Path, factor: str, shape: tuple[int, int], side: str) -> None:
    """A width of another model is named with the base's own."""
    tensors = factors() | {key(DOWN, factor): np.ones(shape, np.float32)}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", key(DOWN, factor), f"has {side}", "give the base that")


def test_a_linear_of_another_architecture_is_refused(tmp_path: Path) -> None:
    """A fused projection does not exist in this base."""
    fused = key("model.language_model.layers.0.self_attn.qkv_proj", "A")
    tensors = factors() | {
        fused: np.ones((R, 24), np.float32),
        fused.replace("lora_A", "lora_B"): np.ones((48, R), np.float32),
    }
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(
        message, folder / "adapter_model.safetensors", fused, "a linear that the base does not have", "give the"
    )


@pytest.mark.parametrize("shape", [(96,), (1, R, 24), (0, 24), (5, 7)])
def test_a_shape_of_no_kind_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Unsharded remains of a distributed training (one axis, or none) are named."""
    tensors = factors() | {key(Q, "A"): np.ones(shape, np.float32)}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    assert_says(refusal(folder), folder / "adapter_model.safetensors", key(Q, "A"))
