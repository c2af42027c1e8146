"""Factors of another rank than the configuration's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import DOWN, assert_says, factors, key, refusal, write_peft


def test_another_rank_is_refused(tmp_path: Path) -> None:
    """alpha / r would be wrong for the whole file: the first tensor is named with both ranks."""
    folder = write_peft(tmp_path / "peft", config={"r": 8})
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", "lora_A.weight has rank 4", "declares 8")
    assert_says(message, "put the configuration of this training beside it")


def test_a_rank_that_the_pattern_does_not_give_is_refused(tmp_path: Path) -> None:
    """rank_pattern counts per module, and only the module that breaks it is named."""
    folder = write_peft(tmp_path / "peft", config={"rank_pattern": {"layers.1.mlp.down_proj": 2}})
    assert_says(refusal(folder), folder / "adapter_model.safetensors", key(DOWN, "A"), "has rank 4", "rank_pattern")


def test_halves_of_two_ranks_are_refused(tmp_path: Path) -> None:
    """B of another rank than A is named."""
    tensors = factors() | {key(DOWN, "B"): np.ones((24, 2), np.float32)}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    assert_says(refusal(folder), folder / "adapter_model.safetensors", key(DOWN, "B"), "has rank 2", "put the")


@pytest.mark.parametrize("value", [0, -4, 4.5, "4", None, True])
def test_a_rank_that_is_no_count_is_refused(tmp_path: Path, value: object) -> None:
    """r is a positive whole number."""
    folder = write_peft(tmp_path / "peft", config={"r": value})
    assert_says(refusal(folder), folder / "adapter_config.json", "r = ", "save the adapter again")
