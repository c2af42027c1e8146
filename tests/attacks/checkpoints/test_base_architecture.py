"""Another model, another class, or a config of another generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calibration.checkpoint.preflight import check_before_build
from calibration.recipe import load_recipe
from tests.simulators import hf_folder
from tests.simulators.preflight import ROOMY, refusal


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "llava"}, "model_type is 'llava'; this program builds qwen2_5_vl only"),
        (
            {"architectures": ["Qwen2VLForConditionalGeneration"]},
            "class Qwen2VLForConditionalGeneration is not supported",
        ),
        ({"quantization_config": {"quant_method": "awq"}}, "the base is already quantized (awq)"),
        ({"rope_scaling": None, "rope_parameters": {}}, "saved by transformers 5; save the checkpoint again"),
        ({"rope_scaling": {"mrope_section": [1, 1, 1]}}, "mrope_section [1, 1, 1] must add up to 2"),
        ({"architectures": ["SkinVLModelWithAdapter"]}, "no tensor belongs to a side branch"),
    ],
)
def test_foreign_architecture(folder: Path, changes: dict[str, Any], words: str) -> None:
    """Another model, another class, a quantized base, a config of another generation: each by its name."""
    hf_folder.edit(folder / "config.json", changes)
    assert words in refusal(folder)


def test_a_side_branch_is_recognised(folder: Path) -> None:
    """SkinGPT-R1's class passes with tensors of its own; their import checks them."""
    hf_folder.edit(folder / "config.json", {"architectures": ["SkinVLModelWithAdapter"]})
    hf_folder.write_weights(folder, {**hf_folder.TENSORS, "distill_head.in_proj.weight": (4, 6)})
    found = check_before_build(
        folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
    )
    assert found.architecture.has_side_branch
    assert found.parameters["side_branch"] == 24
    assert "side branch of 1 tensors" in found.notes[0]
