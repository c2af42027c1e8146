"""An adapter that changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.peft_folder import DOWN, assert_says, factors, imported, key, refusal, write_peft


@pytest.mark.parametrize("factor", ["A", "B"])
def test_an_adapter_of_zeros_is_refused(tmp_path: Path, factor: str) -> None:
    """PEFT starts with B = 0 (MiCA with A = 0): saved before training it is the bare backbone."""
    tensors = {name: value * (f"lora_{factor}" not in name) for name, value in factors().items()}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", "lora_B.weight", "changes nothing", "train it")


def test_a_single_target_of_zeros_is_imported(tmp_path: Path) -> None:
    """One linear that training left alone is no fault."""
    tensors = factors()
    tensors[key(DOWN, "B")][:] = 0
    assert imported(write_peft(tmp_path / "peft", tensors=tensors)).record.coverage == 1.0
