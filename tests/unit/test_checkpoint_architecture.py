"""Which tensors a config.json asks for: compared with published totals and with transformers' naming."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from calibration.checkpoint.architecture import (
    count_parts,
    expected_tensors,
    part_of,
    published_name,
    read_architecture,
    tensor_faults,
)
from calibration.checkpoint.layout import read_weights
from calibration.checkpoint.shape import model_config
from calibration.checkpoint.shapes import SHAPES
from calibration.export import vision_numbers
from edge_agent.errors import ExportError
from tests.simulators import hf_folder


def shapes_of(name: str, folder: Path) -> dict[str, tuple[int, ...]]:
    """The tensors of one of the published shapes."""
    (folder / "config.json").write_text(json.dumps(model_config(SHAPES[name])))
    return expected_tensors(read_architecture(folder))


# total_size / 2 of model.safetensors.index.json of Qwen/Qwen2.5-VL-3B-Instruct and -7B-Instruct
@pytest.mark.parametrize(("name", "count"), [("qwen2.5-vl-3b", 3_754_622_976), ("qwen2.5-vl-7b", 8_292_166_656)])
def test_published_shapes_have_the_published_number_of_parameters(name: str, count: int, tmp_path: Path) -> None:
    """Every tensor is there once, in its real shape: the sum is the published one to the last parameter."""
    assert sum(math.prod(shape) for shape in shapes_of(name, tmp_path).values()) == count


def test_parts_have_the_published_sizes(tmp_path: Path) -> None:
    """One layer, one block, the merger: as torchinfo prints them for the published 3B model."""
    shapes = shapes_of("qwen2.5-vl-3b", tmp_path)

    def total(prefix: str) -> int:
        return sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(prefix))

    assert total("model.layers.7.") == 77_076_992
    assert total("visual.blocks.3.") == 19_702_200
    assert total("visual.patch_embed.") == 1_505_280
    assert total("visual.merger.") == 36_707_328 + 1_280
    assert "lm_head.weight" not in shapes


@pytest.mark.parametrize(
    ("newer", "older", "part"),
    [
        ("model.language_model.layers.3.mlp.up_proj.weight", "model.layers.3.mlp.up_proj.weight", "language_model"),
        ("model.language_model.embed_tokens.weight", "model.embed_tokens.weight", "embeddings"),
        ("model.visual.merger.ln_q.weight", "visual.merger.ln_q.weight", "merger"),
        ("model.visual.blocks.0.attn.qkv.bias", "visual.blocks.0.attn.qkv.bias", "vision"),
        ("lm_head.weight", "lm_head.weight", "lm_head"),
        ("distill_head.router_img.weight", "distill_head.router_img.weight", "side_branch"),
    ],
)
def test_both_generations_of_names_mean_the_same_module(newer: str, older: str, part: str) -> None:
    """transformers 4.52 renamed the decoder and the vision tower."""
    assert published_name(newer) == published_name(older) == older
    assert part_of(older) == part


def test_newer_names_are_accepted_and_counted_alike(tmp_path: Path) -> None:
    """A checkpoint saved under the newer names has no faults and the same parts."""
    folder = hf_folder.write_folder(tmp_path / "base")
    arch = read_architecture(folder)
    older, _ = read_weights(folder)
    renamed = {}
    for name, shape in hf_folder.TENSORS.items():
        inner = name.replace("model.", "model.language_model.", 1) if name.startswith("model.") else name
        renamed[f"model.{inner}" if inner.startswith("visual.") else inner] = shape
    hf_folder.write_weights(folder, renamed)
    newer, faults = read_weights(folder)
    assert faults == []
    assert tensor_faults(arch, newer) == []
    # 64 x 8 twice; the vision numbers are sums of the table in the simulator
    assert count_parts(newer.tensors)["embeddings"] == count_parts(newer.tensors)["lm_head"] == 512
    assert count_parts(newer.tensors) == count_parts(older.tensors)


def test_text_numbers_may_stand_in_text_config(tmp_path: Path) -> None:
    """The nested layout of newer versions is read, and its own word on the tie counts, as in transformers."""
    folder = hf_folder.write_folder(tmp_path / "base")
    text = {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"}
    nested = {key: value for key, value in hf_folder.CONFIG.items() if key in {*text, "vocab_size", "rope_scaling"}}
    changes = dict.fromkeys(nested) | {"text_config": nested, "tie_word_embeddings": True, "architectures": None}
    hf_folder.edit(folder / "config.json", changes)
    arch = read_architecture(folder)
    assert (arch.hidden_size, arch.num_hidden_layers, arch.is_tied) == (8, 2, False)


def test_a_vision_config_that_leaves_defaults_out(tmp_path: Path) -> None:
    """Vision-R1-7B's config.json names the tower's hidden_size alone; transformers fills in the rest, and so do we."""
    config = model_config(SHAPES["qwen2.5-vl-7b"])
    (tmp_path / "config.json").write_text(json.dumps(config))
    whole = read_architecture(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"vision_config": {"hidden_size": 1280}}))
    assert read_architecture(tmp_path) == whole
    defaults = pytest.importorskip("transformers").Qwen2_5_VLConfig().vision_config.to_dict()
    numbers = vision_numbers({"vision_config": None})
    assert numbers == {key: defaults[key] for key in numbers}


def test_a_number_that_is_missing_is_named(tmp_path: Path) -> None:
    """The line says which key of config.json."""
    folder = hf_folder.write_folder(tmp_path / "base")
    hf_folder.edit(folder / "config.json", {"num_key_value_heads": None})
    with pytest.raises(ExportError, match=r"config.json: 'num_key_value_heads' is missing or wrong"):
        read_architecture(folder)
