"""What an import makes of a sound PEFT folder: coverage, matching rules, generations, types, and its record."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.adapters.base import base_shape, read_base_shape
from calibration.adapters.keys import KeyGeneration
from calibration.adapters.record import layers_by_linear
from calibration.adapters.settings import read_settings
from calibration.adapters.targets import is_target
from edge_agent.errors import ExportError
from tests.simulators.peft_folder import (
    BASE_CONFIG,
    DIGEST,
    DOWN,
    PREFIX,
    Floats,
    K,
    Q,
    R,
    brain_floats,
    factors,
    imported,
    key,
    paths,
    shape,
    write_peft,
)


def product_of(folder: Path, path: str) -> Floats:
    """B A of one imported target."""
    pair = imported(folder).pairs[path]
    return pair.b @ pair.a


def plain_product(path: str, scale: float) -> Floats:
    """B A of the planted factors times a scale."""
    tensors = factors()
    return np.asarray(scale * (tensors[key(path, "B")] @ tensors[key(path, "A")]))


def test_every_tensor_and_every_target_is_counted(tmp_path: Path) -> None:
    """Two layers of seven linears: 28 tensors and 14 targets, all used, all found."""
    record = imported(write_peft(tmp_path / "peft")).record
    assert (record.tensors_in_file, record.tensors_used) == (28, 28)
    assert (record.targets_declared, record.targets_found) == (14, 14)
    assert record.coverage == 1.0


def test_the_record_is_json_and_says_what_was_done(tmp_path: Path) -> None:
    """File, generation, remap, type, targets and coverage stand in the bundle."""
    tensors = {name.replace("language_model.", ""): value for name, value in factors().items()}
    folder = write_peft(tmp_path / "peft", config={"use_rslora": True}, tensors=tensors)
    record = imported(folder).record
    document = json.loads(json.dumps(record.as_document()))
    assert document["file"] == "adapter_model.safetensors"
    assert (document["key_generation"], document["dtype"]) == ("model.layers", "f32")
    assert document["remap"] == "model.layers. -> model.language_model.layers."
    assert document["technique"] == "rsLoRA"
    assert document["targets"]["mlp.down_proj"] == "0-1"
    assert (document["coverage"], document["ranks"], document["base_digest"]) == (1.0, [R], DIGEST)
    assert document["base_noted"] is False


@pytest.mark.parametrize(
    ("config", "path", "scale"),
    [
        ({}, Q, 8 / R),
        ({"use_rslora": True}, Q, 8 / math.sqrt(R)),
        ({"alpha_pattern": {"self_attn.q_proj": 20}}, Q, 20 / R),
        ({"alpha_pattern": {"self_attn.q_proj": 20}}, K, 8 / R),
        ({"alpha_pattern": {"proj": 20}}, Q, 8 / R),  # no end of the name: PEFT matches whole components
        ({"alpha_pattern": {"layers.0.*": 20, "q_proj": 40}}, Q, 20 / R),  # the first match counts
        ({"lora_alpha": 1, "alpha_pattern": {f"^{Q}": 20}, "use_rslora": True}, Q, 20 / math.sqrt(R)),
    ],
)
def test_the_scale_is_applied_once(tmp_path: Path, config: dict[str, Any], path: str, scale: float) -> None:
    """alpha / r, rsLoRA's alpha / sqrt(r) and alpha_pattern: the product is B A times exactly that."""
    found = product_of(write_peft(tmp_path / "peft", config=config), path)
    np.testing.assert_allclose(found, plain_product(path, scale), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("is_rank_stabilised", [False, True])
def test_a_ranks_own_scale_counts(tmp_path: Path, is_rank_stabilised: bool) -> None:
    """A module of another rank divides by its own rank, not by r."""
    tensors = factors([path for path in paths() if path != DOWN]) | factors([DOWN], rank=2)
    config = {"rank_pattern": {"layers.1.mlp.down_proj": 2}, "use_rslora": is_rank_stabilised}
    folder = write_peft(tmp_path / "peft", config=config, tensors=tensors)
    scale = 8 / math.sqrt(2) if is_rank_stabilised else 8 / 2
    expected = scale * (tensors[key(DOWN, "B")] @ tensors[key(DOWN, "A")])
    np.testing.assert_allclose(product_of(folder, DOWN), expected, rtol=1e-5, atol=1e-7)
    assert imported(folder).record.ranks == (2, R)


@pytest.mark.parametrize("wrappers", [1, 2])
@pytest.mark.parametrize("is_old", [False, True], ids=["today", "before 4.52"])
def test_both_generations_are_the_same_adapter(tmp_path: Path, is_old: bool, wrappers: int) -> None:
    """`model.layers`, `model.language_model.layers`, and either under a doubled prefix give the same factors."""
    tensors = {
        PREFIX * wrappers
        + name.removeprefix(PREFIX).replace("language_model.", "" if is_old else "language_model."): value
        for name, value in factors().items()
    }
    found = imported(write_peft(tmp_path / "peft", tensors=tensors))
    expected = imported(write_peft(tmp_path / "plain"))
    assert set(found.pairs) == set(expected.pairs)
    for path, pair in expected.pairs.items():
        np.testing.assert_array_equal(found.pairs[path].a, pair.a)
        np.testing.assert_array_equal(found.pairs[path].b, pair.b)
    assert (found.record.remap == "none") == (not is_old and wrappers == 1)


def test_patterns_of_an_old_adapter_mean_the_old_names(tmp_path: Path) -> None:
    """Expressions were matched with `model.layers` and `visual` when it was trained; today's names must not change that."""
    tensors = {name.replace("language_model.", ""): value for name, value in factors().items()}
    config = {
        "target_modules": r"^model\..*\.\w+_proj$",  # today it would reach the vision tower, then it did not
        "alpha_pattern": {r"^model\.layers\.0\.self_attn\.q_proj": 20},
    }
    folder = write_peft(tmp_path / "peft", config=config, tensors=tensors)
    np.testing.assert_allclose(product_of(folder, Q), plain_product(Q, 20 / R), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(product_of(folder, K), plain_product(K, 8 / R), rtol=1e-5, atol=1e-7)


def test_half_precision_becomes_float32_without_loss(tmp_path: Path) -> None:
    """f16 and bf16 factors are the same numbers in float32."""
    tensors = factors()
    halves = {name: value.astype(np.float16) for name, value in tensors.items()}
    items = [(name, "F16", value.shape, value.tobytes()) for name, value in halves.items()]
    half = imported(write_peft(tmp_path / "half", items=items))
    exact = 2.0 * (halves[key(Q, "B")].astype(np.float32) @ halves[key(Q, "A")].astype(np.float32))
    np.testing.assert_allclose(half.pairs[Q].b @ half.pairs[Q].a, exact, rtol=1e-5, atol=1e-7)
    brain = imported(write_peft(tmp_path / "brain", items=brain_floats(tensors)))
    cut = {n: (v.view(np.uint32) & 0xFFFF0000).view(np.float32) for n, v in tensors.items()}
    exact = 2.0 * (cut[key(Q, "B")] @ cut[key(Q, "A")])
    np.testing.assert_allclose(brain.pairs[Q].b @ brain.pairs[Q].a, exact, rtol=1e-5, atol=1e-7)
    assert (half.record.dtype, brain.record.dtype) == ("f16", "bf16")


@pytest.mark.parametrize(
    ("config", "targets"),
    [
        ({"target_modules": ["q_proj", "down_proj"], "exclude_modules": ".*visual.*"}, ["q_proj", "down_proj"]),
        ({"target_modules": ["self_attn.q_proj"]}, ["q_proj"]),
        ({"target_modules": "all-linear", "exclude_modules": ".*visual.*"}, None),
        ({"target_modules": "ALL-LINEAR", "exclude_modules": ".*visual.*"}, None),
        ({"target_modules": r".*language_model.*\.(q|v)_proj"}, ["q_proj", "v_proj"]),
    ],
)
def test_targets_are_read_as_peft_reads_them(tmp_path: Path, config: dict[str, Any], targets: list[str] | None) -> None:
    """Lists, expressions and all-linear cover exactly the linears that they name."""
    expected = [path for path in paths() if targets is None or path.rpartition(".")[2] in targets]
    folder = write_peft(tmp_path / "peft", config=config, tensors=factors(expected))
    assert sorted(imported(folder).pairs) == sorted(expected)


def test_single_layers_can_be_adapted(tmp_path: Path) -> None:
    """layers_to_transform leaves the other layers bare, and they need no tensors."""
    config = {"target_modules": ["q_proj"], "layers_to_transform": 1}
    path = "model.language_model.layers.1.self_attn.q_proj"
    record = imported(write_peft(tmp_path / "peft", config=config, tensors=factors([path]))).record
    assert record.targets == {"self_attn.q_proj": "1"}


def test_the_invocation_is_kept(tmp_path: Path) -> None:
    """An activated LoRA keeps its token ids in order."""
    adapter = imported(write_peft(tmp_path / "peft", config={"alora_invocation_tokens": [7, 8]}))
    assert adapter.settings.invocation == (7, 8)
    assert adapter.record.technique == "activated LoRA"


def test_layers_are_written_as_ranges() -> None:
    """Runs and single layers, by linear."""
    named = [f"model.language_model.layers.{n}.mlp.up_proj" for n in (7, 0, 1, 2, 9, 10)]
    assert layers_by_linear(named) == {"mlp.up_proj": "0-2, 7, 9-10"}


def test_the_matching_rules_are_pefts(tmp_path: Path) -> None:
    """Every combination below is decided for every module as PEFT's own function decides it."""
    tuners = pytest.importorskip("peft.tuners.tuners_utils")
    from peft import LoraConfig
    from peft.utils.other import get_pattern_key

    names = [*paths(), *shape().others]
    names += [KeyGeneration(is_old=True, wrappers=2).trained_name(name) for name in names]
    targets: list[Any] = [
        ["q_proj", "mlp.down_proj"],
        [Q, "k_proj"],
        ["proj"],
        ["layers.0.mlp.up_proj"],
        r".*\.q_proj",
        "q",
    ]
    excluded: list[Any] = [None, ["k_proj", "1.self_attn.q_proj"], r".*\.1\..*", ".*visual.*"]
    layers: list[tuple[Any, Any]] = [
        (None, None),
        (0, None),
        ([1], "layers"),
        ([0, 1], ["blocks", "layers"]),
        ([], None),
    ]
    for number, (target, exclude, (to, pattern)) in enumerate(product(targets, excluded, layers)):
        if isinstance(target, str) and to is not None:
            continue
        config = {
            "target_modules": target, "exclude_modules": exclude, "layers_to_transform": to, "layers_pattern": pattern,
        }  # fmt: skip
        settings = read_settings(write_peft(tmp_path / str(number), config=config))
        theirs = LoraConfig(**{**config, "layers_pattern": pattern if to not in (None, []) else None})
        for name in names:
            assert is_target(settings, name) == bool(tuners.check_target_module_exists(theirs, name)), (config, name)
    patterns = {"^model.language_model": 1, "layers.0.*q_proj": 2, "q_proj": 3, r"mlp\.\w+_proj": 5, "proj": 7}
    settings = read_settings(write_peft(tmp_path / "ranks", config={"rank_pattern": patterns}))
    for name in names:
        assert settings.rank_of(name) == patterns.get(get_pattern_key(list(patterns), name), R), name


def test_the_bases_modules_are_transformers_own(tmp_path: Path) -> None:
    """Names and sizes of every module that PEFT could adapt equal those of the real class, built without memory."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    vision = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 48, "out_hidden_size": 24}
    text = BASE_CONFIG["text_config"] | {"vocab_size": 64}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    with torch.device("meta"):
        model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    kinds = (torch.nn.Linear, torch.nn.Embedding, torch.nn.Conv3d)
    modules = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
    config.save_pretrained(tmp_path)
    found = read_base_shape(tmp_path)
    assert {*found.linears, *found.others} == set(modules)
    assert {path: tuple(modules[path].weight.shape) for path in found.linears} == dict(found.linears)


def test_an_old_flat_config_gives_the_same_base() -> None:
    """Before 4.52 the language model's numbers stood at the top of config.json."""
    flat = {**BASE_CONFIG["text_config"], "vision_config": BASE_CONFIG["vision_config"]}
    assert base_shape(flat) == shape()


def test_a_vision_config_that_leaves_defaults_out() -> None:
    """Vision-R1-7B's config.json names the tower's hidden_size alone; the other numbers are transformers' defaults."""
    transformers = pytest.importorskip("transformers")
    depth = transformers.Qwen2_5_VLConfig(vision_config={"hidden_size": 1280}).vision_config.depth
    short = base_shape(
        BASE_CONFIG | {"vision_config": {"hidden_size": 1280}, "text_config": BASE_CONFIG["text_config"]}
    )
    assert f"model.visual.blocks.{depth - 1}.attn.qkv" in short.others
    assert f"model.visual.blocks.{depth}.attn.qkv" not in short.others


def test_a_base_without_its_numbers_is_refused(tmp_path: Path) -> None:
    """The missing number is named."""
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 24, "vision_config": {"depth": 2}}))
    with pytest.raises(ExportError, match="num_hidden_layers"):
        read_base_shape(tmp_path)
