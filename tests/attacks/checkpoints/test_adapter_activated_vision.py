"""An activated LoRA with a vision LoRA: patches have no invocation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.simulators.peft_folder import R, assert_says, factors, key, refusal, write_peft


def test_the_combination_is_refused_by_name(tmp_path: Path) -> None:
    """The message names the technique and the tensor, and is not the one for a plain vision LoRA."""
    block = key("model.visual.blocks.1.attn.qkv", "A")
    tensors = factors() | {block: np.ones((R, 8), np.float32)}
    folder = write_peft(tmp_path / "peft", config={"alora_invocation_tokens": [7]}, tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", block, "vision LoRA of an activated LoRA")
    assert_says(message, "exclude_modules = '.*visual.*'")
