"""Factors stored the other way round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import DOWN, assert_says, factors, key, refusal, write_peft


@pytest.mark.parametrize(("factor", "written"), [("A", [24, 4]), ("B", [4, 40])])
def test_a_transposed_factor_is_refused(tmp_path: Path, factor: str, written: list[int]) -> None:
    """A is [r, in] and B is [out, r]; the other way round the product would still have a shape in a square linear."""
    path = "model.language_model.layers.1.mlp.up_proj"
    tensors = factors()
    tensors[key(path, factor)] = np.ascontiguousarray(tensors[key(path, factor)].T)
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", key(path, factor), "is transposed", str(written))
    assert_says(message, "transpose it")


def test_exchanged_factors_are_refused(tmp_path: Path) -> None:
    """A under B's name and B under A's: both are named."""
    tensors = factors()
    tensors[key(DOWN, "A")], tensors[key(DOWN, "B")] = tensors[key(DOWN, "B")], tensors[key(DOWN, "A")]
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(
        message, folder / "adapter_model.safetensors", key(DOWN, "A"), key(DOWN, "B"), "are exchanged", "rename"
    )
