"""Read config.json: which architecture it is, and which tensors of which shapes it therefore must hold.

Names are those of the published files (``model.layers…``, ``visual…``); transformers 4.52 and later use
``model.language_model.layers…`` and ``model.visual…`` for the same modules. Does not load a model.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from calibration.checkpoint.headers import TensorEntry
from calibration.checkpoint.layout import Weights, shortened
from calibration.export import read_json, vision_numbers
from edge_agent.errors import ExportError

PLAIN = "Qwen2_5_VLForConditionalGeneration"
SIDE_BRANCH = "SkinVLModelWithAdapter"
Part = Literal["vision", "merger", "embeddings", "language_model", "lm_head", "side_branch"]
PARTS: tuple[Part, ...] = ("vision", "merger", "embeddings", "language_model", "lm_head", "side_branch")
_MOST_LAYERS = 1000  # every tensor of every layer is listed by name: a damaged count would fill the memory
_FLOATS = ("BF16", "F16", "F32")
_NEWER = ((re.compile(r"^model\.language_model\."), "model."), (re.compile(r"^model\.visual\."), "visual."))


@dataclass(frozen=True, slots=True)
class Architecture:
    """The numbers of config.json that fix every tensor's shape.

    ``class_name`` is the first of ``architectures``; ``intermediate_size`` and the sizes with ``vision_`` count
    features, ``vision_depth`` blocks.
    """

    model_type: str
    class_name: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    is_tied: bool
    mrope_section: tuple[int, ...]
    vision_depth: int
    vision_hidden_size: int
    vision_intermediate_size: int
    vision_num_heads: int
    vision_out_hidden_size: int
    patch_size: int
    temporal_patch_size: int
    spatial_merge_size: int
    window_size: int

    @property
    def head_dim(self) -> int:
        """Return the features of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def has_side_branch(self) -> bool:
        """Tell whether this is SkinGPT-R1's class: a plain backbone with a side branch of its own."""
        return self.class_name == SIDE_BRANCH


def read_architecture(folder: Path) -> Architecture:
    """Read config.json of a checkpoint.

    Raises:
        ExportError: another architecture or class (named), a quantized base, a config of transformers 5, a value that
            is missing or does not fit the others.
    """
    config = read_json(folder / "config.json")
    path = folder / "config.json"
    _check_tables(config, path=path)
    text = {**config, **(config.get("text_config") or {})}
    _refuse_foreign(config, text, path=path)
    vision = vision_numbers(config)
    # transformers 4.57 reads the tie from text_config where there is one, and takes it as false where it says nothing
    owner = config.get("text_config") or config
    names = config.get("architectures") or [PLAIN]
    try:
        found = Architecture(
            model_type=config["model_type"],
            class_name=SIDE_BRANCH if SIDE_BRANCH in names else PLAIN,
            **{name: whole_number(text[name], name, least=1) for name in _TEXT},
            is_tied=bool(owner.get("tie_word_embeddings", False)),
            mrope_section=tuple(
                whole_number(size, "mrope_section", least=0) for size in text["rope_scaling"]["mrope_section"]
            ),
            **{
                target: whole_number(vision[source], f"vision_config.{source}", least=1)
                for target, source in _VISION.items()
            },
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ExportError(f"{path}: {' '.join(str(exc).split())[:120]} is missing or wrong; mend it") from exc
    _check_numbers(found, path=path)
    return found


_TEXT = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size",
)  # fmt: skip
_VISION = {
    "vision_depth": "depth",
    "vision_hidden_size": "hidden_size",
    "vision_intermediate_size": "intermediate_size",
    "vision_num_heads": "num_heads",
    "vision_out_hidden_size": "out_hidden_size",
    "patch_size": "patch_size",
    "temporal_patch_size": "temporal_patch_size",
    "spatial_merge_size": "spatial_merge_size",
    "window_size": "window_size",
}


def _check_tables(config: dict[str, Any], *, path: Path) -> None:
    """Refuse a config whose tables are no tables, before anything is looked up in them."""
    for name in ("text_config", "vision_config"):
        if not isinstance(config.get(name) or {}, dict):
            raise ExportError(f"{path}: {name} is not an object; copy the checkpoint again")
    names = config.get("architectures") or [PLAIN]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ExportError(f"{path}: architectures = {names!r} is not a list of class names; write [{PLAIN!r}]")


def whole_number(value: Any, name: str, *, least: int) -> int:
    """Return a count; a number of heads or layers that is 0 or no whole number fails far from its cause.

    Raises:
        ValueError: it is not a whole number from ``least`` to what 32 bits hold.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 31:
        raise ValueError(f"{name} = {value!r}")
    return value


def _refuse_foreign(config: dict[str, Any], text: dict[str, Any], *, path: Path) -> None:
    if config.get("model_type") != "qwen2_5_vl":
        raise ExportError(f"{path}: model_type is {config.get('model_type')!r}; this program builds qwen2_5_vl only")
    names = config.get("architectures") or [PLAIN]
    if not {PLAIN, SIDE_BRANCH} & set(names):
        raise ExportError(f"{path}: class {', '.join(map(str, names))} is not supported; use {PLAIN} or {SIDE_BRANCH}")
    quantized = config.get("quantization_config") or text.get("quantization_config")
    if quantized:
        method = quantized.get("quant_method", "?") if isinstance(quantized, dict) else quantized
        raise ExportError(f"{path}: the base is already quantized ({method}); bring the bf16, f16 or f32 checkpoint")
    if "rope_parameters" in text and "rope_scaling" not in text:
        raise ExportError(f"{path} was saved by transformers 5; save the checkpoint again with transformers 4.57")


def _check_numbers(found: Architecture, *, path: Path) -> None:
    if (deepest := max(found.num_hidden_layers, found.vision_depth)) > _MOST_LAYERS:
        raise ExportError(f"{path}: {deepest} layers are more than {_MOST_LAYERS}; mend num_hidden_layers or depth")
    if found.hidden_size % found.num_attention_heads or found.num_attention_heads % found.num_key_value_heads:
        raise ExportError(f"{path}: heads do not divide hidden_size {found.hidden_size}; mend it")
    if 2 * sum(found.mrope_section) != found.head_dim:
        raise ExportError(f"{path}: mrope_section {list(found.mrope_section)} must add up to {found.head_dim // 2}")
    if found.vision_out_hidden_size != found.hidden_size:
        raise ExportError(
            f"{path}: vision_config.out_hidden_size {found.vision_out_hidden_size} is not hidden_size {found.hidden_size}"
        )


def expected_tensors(arch: Architecture) -> dict[str, tuple[int, ...]]:
    """Return every tensor of the plain backbone with its shape, in the published names.

    Source: transformers 4.57, models/qwen2_5_vl/modeling_qwen2_5_vl.py.
    """
    hidden, inner, head = arch.hidden_size, arch.intermediate_size, arch.head_dim
    keys = arch.num_key_value_heads * head
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (arch.vocab_size, hidden)}
    for layer in range(arch.num_hidden_layers):
        at = f"model.layers.{layer}"
        for name, rows in (("q_proj", hidden), ("k_proj", keys), ("v_proj", keys)):
            found[f"{at}.self_attn.{name}.weight"] = (rows, hidden)
            found[f"{at}.self_attn.{name}.bias"] = (rows,)
        found[f"{at}.self_attn.o_proj.weight"] = (hidden, hidden)
        found[f"{at}.mlp.gate_proj.weight"] = (inner, hidden)
        found[f"{at}.mlp.up_proj.weight"] = (inner, hidden)
        found[f"{at}.mlp.down_proj.weight"] = (hidden, inner)
        found[f"{at}.input_layernorm.weight"] = (hidden,)
        found[f"{at}.post_attention_layernorm.weight"] = (hidden,)
    found["model.norm.weight"] = (hidden,)
    if not arch.is_tied:
        found["lm_head.weight"] = (arch.vocab_size, hidden)
    return found | _vision_tensors(arch)


def _vision_tensors(arch: Architecture) -> dict[str, tuple[int, ...]]:
    size, inner = arch.vision_hidden_size, arch.vision_intermediate_size
    merged = size * arch.spatial_merge_size**2
    found: dict[str, tuple[int, ...]] = {
        "visual.patch_embed.proj.weight": (size, 3, arch.temporal_patch_size, arch.patch_size, arch.patch_size)
    }
    for block in range(arch.vision_depth):
        at = f"visual.blocks.{block}"
        found |= {f"{at}.norm1.weight": (size,), f"{at}.norm2.weight": (size,)}
        linears = (
            ("attn.qkv", 3 * size, size),
            ("attn.proj", size, size),
            ("mlp.gate_proj", inner, size),
            ("mlp.up_proj", inner, size),
            ("mlp.down_proj", size, inner),
        )
        for name, rows, columns in linears:
            found |= {f"{at}.{name}.weight": (rows, columns), f"{at}.{name}.bias": (rows,)}
    found["visual.merger.ln_q.weight"] = (size,)
    found |= {"visual.merger.mlp.0.weight": (merged, merged), "visual.merger.mlp.0.bias": (merged,)}
    out = arch.vision_out_hidden_size
    return found | {"visual.merger.mlp.2.weight": (out, merged), "visual.merger.mlp.2.bias": (out,)}


def published_name(name: str) -> str:
    """Return a tensor's name as the published files have it, from either generation of transformers."""
    for pattern, replacement in _NEWER:
        name = pattern.sub(replacement, name)
    return name


def part_of(name: str) -> Part:
    """Return which part of the model a tensor belongs to, by its published name."""
    if name.startswith("visual.merger."):
        return "merger"
    if name.startswith("visual."):
        return "vision"
    if name.startswith("model.embed_tokens."):
        return "embeddings"
    if name.startswith("lm_head."):
        return "lm_head"
    return "language_model" if name.startswith("model.") else "side_branch"


def count_parts(tensors: Iterable[TensorEntry]) -> dict[Part, int]:
    """Return the number of parameters per part; parts without any are left out."""
    counts: dict[Part, int] = defaultdict(int)
    for tensor in tensors:
        counts[part_of(published_name(tensor.name))] += tensor.elements
    return {part: counts[part] for part in PARTS if part in counts}


def tensor_faults(arch: Architecture, weights: Weights) -> list[str]:
    """Compare the tensors that are there with those that config.json asks for, one line per fault.

    The side branch's own tensors are counted, not checked: its import does that.
    """
    expected = expected_tensors(arch)
    present = {published_name(tensor.name): tensor for tensor in weights.tensors}
    lines = _generation_faults(weights.tensors)
    wrong, surplus = [], []
    for name, tensor in sorted(present.items()):
        if arch.has_side_branch and part_of(name) == "side_branch":
            continue
        if tensor.dtype not in _FLOATS:
            wrong.append(f"{tensor.file}: {tensor.name} is {tensor.dtype}; bring the bf16, f16 or f32 checkpoint")
        elif name in expected and tensor.shape != expected[name]:
            asked = list(expected[name])
            wrong.append(
                f"{tensor.file}: {tensor.name} is {list(tensor.shape)}, config.json asks for {asked}; mend one"
            )
        elif name not in expected:
            surplus.append(f"{tensor.file}: {tensor.name} {_why_surplus(name, arch)}")
    # what the index promises and no file holds has its own line already
    promised = {published_name(name) for name in weights.promised}
    missing = sorted(set(expected) - set(present) - promised) if weights.is_listed else []
    lines += shortened(wrong) + shortened(surplus)
    lines += shortened(
        f"tensor {name} {list(expected[name])} is in no file; download the checkpoint again" for name in missing
    )
    if arch.has_side_branch and not weights.unread and not any(part_of(name) == "side_branch" for name in present):
        lines.append(
            f"config.json says {SIDE_BRANCH}, but no tensor belongs to a side branch; bring the whole checkpoint"
        )
    return lines


def _generation_faults(tensors: Iterable[TensorEntry]) -> list[str]:
    """Refuse a folder that mixes both generations of names: half of it was made by hand."""
    decoder = [t for t in tensors if part_of(published_name(t.name)) == "language_model"]
    newer = [tensor for tensor in decoder if tensor.name.startswith("model.language_model.")]
    if not newer or len(newer) == len(decoder):
        return []
    older = next(tensor for tensor in decoder if tensor not in newer)
    both = f"{older.name} in {older.file} and {newer[0].name} in {newer[0].file}"
    return [f"{both} mix two generations of names; save the checkpoint again"]


def _why_surplus(name: str, arch: Architecture) -> str:
    if name.startswith("lm_head.") and arch.is_tied:
        return "would be ignored: config.json ties it to the embeddings; remove it or set tie_word_embeddings to false"
    if ".lora_" in name:
        return "is an adapter's factor; keep adapters in folders of their own (--adapter)"
    return "belongs to no module of this architecture; remove it"
