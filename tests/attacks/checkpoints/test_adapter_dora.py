"""DoRA: magnitudes that belong to one adapter's base weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.simulators.peft_folder import PREFIX, Q, assert_says, factors, refusal, write_peft


def test_dora_is_refused_by_its_setting(tmp_path: Path) -> None:
    """use_dora is named, with the setting to train with."""
    folder = write_peft(tmp_path / "peft", config={"use_dora": True})
    assert_says(refusal(folder), folder / "adapter_config.json", "DoRA", "train with use_dora = False")


def test_dora_is_refused_by_its_tensors(tmp_path: Path) -> None:
    """A magnitude vector under a configuration that hides it is named too."""
    magnitude = f"{PREFIX}{Q}.lora_magnitude_vector"
    folder = write_peft(tmp_path / "peft", tensors=factors() | {magnitude: np.ones(24, np.float32)})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", magnitude, "DoRA", "train with use_dora=False")
