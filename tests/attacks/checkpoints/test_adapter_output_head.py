"""A LoRA of lm_head: the device computes logits only where they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.simulators.peft_folder import R, assert_says, factors, key, refusal, write_peft


def test_head_factors_are_refused_by_their_tensor(tmp_path: Path) -> None:
    """The head's factor is named."""
    head = key("lm_head", "A")
    folder = write_peft(tmp_path / "peft", tensors=factors() | {head: np.ones((R, 24), np.float32)})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", head, "train again without lm_head")


def test_the_head_among_the_targets_is_refused(tmp_path: Path) -> None:
    """A configuration that names it is refused even where the file holds none."""
    folder = write_peft(tmp_path / "peft", config={"target_modules": ["q_proj", "lm_head"]})
    assert_says(refusal(folder), folder / "adapter_config.json", "lm_head", "train again without lm_head")
