"""Adapter objects: PEFT in, IR out, and every silent failure refused by name."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from calibration.adapters import build_adapter
from edge_agent.contracts.manifest import AdapterSpec
from edge_agent.errors import ExportError, Incompatible, RejectedError
from edge_agent.inference.adapters import Adapter, read_adapter

DIGEST = "a" * 64
Q = "model.language_model.layers.0.self_attn.q_proj"
DOWN = "model.language_model.layers.3.mlp.down_proj"
R, SIZES = 4, {Q: (24, 16), DOWN: (40, 24)}
CONFIG = {"peft_type": "LORA", "r": R, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], "bias": "none"}
Floats = NDArray[np.float32]


def tensors(prefix: str = "base_model.model.") -> dict[str, Floats]:
    """Random factors under PEFT's keys."""
    rng = np.random.default_rng(0)
    out: dict[str, Floats] = {}
    for path, (size_in, size_out) in SIZES.items():
        out[f"{prefix}{path}.lora_A.weight"] = rng.normal(size=(R, size_in)).astype(np.float32)
        out[f"{prefix}{path}.lora_B.weight"] = (rng.normal(size=(size_out, R)) * 1e-4).astype(np.float32)
    return out


def folder(tmp_path: Path, *, config: dict[str, Any] | None = None, weights: dict[str, Floats] | None = None) -> Path:
    """A PEFT folder."""
    path = tmp_path / "peft"
    path.mkdir()
    (path / "adapter_config.json").write_text(json.dumps(CONFIG | (config or {})))
    save_file(tensors() if weights is None else weights, path / "adapter_model.safetensors")
    return path


def built(tmp_path: Path, *, precision: Any = "f32", **folder_args: Any) -> tuple[AdapterSpec, ov.Model]:
    """Build and read back."""
    source = folder(tmp_path, **folder_args)
    spec = build_adapter(source, name="reasoning", base_digest=DIGEST, out_dir=tmp_path, precision=precision)
    return spec, ov.Core().read_model(tmp_path / "adapter.reasoning.xml")


def read(spec: AdapterSpec, model: ov.Model, digest: str = DIGEST) -> Adapter:
    """Read against a backbone with this digest."""
    return read_adapter(model, spec=spec, backbone=SimpleNamespace(content_digest=digest))  # type: ignore[arg-type]


def delta(adapter: Adapter, path: str) -> Floats:
    """B A of one target."""
    return adapter.branches[path].b.dequantised() @ adapter.branches[path].a.dequantised()


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 8 / R),
        ({"use_rslora": True}, 8 / math.sqrt(R)),
        ({"alpha_pattern": {"self_attn.q_proj": 20}}, 20 / R),
        ({"lora_alpha": 1, "alpha_pattern": {"layers.0.self_attn.q_proj": 20}, "use_rslora": True}, 20 / math.sqrt(R)),
    ],
)
def test_the_scale_is_applied_once(tmp_path: Path, config: dict[str, Any], scale: float) -> None:
    """alpha / r, rsLoRA's alpha / sqrt(r) and patterns: the product is B A times exactly that."""
    weights = tensors()
    key = f"base_model.model.{Q}.lora_"
    expected = scale * (weights[key + "B.weight"] @ weights[key + "A.weight"])
    np.testing.assert_allclose(delta(read(*built(tmp_path, config=config)), Q), expected, rtol=1e-5, atol=1e-9)


def test_int8_keeps_small_adapters_precise(tmp_path: Path) -> None:
    """A freshly trained B of 1e-4 is not lost in f16 scales: error under 1 % of the product."""
    weights, key = tensors(), f"base_model.model.{DOWN}.lora_"
    expected = 8 / R * (weights[key + "B.weight"] @ weights[key + "A.weight"])
    spec, model = built(tmp_path, precision="int8")
    found = delta(read(spec, model), DOWN)
    assert spec.precision == "int8"
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


def test_the_declaration_lists_every_target(tmp_path: Path) -> None:
    """The manifest entry names all targets, the rank and the activation."""
    spec, _ = built(tmp_path, config={"alora_invocation_tokens": [7, 8], "task_type": "CAUSAL_LM"})
    assert spec.target_modules == sorted(SIZES)
    assert (spec.r, spec.alpha, spec.base_digest) == (R, 8.0, DIGEST)
    assert (spec.activation.kind, spec.activation.invocation_token_ids) == ("invocation", [7, 8])


def test_old_key_prefixes_are_translated(tmp_path: Path) -> None:
    """`model.layers` of older transformers is the same language model."""
    weights = {key.replace("language_model.", ""): value for key, value in tensors().items()}
    assert set(read(*built(tmp_path, weights=weights)).branches) == set(SIZES)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias"),
        ({"peft_type": "IA3"}, "peft_type"),
        ({"a_setting_of_2027": 3}, "a_setting_of_2027"),
        ({"alora_invocation_tokens": [7]}, "task_type CAUSAL_LM"),
        ({"r": 8}, "declared rank 8"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused_by_name(
    tmp_path: Path, config: dict[str, Any], named: str
) -> None:
    """No setting is dropped in silence."""
    with pytest.raises(ExportError, match=named):
        built(tmp_path, config=config)


@pytest.mark.parametrize(
    "key",
    [
        f"base_model.model.{Q}.lora_magnitude_vector",
        "base_model.model.lm_head.modules_to_save.weight",
        "base_model.model.model.visual.blocks.0.mlp.up_proj.lora_A.weight",
        f"{Q}.lora_A.weight",
        "base_model.model.model.language_model.embed_tokens.lora_embedding_A",
    ],
)
def test_tensors_that_cannot_be_carried_are_refused_by_name(tmp_path: Path, key: str) -> None:
    """DoRA, saved modules, vision targets and unknown prefixes are named."""
    with pytest.raises(ExportError, match=key.replace(".", r"\.")):
        built(tmp_path, weights=tensors() | {key: np.ones((R, 24), np.float32)})


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    """A factor without its other half is no adapter."""
    weights = tensors()
    del weights[f"base_model.model.{Q}.lora_B.weight"]
    with pytest.raises(ExportError, match="q_proj lacks lora_B"):
        built(tmp_path, weights=weights)


def test_another_backbone_is_incompatible(tmp_path: Path) -> None:
    """Bound by digest: the same shapes of another training are refused."""
    spec, model = built(tmp_path)
    with pytest.raises(Incompatible, match="another backbone"):
        read(spec, model, digest="b" * 64)


def test_the_file_itself_is_bound(tmp_path: Path) -> None:
    """A file swapped for another agent's is refused even where the manifest fits."""
    spec, model = built(tmp_path)
    with pytest.raises(Incompatible, match="name = reasoning"):
        read(spec.model_copy(update={"name": "recognition"}), model)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"target_modules": [Q]}, f"undeclared target {DOWN}"),
        ({"target_modules": [Q, DOWN, Q.replace("q_proj", "k_proj")]}, "lacks target .*k_proj"),
        ({"precision": "int8"}, "declared int8"),
    ],
)
def test_coverage_and_precision_are_exact(tmp_path: Path, update: dict[str, Any], message: str) -> None:
    """Every tensor used, every declared target found, every factor in the declared precision."""
    spec, model = built(tmp_path)
    with pytest.raises(RejectedError, match=message):
        read(spec.model_copy(update=update), model)


def test_int4_is_refused_by_name(tmp_path: Path) -> None:
    """INT4 adapters are refused, never loaded as something else."""
    spec, model = built(tmp_path)
    with pytest.raises(Incompatible, match="INT4"):
        read(spec.model_copy(update={"precision": "int4"}), model)


def test_numbers_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    """A NaN in a factor stops the build with the target's name."""
    weights = tensors()
    weights[f"base_model.model.{Q}.lora_A.weight"][0, 0] = np.nan
    with pytest.raises(ExportError, match="q_proj"):
        built(tmp_path, weights=weights)
