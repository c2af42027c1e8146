"""A LoRA of the vision tower: one tower serves all agents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import R, assert_says, factors, key, refusal, write_peft

EXCLUDE = "exclude_modules = '.*visual.*'"


@pytest.mark.parametrize("root", ["model.visual", "visual"], ids=["today", "transformers before 4.52"])
def test_vision_factors_are_refused_by_their_tensor(tmp_path: Path, root: str) -> None:
    """The tower's factor is named, however its generation spells it."""
    block = key(f"{root}.blocks.0.mlp.gate_proj", "A")
    folder = write_peft(tmp_path / "peft", tensors=factors() | {block: np.ones((R, 8), np.float32)})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", block, "vision tower", EXCLUDE)


@pytest.mark.parametrize("targets", [["q_proj", "gate_proj"], "all-linear", ".*"])
def test_targets_that_reach_the_tower_are_refused(tmp_path: Path, targets: list[str] | str) -> None:
    """gate_proj is a name in the tower as well: a file without its factors would not be covered."""
    folder = write_peft(tmp_path / "peft", config={"target_modules": targets})
    assert_says(refusal(folder), folder / "adapter_config.json", "model.visual.", EXCLUDE)
