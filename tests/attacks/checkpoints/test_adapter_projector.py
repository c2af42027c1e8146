"""A LoRA of the projector (merger) between vision tower and language model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import R, assert_says, factors, key, refusal, write_peft

EXCLUDE = "exclude_modules = '.*visual.*'"


@pytest.mark.parametrize("root", ["model.visual", "visual"], ids=["today", "transformers before 4.52"])
def test_projector_factors_are_refused_by_their_tensor(tmp_path: Path, root: str) -> None:
    """The projector's factor is named as the projector's, not as the tower's."""
    merger = key(f"{root}.merger.mlp.0", "B")
    folder = write_peft(tmp_path / "peft", tensors=factors() | {merger: np.ones((8, R), np.float32)})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", merger, "projector", EXCLUDE)


def test_targets_that_reach_the_projector_are_refused(tmp_path: Path) -> None:
    """A configuration that names it is refused even where the file holds none."""
    folder = write_peft(tmp_path / "peft", config={"target_modules": ["q_proj", "merger.mlp.2"]})
    assert_says(refusal(folder), folder / "adapter_config.json", "model.visual.merger.mlp.2", "projector", EXCLUDE)
