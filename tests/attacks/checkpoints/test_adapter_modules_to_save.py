"""modules_to_save: a whole retrained module beside the LoRA."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.simulators.peft_folder import PREFIX, assert_says, factors, refusal, write_peft


def test_modules_to_save_is_refused_by_its_setting(tmp_path: Path) -> None:
    """The setting is named, with what to do."""
    folder = write_peft(tmp_path / "peft", config={"modules_to_save": ["lm_head"]})
    assert_says(refusal(folder), folder / "adapter_config.json", "modules_to_save", "train without it")


def test_whole_weights_are_refused_by_their_tensor(tmp_path: Path) -> None:
    """A whole weight in the file (as modules_to_save and resized embeddings leave it) is named."""
    whole = f"{PREFIX}lm_head.weight"
    folder = write_peft(tmp_path / "peft", tensors=factors() | {whole: np.ones((8, 24), np.float32)})
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", whole, "train without modules_to_save")
