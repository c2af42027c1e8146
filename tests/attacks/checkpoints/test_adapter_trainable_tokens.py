"""trainable_token_indices: single rows of the embeddings, retrained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.simulators.peft_folder import PREFIX, assert_says, factors, refusal, write_peft


def test_trainable_tokens_are_refused_by_their_setting(tmp_path: Path) -> None:
    """The setting is named, with where new tokens belong."""
    folder = write_peft(tmp_path / "peft", config={"trainable_token_indices": [7, 8]})
    message = refusal(folder)
    assert_says(message, folder / "adapter_config.json", "trainable_token_indices", "put new tokens into the base")


def test_trainable_tokens_are_refused_by_their_tensor(tmp_path: Path) -> None:
    """The rows themselves are named."""
    rows = f"{PREFIX}model.language_model.embed_tokens.token_adapter.trainable_tokens_delta"
    folder = write_peft(tmp_path / "peft", tensors=factors() | {rows: np.ones((2, 24), np.float32)})
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", rows, "train without trainable_token_indices")
