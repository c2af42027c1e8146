"""Name the contenders and make them: who runs on what, and which of them are peers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.inference.runtime import EngineSettings
from scripts.speed.contender import Contender

# How a reader is told of each.
SAID = {
    "ours": "derm-edge",
    "ours-free": "derm-edge, text without schemas",
    "ours-unskipped": "derm-edge, forced tokens not skipped",
    "ours-bare": "derm-edge, bare",
    "genai-sdpa": "GenAI, SDPA",
    "genai-paged": "GenAI, paged, prefix caching",
    "genai-bare": "GenAI, bare",
    "optimum": "optimum-intel",
    "torch": "PyTorch + PEFT",
}
PEERS = {"genai": ("genai-sdpa", "genai-paged"), "optimum": ("optimum",), "torch": ("torch",)}


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a shape lies: the checkpoint with its adapters, the bundle made of it, and GenAI's view of the bundle."""

    checkpoint: Path
    bundle: Path
    genai: Path
    side_px: int


def make(name: str, parts: Parts, *, is_strict: bool = False) -> Contender:
    """Make a contender by name; all compute on every core of this machine.

    ``is_strict``: f32 arithmetic and cache, no quantized activations; for the parity check, not for timing.
    """
    threads = os.cpu_count() or 1
    if name.startswith("ours"):
        return _ours(name, parts, threads=threads, is_strict=is_strict)
    properties: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if is_strict:
        properties |= {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
        properties |= {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    if name.startswith("genai"):
        from scripts.speed.genai import GenAi, write_folder

        folder = write_folder(parts.bundle, parts.checkpoint, parts.genai)
        adapters = None if name == "genai-bare" else parts.checkpoint / "adapters"
        is_paged = name == "genai-paged"
        return GenAi(folder, adapters=adapters, backend="PA" if is_paged else "SDPA", properties=properties)
    return _other(name, parts, properties)


def _ours(name: str, parts: Parts, *, threads: int, is_strict: bool) -> Contender:
    from scripts.speed.ours import Ours, read_bundle

    is_on = name != "ours-unskipped"
    settings = EngineSettings(threads=threads, strict=is_strict, skip_forced=is_on)
    return Ours(
        read_bundle(parts.bundle, side_px=parts.side_px),
        settings=settings,
        adapters=name != "ours-bare",
        has_schema=name in ("ours", "ours-unskipped"),
    )


def _other(name: str, parts: Parts, properties: dict[str, Any]) -> Contender:
    from scripts.speed.genai import write_folder
    from scripts.speed.ours import read_bundle
    from scripts.speed.torch_peer import Optimum, TorchPeft

    bundle = read_bundle(parts.bundle, side_px=parts.side_px)
    if name == "torch":
        return TorchPeft(bundle, checkpoint=parts.checkpoint, threads=int(properties["INFERENCE_NUM_THREADS"]))
    return Optimum(bundle, folder=write_folder(parts.bundle, parts.checkpoint, parts.genai), properties=properties)
