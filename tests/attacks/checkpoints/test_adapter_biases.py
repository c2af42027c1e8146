"""Trained biases: the base's own, or a factor's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import PREFIX, Q, assert_says, factors, refusal, write_peft


@pytest.mark.parametrize("config", [{"bias": "all"}, {"bias": "lora_only"}, {"lora_bias": True}])
def test_biases_are_refused_by_their_setting(tmp_path: Path, config: dict[str, object]) -> None:
    """The setting is named, with the value to train with."""
    folder = write_peft(tmp_path / "peft", config=config)
    assert_says(refusal(folder), folder / "adapter_config.json", *config, "train with")


def test_a_factors_bias_is_refused_by_its_tensor(tmp_path: Path) -> None:
    """lora_B.bias is named."""
    bias = f"{PREFIX}{Q}.lora_B.bias"
    folder = write_peft(tmp_path / "peft", tensors=factors() | {bias: np.ones(24, np.float32)})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", bias, "train with lora_bias=False")
