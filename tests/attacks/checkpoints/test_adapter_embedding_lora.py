"""A LoRA of the token embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.simulators.peft_folder import PREFIX, R, assert_says, factors, refusal, write_peft


def test_embedding_factors_are_refused_by_their_tensor(tmp_path: Path) -> None:
    """lora_embedding_A is named."""
    rows = f"{PREFIX}model.language_model.embed_tokens.lora_embedding_A"
    folder = write_peft(tmp_path / "peft", tensors=factors() | {rows: np.ones((R, 8), np.float32)})
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", rows, "train again without embed_tokens")


def test_embeddings_among_the_targets_are_refused(tmp_path: Path) -> None:
    """A configuration that names them is refused even where the file holds none."""
    folder = write_peft(tmp_path / "peft", config={"target_modules": ["q_proj", "embed_tokens"]})
    assert_says(refusal(folder), folder / "adapter_config.json", "embed_tokens", "train again without embed_tokens")
