"""Keys that PEFT did not write, and would ignore in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.simulators.peft_folder import PREFIX, Q, assert_says, factors, refusal, write_peft


def test_a_key_with_the_adapters_name_is_refused(tmp_path: Path) -> None:
    """A state dict saved by hand keeps the name; PEFT loads nothing of it."""
    tensors = {name.replace(".weight", ".default.weight"): value for name, value in factors().items()}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", "lora_A.default.weight", "save with PeftModel")


def test_a_key_without_the_prefix_is_refused(tmp_path: Path) -> None:
    """Other trainers leave base_model.model. out."""
    tensors = {name.removeprefix("base_model.model."): value for name, value in factors().items()}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", "lacks PEFT's prefix", "save with PeftModel")


def test_a_key_of_no_kind_is_refused(tmp_path: Path) -> None:
    """What nobody knows is not dropped."""
    odd = f"{PREFIX}{Q}.lora_gamma"
    folder = write_peft(tmp_path / "peft", tensors=factors() | {odd: np.ones(4, np.float32)})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", odd, "train a plain LoRA")
