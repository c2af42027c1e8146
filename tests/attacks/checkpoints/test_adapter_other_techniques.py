"""Adapters that are no LoRA at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import PREFIX, Q, assert_says, factors, refusal, write_peft

KINDS = ["LOHA", "LOKR", "IA3", "ADALORA", "PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "OFT", "VERA", None]
TENSORS = {
    "AdaLoRA": f"{PREFIX}{Q}.lora_E",
    "LoHa": f"{PREFIX}{Q}.hada_w1_a",
    "LoKr": f"{PREFIX}{Q}.lokr_w1",
    "IA3": f"{PREFIX}{Q}.ia3_l",
    "prompt tuning": "base_model.prompt_embeddings",
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_techniques_are_refused_by_their_type(tmp_path: Path, kind: str | None) -> None:
    """peft_type is named as the configuration has it."""
    folder = write_peft(tmp_path / "peft", config={"peft_type": kind})
    assert_says(
        refusal(folder), folder / "adapter_config.json", f"peft_type = {kind!r}", "train one (peft_type 'LORA')"
    )


@pytest.mark.parametrize("technique", TENSORS)
def test_other_techniques_are_refused_by_their_tensors(tmp_path: Path, technique: str) -> None:
    """Under a configuration that says LoRA the tensor gives the technique away."""
    tensor = TENSORS[technique]
    folder = write_peft(tmp_path / "peft", tensors=factors() | {tensor: np.ones((4, 4), np.float32)})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", tensor, technique, "train a")
