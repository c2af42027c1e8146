"""List the modules of a Qwen2.5-VL backbone that PEFT could have adapted, from config.json alone.

Does not open a weight: names and shapes follow from the architecture. A test compares them with transformers' own model.
Source: transformers 4.57.6, ``models/qwen2_5_vl/modeling_qwen2_5_vl.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from calibration.export import read_json, vision_numbers
from edge_agent.errors import ExportError

LANGUAGE = "model.language_model."
VISION = "model.visual."


class Part(StrEnum):
    """A part of the backbone whose modules take no branch on the device."""

    VISION_TOWER = "vision tower"
    PROJECTOR = "projector"
    PATCH_EMBEDDING = "patch embedding"
    OUTPUT_HEAD = "output head"
    EMBEDDING = "token embedding"


@dataclass(frozen=True, slots=True)
class BaseShape:
    """What an adapter may find in its base, by the module paths of transformers 4.52 and later.

    Attributes:
        layers: number of decoder layers of the language model.
        linears: (out, in) of every linear in those layers; these can carry a branch.
        others: the part of every other module that PEFT can adapt; these cannot.
    """

    layers: int
    linears: Mapping[str, tuple[int, int]]
    others: Mapping[str, Part]


def read_base_shape(folder: Path) -> BaseShape:
    """Read ``config.json`` of a checkpoint.

    Raises:
        ExportError: unreadable, or a number is missing or not a positive whole number.
    """
    config = read_json(folder / "config.json")
    try:
        return base_shape(config)
    except (KeyError, TypeError, ValueError) as exc:
        raise ExportError(f"{folder / 'config.json'}: {exc} is missing or wrong; copy the checkpoint again") from exc


def base_shape(config: Mapping[str, Any]) -> BaseShape:
    """Return the shape that a config describes; the text numbers may stand at the top (old) or in ``text_config``.

    Raises:
        KeyError: a number is missing.
        ValueError: a number is not a positive whole number.
    """
    text = {**config, **(config.get("text_config") or {})}
    layers = _count(text, "num_hidden_layers")
    linears: dict[str, tuple[int, int]] = {}
    for number in range(layers):
        for name, shape in _layer_shapes(text).items():
            linears[f"{LANGUAGE}layers.{number}.{name}"] = shape
    return BaseShape(layers=layers, linears=linears, others=_others(vision_numbers(config)))


def _layer_shapes(text: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return (out, in) of one decoder layer's linears."""
    hidden, middle = _count(text, "hidden_size"), _count(text, "intermediate_size")
    heads, kv_heads = _count(text, "num_attention_heads"), _count(text, "num_key_value_heads")
    width = hidden // heads
    return {
        "self_attn.q_proj": (heads * width, hidden),
        "self_attn.k_proj": (kv_heads * width, hidden),
        "self_attn.v_proj": (kv_heads * width, hidden),
        "self_attn.o_proj": (hidden, heads * width),
        "mlp.gate_proj": (middle, hidden),
        "mlp.up_proj": (middle, hidden),
        "mlp.down_proj": (hidden, middle),
    }


def _others(vision: Mapping[str, Any]) -> dict[str, Part]:
    """Return the modules outside the decoder layers, by path."""
    others = {f"{VISION}patch_embed.proj": Part.PATCH_EMBEDDING}
    names = ("attn.qkv", "attn.proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    for number in range(_count(vision, "depth")):
        others |= {f"{VISION}blocks.{number}.{name}": Part.VISION_TOWER for name in names}
    others |= {f"{VISION}merger.mlp.{number}": Part.PROJECTOR for number in (0, 2)}
    return others | {f"{LANGUAGE}embed_tokens": Part.EMBEDDING, "lm_head": Part.OUTPUT_HEAD}


def _count(table: Mapping[str, Any], key: str) -> int:
    value = table[key]
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{key} = {value!r}")
    return value
