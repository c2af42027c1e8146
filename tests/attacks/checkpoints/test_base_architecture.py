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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_attention_heads": 0}, "num_attention_heads = 0 is missing or wrong"),
        ({"num_key_value_heads": 0}, "num_key_value_heads = 0 is missing or wrong"),
        ({"num_hidden_layers": -1}, "num_hidden_layers = -1 is missing or wrong"),
        ({"vocab_size": float("inf")}, "vocab_size = inf is missing or wrong"),
        ({"vocab_size": 10**400}, "is missing or wrong"),
        ({"num_hidden_layers": 1001}, "1001 layers are more than 1000"),
        ({"hidden_size": 8.5}, "hidden_size = 8.5 is missing or wrong"),
        ({"rope_scaling": {"mrope_section": [1, 1, "x"]}}, "mrope_section = 'x' is missing or wrong"),
        ({"vision_config": {**hf_folder.CONFIG["vision_config"], "patch_size": 0}}, "vision_config.patch_size = 0"),
        ({"vision_config": 5}, "vision_config is not an object"),
        ({"text_config": [1]}, "text_config is not an object"),
        ({"architectures": 5}, "architectures = 5 is not a list of class names"),
        ({"architectures": [["x"]]}, "architectures = [['x']] is not a list of class names"),
    ],
)
def test_a_number_that_is_no_count(folder: Path, changes: dict[str, Any], words: str) -> None:
    """Zero heads, half a feature, a table that is none: one line with the file and the key."""
    hf_folder.edit(folder / "config.json", changes)
    line = refusal(folder)
    assert words in line
    assert str(folder / "config.json") in line


def test_a_config_without_end(folder: Path) -> None:
    """A config that nests deeper than any reader follows."""
    (folder / "config.json").write_text("[" * 100_000)
    assert "config.json cannot be read" in refusal(folder)


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
