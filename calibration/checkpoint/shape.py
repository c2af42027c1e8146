"""Write a checkpoint with random weights and a real shape, in Hugging Face layout: what the loaders are tried on.

Its answers mean nothing. It holds all that a build takes: declaration, golden case, adapters and a recipe without gates.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibration.checkpoint.architecture import PLAIN, expected_tensors, read_architecture
from calibration.checkpoint.shape_declared import write_declared
from calibration.checkpoint.shape_tokenizer import special_ids, write_tokenizer
from calibration.checkpoint.shape_weights import WeightProgress, write_weights
from calibration.checkpoint.shapes import Shape
from calibration.checkpoint.workstation import Workstation, detect_workstation
from device_profiles.cost import sized
from edge_agent.errors import ExportError

_CARD = """---
license: apache-2.0
base_model: none
tags: [random-weights]
---

# Random weights in the shape of {name}

Random weights: not for clinical use, and of no use at all but to try a build, its memory and its speed. No weight was
trained and none comes from a published model. Shape: {source}; {layers} decoder layers, {depth} vision blocks, seed {seed}.
Made by `derm-calibrate shape`.
"""
# Qwen2-VL's preprocessor_config.json (CLIP statistics)
_MEAN = [0.48145466, 0.4578275, 0.40821073]
_STD = [0.26862954, 0.26130258, 0.27577711]


def write_shape(
    shape: Shape,
    out: Path,
    *,
    seed: int = 0,
    workstation: Workstation | None = None,
    on_progress: WeightProgress | None = None,
) -> Path:
    """Write the checkpoint; the folder appears only when it is whole.

    Args:
        shape: sizes and vocabulary.
        out: must not exist.
        seed: of all weights; the same seed gives the same bytes.
        workstation: what there is; None reads this computer.
        on_progress: called while weights are written.

    Raises:
        ExportError: ``out`` exists, the disk is too small or cannot be written.
    """
    if out.exists():
        raise ExportError(f"{out} exists; choose another --out")
    there = workstation if workstation is not None else detect_workstation(out)
    with _staged(out) as folder:
        (folder / "config.json").write_text(_json(model_config(shape)), encoding="utf-8")
        tensors = expected_tensors(read_architecture(folder))
        needed = sum(2 * math.prod(size) for size in tensors.values())
        if needed > there.disk_free_bytes:
            free = sized(there.disk_free_bytes)
            raise ExportError(f"{shape.name} needs {sized(needed)} of free disk, there are {free}; free some")
        write_tokenizer(folder, shape)
        (folder / "generation_config.json").write_text(_json(_generation(shape)), encoding="utf-8")
        (folder / "preprocessor_config.json").write_text(_json(_preprocessor(shape)), encoding="utf-8")
        card = _CARD.format(
            name=shape.name, source=shape.source, layers=shape.num_hidden_layers, depth=shape.vision_depth, seed=seed
        )
        (folder / "README.md").write_text(card, encoding="utf-8")
        write_declared(folder, shape, seed=seed)
        write_weights(folder, tensors, seed=seed, shard_bytes=shape.shard_bytes, on_progress=on_progress)
    return out


def model_config(shape: Shape) -> dict[str, Any]:
    """Return config.json in the flat layout of the published files, with the tokenizer's own ids."""
    ids = special_ids(shape)
    return {
        "architectures": [PLAIN],
        "attention_dropout": 0.0,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_token_id": ids["<|vision_pad|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "hidden_act": "silu",
        "hidden_size": shape.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_position_embeddings,
        "model_type": "qwen2_5_vl",
        "num_attention_heads": shape.num_attention_heads,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_key_value_heads": shape.num_key_value_heads,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"type": "mrope", "mrope_section": list(shape.mrope_section)},
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.is_tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vision_config": _vision_config(shape),
        "vocab_size": shape.vocab_size,
    }


def _vision_config(shape: Shape) -> dict[str, Any]:
    return {
        "depth": shape.vision_depth,
        "fullatt_block_indexes": list(shape.full_attention),
        "hidden_act": "silu",
        "hidden_size": shape.vision_hidden_size,
        "in_chans": 3,
        "intermediate_size": shape.vision_intermediate_size,
        "num_heads": shape.vision_num_heads,
        "out_hidden_size": shape.hidden_size,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "spatial_patch_size": 14,
        "temporal_patch_size": 2,
        "tokens_per_second": 2,
        "window_size": shape.window_size,
    }


def _generation(shape: Shape) -> dict[str, Any]:
    ids = special_ids(shape)
    end, pad = ids["<|im_end|>"], ids["<|endoftext|>"]
    return {"bos_token_id": pad, "eos_token_id": [end, pad], "pad_token_id": pad}


def _preprocessor(shape: Shape) -> dict[str, Any]:
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_mean": _MEAN,
        "image_std": _STD,
        "max_pixels": shape.max_pixels,
        "merge_size": 2,
        "min_pixels": 56 * 56,
        "patch_size": 14,
        "resample": 3,
        "temporal_patch_size": 2,
    }


@contextlib.contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """Yield a folder beside ``out`` that becomes ``out`` when the block ends well and vanishes otherwise."""
    staging = out.parent / f"{out.name}.tmp-{os.getpid()}"
    try:
        staging.mkdir(parents=True)
        yield staging
        staging.rename(out)
    except OSError as exc:
        raise ExportError(f"{out} cannot be written: {exc.strerror or exc}; choose another --out") from exc
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
