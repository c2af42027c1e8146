"""Values that are no numbers: a training that diverged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import DOWN, assert_says, factors, key, refusal, write_peft


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("factor", ["A", "B"])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, factor: str, value: float) -> None:
    """One bad value among hundreds names its tensor and how many there are."""
    tensors = factors()
    tensors[key(DOWN, factor)][1, 1] = value
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", key(DOWN, factor), "has 1 values that are no numbers")
    assert_says(message, "take an earlier checkpoint")
