"""Turn a PEFT folder into an adapter object: one OpenVINO IR per agent, compressed alone.

Format (version 1; read by ``edge_agent.inference.adapters``)
    ``adapter.<agent>.xml/.bin`` is an ``ov.Model``:

    - one Parameter float32[?, ?, in] per distinct linear input, named ``<parent module>.<input>``
      (``...self_attn.qkv_in`` feeds q, k and v; ``...mlp.gate_up_in`` feeds gate and up; else ``<module>.in``);
    - per target linear two MatMuls, ``<module>.lora_A`` (weight [r, in]) and ``<module>.lora_B`` (weight [out, r]),
      with alpha / r (rsLoRA: alpha / sqrt(r)) folded into B, and one Result named ``<module>``;
    - ``<module>`` is PEFT's module path without ``base_model.model.``, e.g.
      ``model.language_model.layers.0.self_attn.q_proj``; the backbone's node is ``__module.<module>/.../MatMul``;
    - runtime info ``derm_edge_adapter``: ``format``, ``name``, ``base_digest``.

    A and B carry opposite powers of two, so that both factors have like magnitudes and NNCF's f16 scales stay
    normal numbers; the product is unchanged bit for bit.

What is refused by name: DoRA, modules_to_save, biases, embedding factors, targets outside the language model's
layers, unknown keys. Not checked here: that the backbone has these targets (``edge_agent.inference.graft`` does).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from safetensors import SafetensorError
from safetensors.torch import load_file

from calibration.compress import canonicalise
from edge_agent.contracts.manifest import Activation, AdapterSpec, AgentName
from edge_agent.errors import CompressionError, ExportError
from edge_agent.inference.adapters import FORMAT_VERSION, RT_INFO

Array = NDArray[np.float32]

_KEY = re.compile(r"^base_model\.model\.(?P<path>.+)\.lora_(?P<factor>[AB])\.weight$")
_LAYER = re.compile(r"^model\.language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj$")
_OLD_LAYER = re.compile(r"^model\.layers\.")  # transformers < 4.52 wrote the language model without its own name
_SHARED_INPUT = {"q_proj": "qkv_in", "k_proj": "qkv_in", "v_proj": "qkv_in"} | {
    "gate_proj": "gate_up_in",
    "up_proj": "gate_up_in",
}
# Settings that change what the trained factors mean; anything but these values is refused by name.
_REQUIRED: dict[str, Any] = {"peft_type": "LORA", "use_dora": False, "use_qalora": False, "bias": "none"}
_REQUIRED |= {"fan_in_fan_out": False, "lora_bias": False}
# Settings that only matter while training, or that are read below.
_NEUTRAL = {
    "alora_invocation_tokens", "alpha_pattern", "auto_mapping", "base_model_name_or_path", "ensure_weight_tying",
    "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_dropout", "megatron_core", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision",
    "target_modules", "task_type", "use_rslora",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Pair:
    """One target's factors in float32, scale folded into B: A [r, in], B [out, r]."""

    a: Array
    b: Array


def build_adapter(
    peft_dir: Path,
    *,
    name: AgentName,
    base_digest: str,
    out_dir: Path,
    precision: Literal["f32", "int8"] = "int8",
) -> AdapterSpec:
    """Write ``adapter.<name>.xml/.bin`` from a folder saved by PEFT.

    Does not touch the backbone and does not merge anything.

    Args:
        peft_dir: folder with ``adapter_config.json`` and ``adapter_model.safetensors``.
        name: the agent.
        base_digest: content digest of the backbone that it was trained on.
        out_dir: where the two files go; must exist.
        precision: ``int8`` compresses each factor symmetrically per row with NNCF.

    Returns:
        The manifest's declaration; ``files`` are the names inside ``out_dir``.

    Raises:
        ExportError: the folder holds something that this format cannot carry; the message names it.
        CompressionError: NNCF left a factor uncompressed.
    """
    config = _read_config(peft_dir)
    pairs = _read_pairs(peft_dir, config=config)
    model = _adapter_model(pairs, name=name)
    if precision == "int8":
        model = _compress(model, name=name, factors=2 * len(pairs))
    for key, value in (("format", str(FORMAT_VERSION)), ("name", name), ("base_digest", base_digest)):
        model.set_rt_info(value, [RT_INFO, key])
    stem = f"adapter.{name}"
    canonicalise(model, name=stem)  # node names that count up in the process would make every build differ
    ov.save_model(model, out_dir / f"{stem}.xml", compress_to_fp16=False)
    invocation = config.get("alora_invocation_tokens")
    return AdapterSpec(
        name=name,
        r=int(config["r"]),
        alpha=float(config["lora_alpha"]),
        precision=precision,
        target_modules=sorted(pairs),
        base_digest=base_digest,
        activation=Activation(
            kind="invocation" if invocation else "always", invocation_token_ids=list(invocation or [])
        ),
        files=[f"{stem}.xml", f"{stem}.bin"],
    )


def _read_config(peft_dir: Path) -> dict[str, Any]:
    """Read adapter_config.json and refuse every setting that the format cannot honour."""
    try:
        config: dict[str, Any] = json.loads((peft_dir / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ExportError(f"{peft_dir} holds no readable adapter_config.json; save the adapter with PEFT") from exc
    for key, value in config.items():
        if key in _NEUTRAL:
            continue
        if key in _REQUIRED:
            if value != _REQUIRED[key]:
                raise ExportError(f"{peft_dir.name}: {key} = {value!r} cannot be built; train with {_REQUIRED[key]!r}")
        elif value not in (None, False, [], {}, ""):
            raise ExportError(f"{peft_dir.name}: the setting {key} = {value!r} is not supported; train without it")
    if config.get("alora_invocation_tokens") and config.get("task_type") != "CAUSAL_LM":
        raise ExportError(f"{peft_dir.name}: an activated LoRA must be trained with task_type CAUSAL_LM")
    return config


def _read_pairs(peft_dir: Path, *, config: dict[str, Any]) -> dict[str, _Pair]:
    """Read the tensors; every key must be one half of a pair on a language-model linear."""
    try:
        # Through torch: numpy has no bfloat16, in which adapters are often saved.
        loaded = load_file(peft_dir / "adapter_model.safetensors")
        tensors: dict[str, Array] = {key: tensor.float().numpy() for key, tensor in loaded.items()}
    except (OSError, SafetensorError) as exc:
        raise ExportError(f"{peft_dir} holds no readable adapter_model.safetensors") from exc
    halves: dict[str, dict[str, Array]] = {}
    for key, tensor in tensors.items():
        match = _KEY.match(key)
        path = _OLD_LAYER.sub("model.language_model.layers.", match["path"]) if match else ""
        if match is None or not _LAYER.match(path):
            raise ExportError(f"{peft_dir.name}: cannot carry the tensor {key}{_why(key)}")
        halves.setdefault(path, {})[match["factor"]] = tensor.astype(np.float32)
    if not halves:
        raise ExportError(f"{peft_dir.name}: the adapter is empty")
    _check_targets(config.get("target_modules"), paths=halves, folder=peft_dir.name)
    pairs: dict[str, _Pair] = {}
    for path, half in sorted(halves.items()):
        if set(half) != {"A", "B"}:
            raise ExportError(f"{peft_dir.name}: {path} lacks lora_{'B' if 'A' in half else 'A'}")
        pairs[path] = _pair(half["A"], half["B"], path=path, config=config)
    return pairs


def _check_targets(targets: Any, *, paths: Iterable[str], folder: str) -> None:
    """Refuse a declared target (a list of names; a pattern cannot be counted) that no tensor belongs to."""
    for target in targets if isinstance(targets, list) else []:
        if not any(f".{path}".endswith(f".{target}") for path in paths):
            raise ExportError(f"{folder}: the declared target {target} has no tensors; save the adapter again")


def _why(key: str) -> str:
    """Say which technique a refused key belongs to."""
    reasons = {"magnitude_vector": " (DoRA)", "modules_to_save": " (modules_to_save)", "visual": " (vision tower)"}
    return next((text for part, text in reasons.items() if part in key), "")


def _pair(a: Array, b: Array, *, path: str, config: dict[str, Any]) -> _Pair:
    """Check the rank, fold the scale into B and balance the two factors by a power of two."""
    rank = int(_patterned(config.get("rank_pattern"), path, default=config["r"]))
    alpha = float(_patterned(config.get("alpha_pattern"), path, default=config["lora_alpha"]))
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != rank or b.shape[1] != rank:
        raise ExportError(f"{path}: A {list(a.shape)} and B {list(b.shape)} do not have the declared rank {rank}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ExportError(f"{path}: the adapter holds values that are not numbers")
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    b = (b.astype(np.float64) * scale).astype(np.float32)
    largest_a, largest_b = float(np.abs(a).max()), float(np.abs(b).max())
    if largest_a > 0 and largest_b > 0:
        shift = round(math.log2(largest_a / largest_b) / 2)
        a, b = np.ldexp(a, -shift), np.ldexp(b, shift)
    return _Pair(np.ascontiguousarray(a, dtype=np.float32), np.ascontiguousarray(b, dtype=np.float32))


def _patterned(pattern: dict[str, Any] | None, path: str, *, default: Any) -> Any:
    """Look a module up as PEFT does: the first pattern key that equals the path or matches its end."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", path):
            return value
    return default


def _adapter_model(pairs: dict[str, _Pair], *, name: str) -> ov.Model:
    """Build the ov.Model that the module docstring describes."""
    inputs: dict[str, ov.Node] = {}
    results = []
    for path, pair in pairs.items():
        parent, leaf = path.rsplit(".", 1)
        source = f"{parent}.{_SHARED_INPUT[leaf]}" if leaf in _SHARED_INPUT else f"{path}.in"
        if source not in inputs:
            inputs[source] = ops.parameter([-1, -1, pair.a.shape[1]], np.float32, name=source)
        a = ops.matmul(inputs[source], ops.constant(pair.a), False, True)
        b = ops.matmul(a, ops.constant(pair.b), False, True)
        a.set_friendly_name(f"{path}.lora_A")
        b.set_friendly_name(f"{path}.lora_B")
        result = ops.result(b)
        result.set_friendly_name(path)
        results.append(result)
    return ov.Model(results, list(inputs.values()), f"adapter.{name}")


def _compress(model: ov.Model, *, name: str, factors: int) -> ov.Model:
    """Compress every factor to symmetric INT8 per row and count what NNCF really did."""
    import nncf

    compressed = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    found = sum(op.get_type_name() == "Constant" and op.get_element_type() == ov.Type.i8 for op in compressed.get_ops())
    if found != factors:
        raise CompressionError(f"NNCF compressed {found} of {factors} factors of the {name} adapter")
    return compressed
