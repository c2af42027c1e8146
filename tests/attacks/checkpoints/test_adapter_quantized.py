"""Factors that are codes, not numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulators.peft_folder import PREFIX, Q, R, assert_says, entries, factors, key, refusal, write_peft


@pytest.mark.parametrize("dtype", ["U8", "I8", "I32", "F8_E4M3"])
def test_integer_factors_are_refused_by_their_type(tmp_path: Path, dtype: str) -> None:
    """bitsandbytes writes U8, GPTQ I32: the tensor and its type are named."""
    codes = [(key(Q, "A"), dtype, (R, 24), bytes(R * 24 * (4 if dtype == "I32" else 1)))]
    others = [entry for entry in entries(factors()) if entry[0] != key(Q, "A")]
    folder = write_peft(tmp_path / "peft", items=codes + others)
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", key(Q, "A"), dtype, "save its factors as bfloat16 or")


@pytest.mark.parametrize("suffix", ["lora_A.weight.absmax", "lora_A.weight.quant_map", "lora_A.qweight", "SCB"])
def test_the_tables_of_a_quantizer_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    """Scales and code books beside the factors are named."""
    table = f"{PREFIX}{Q}.{suffix}"
    folder = write_peft(tmp_path / "peft", tensors=factors() | {table: np.ones(4, np.float32)})
    assert_says(
        refusal(folder), folder / "adapter_model.safetensors", table, "quantized adapter", "save its factors as"
    )


def test_qalora_is_refused_by_its_setting(tmp_path: Path) -> None:
    """QALoRA pools a linear's input before A: the factors fit no other linear."""
    folder = write_peft(tmp_path / "peft", config={"use_qalora": True})
    assert_says(refusal(folder), folder / "adapter_config.json", "use_qalora", "train with use_qalora = False")
