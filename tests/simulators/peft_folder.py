"""Folders as PEFT saves them, for a base of two layers, and ways to damage them.

Written byte by byte, without torch, PEFT or safetensors: a damaged file must be as easy to write as a good one.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.adapters.base import BaseShape, base_shape
from calibration.adapters.importing import ImportedAdapter, import_adapter
from edge_agent.errors import ExportError

Floats = NDArray[np.float32]
Entry = tuple[str, str, tuple[int, ...], bytes]  # key, dtype, shape, data

DIGEST = "a" * 64
PREFIX = "base_model.model."
R = 4
LAYERS = 2
# (out, in) of the linears of one layer of BASE_CONFIG.
LINEARS = {
    "self_attn.q_proj": (24, 24),
    "self_attn.k_proj": (12, 24),
    "self_attn.v_proj": (12, 24),
    "self_attn.o_proj": (24, 24),
    "mlp.gate_proj": (40, 24),
    "mlp.up_proj": (40, 24),
    "mlp.down_proj": (24, 40),
}
BASE_CONFIG: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "text_config": {
        "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "vision_config": {"depth": 2},
}  # fmt: skip
ADAPTER_CONFIG: dict[str, Any] = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": R, "lora_alpha": 8, "bias": "none", "use_dora": False,
    "target_modules": r".*\.layers\.\d+\.(self_attn|mlp)\.\w+_proj",
}  # fmt: skip
Q = "model.language_model.layers.0.self_attn.q_proj"
K = "model.language_model.layers.0.self_attn.k_proj"
DOWN = "model.language_model.layers.1.mlp.down_proj"


def key(path: str, factor: str) -> str:
    """PEFT's key of one factor."""
    return f"{PREFIX}{path}.lora_{factor}.weight"


def paths() -> list[str]:
    """Every linear of the base's layers."""
    return [f"model.language_model.layers.{layer}.{name}" for layer in range(LAYERS) for name in LINEARS]


def factors(targets: Iterable[str] | None = None, *, rank: int = R, seed: int = 0) -> dict[str, Floats]:
    """Random factors of all linears, or of some, under PEFT's keys."""
    rng = np.random.default_rng(seed)
    out: dict[str, Floats] = {}
    for path in paths() if targets is None else targets:
        size_out, size_in = LINEARS[".".join(path.split(".")[-2:])]
        out[key(path, "A")] = rng.normal(size=(rank, size_in)).astype(np.float32)
        out[key(path, "B")] = (rng.normal(size=(size_out, rank)) * 1e-2).astype(np.float32)
    return out


def entries(tensors: Mapping[str, Floats]) -> list[Entry]:
    """The tensors as float32 entries of a safetensors file."""
    return [(name, "F32", value.shape, np.ascontiguousarray(value).tobytes()) for name, value in tensors.items()]


def brain_floats(tensors: Mapping[str, Floats]) -> list[Entry]:
    """The tensors as bfloat16 entries: the upper half of every float32, cut off."""
    halves = {name: (value.view(np.uint32) >> 16).astype(np.uint16) for name, value in tensors.items()}
    return [(name, "BF16", value.shape, value.tobytes()) for name, value in halves.items()]


def safetensors_bytes(items: Iterable[Entry]) -> bytes:
    """Write a safetensors file; a key may stand twice, and a type may be one that no adapter has."""
    head, data = [], b""
    for name, dtype, shape, values in items:
        offsets = [len(data), len(data) + len(values)]
        head.append(f"{json.dumps(name)}:{json.dumps({'dtype': dtype, 'shape': list(shape), 'data_offsets': offsets})}")
        data += values
    header = ("{" + ",".join(head) + "}").encode()
    return struct.pack("<Q", len(header)) + header + data


def write_peft(
    folder: Path,
    *,
    config: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Floats] | None = None,
    items: Iterable[Entry] | None = None,
) -> Path:
    """Write a PEFT folder: a sound one, but for what is given.

    Args:
        folder: the new folder.
        config: settings laid over ADAPTER_CONFIG.
        tensors: instead of the factors of all linears.
        items: entries instead of tensors, for what is no float32.
    """
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({**ADAPTER_CONFIG, **(config or {})}), encoding="utf-8")
    content = entries(factors() if tensors is None else tensors) if items is None else items
    (folder / "adapter_model.safetensors").write_bytes(safetensors_bytes(content))
    return folder


def shape() -> BaseShape:
    """The base of all these folders."""
    return base_shape(BASE_CONFIG)


def imported(folder: Path) -> ImportedAdapter:
    """Import a folder for that base."""
    return import_adapter(folder, name="reasoning", base=shape(), base_digest=DIGEST)


def refusal(folder: Path) -> str:
    """Return the one line with which the import refuses a folder; fails where it does not."""
    with pytest.raises(ExportError) as caught:
        imported(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def assert_says(message: str, *parts: str | Path) -> None:
    """Every part stands in the message: the file, the tensor, what to do."""
    for part in parts:
        assert str(part) in message, f"{part!s} is not in: {message}"
