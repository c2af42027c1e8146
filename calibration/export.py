"""Read a checkpoint in Hugging Face layout and export it to four IRs with optimum-intel.

Does not compress and does not touch adapters. Never goes to a network: every file is local.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calibration.memory import release_memory
from edge_agent.contracts.manifest import Backbone, PreprocessingSpec, VisionSpec
from edge_agent.errors import ExportError

PARTS = {
    "vision_embeddings": "openvino_vision_embeddings_model",
    "vision_merger": "openvino_vision_embeddings_merger_model",
    "text_embeddings": "openvino_text_embeddings_model",
    "language_model": "openvino_language_model",
}
_NEEDED = ("config.json", "tokenizer.json", "preprocessor_config.json")
_CHUNK_BYTES = 1 << 22
# What transformers fills in where vision_config is silent: files of before 4.52 leave out what equals a default
# (Vision-R1-7B's names hidden_size alone). Source: transformers 4.57.6, Qwen2_5_VLVisionConfig.
_VISION_DEFAULTS: dict[str, Any] = {
    "depth": 32,
    "intermediate_size": 3420,
    "num_heads": 16,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "window_size": 112,
    "out_hidden_size": 3584,
    "fullatt_block_indexes": [7, 15, 23, 31],
}


def content_digest(folder: Path) -> str:
    """Return sha256 over the sorted (name, dtype, shape, bytes) of every tensor below the folder's safetensors.

    The digest binds adapters to a backbone: it depends on the weights alone, never on file names, shards or
    metadata.

    Raises:
        ExportError: no safetensors, a malformed header, or a tensor that stands in two files.
    """
    tensors: dict[str, tuple[Path, str, list[int], int, int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, dtype, shape, begin, end in _tensors(path):
            if name in tensors:
                raise ExportError(f"tensor {name} stands in {tensors[name][0].name} and in {path.name}; remove one")
            tensors[name] = (path, dtype, shape, begin, end)
    if not tensors:
        raise ExportError(f"no safetensors weights in {folder}; is this a checkpoint in Hugging Face layout?")
    digest = hashlib.sha256()
    for name in sorted(tensors):
        path, dtype, shape, begin, end = tensors[name]
        digest.update(json.dumps([name, dtype, shape]).encode("utf-8"))
        with path.open("rb") as stream:
            stream.seek(begin)
            left = end - begin
            while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
                digest.update(chunk)
                left -= len(chunk)
        if left:
            raise ExportError(f"{path} ends inside {name}; copy the checkpoint again")
    return digest.hexdigest()


def _tensors(path: Path) -> Iterator[tuple[str, str, list[int], int, int]]:
    # Source: safetensors format, README "Format": u64 length, JSON header, data; offsets count from the data.
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > path.stat().st_size:
                raise ValueError("header longer than the file")
            header: dict[str, Any] = json.loads(stream.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                yield name, str(entry["dtype"]), list(entry["shape"]), 8 + length + begin, 8 + length + end
    except (OSError, ValueError, KeyError, TypeError, struct.error) as exc:
        raise ExportError(f"{path} is not a safetensors file ({exc}); copy the checkpoint again") from exc


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object of a checkpoint.

    Raises:
        ExportError: missing, unreadable or not an object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise ExportError(f"{path} cannot be read ({exc}); copy the checkpoint again") from exc
    if not isinstance(document, dict):
        raise ExportError(f"{path} is not a JSON object; copy the checkpoint again")
    return document


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write one JSON object as a checkpoint's folder keeps it: indented, one newline at the end."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def vision_numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``vision_config`` of a config.json with the numbers that it may leave out; ``hidden_size`` it may not."""
    return {**_VISION_DEFAULTS, **(config.get("vision_config") or {})}


def read_backbone(folder: Path) -> Backbone:
    """Return the manifest's description of the backbone, from config.json, generation_config.json and the weights.

    Raises:
        ExportError: another architecture, or a value is missing.
    """
    config = read_json(folder / "config.json")
    if config.get("model_type") != "qwen2_5_vl":
        raise ExportError(f"{folder} is a {config.get('model_type')!r} model; this program exports qwen2_5_vl")
    text = {**config, **(config.get("text_config") or {})}
    vision = vision_numbers(config)
    generation = folder / "generation_config.json"
    found: Any = (read_json(generation) if generation.is_file() else {}).get("eos_token_id", text.get("eos_token_id"))
    eos: list[int] = found if isinstance(found, list) else [found]
    try:
        return Backbone(
            architecture="qwen2_5_vl",
            content_digest=content_digest(folder),
            hidden_size=text["hidden_size"],
            num_hidden_layers=text["num_hidden_layers"],
            num_attention_heads=text["num_attention_heads"],
            num_key_value_heads=text["num_key_value_heads"],
            vocab_size=text["vocab_size"],
            mrope_section=text["rope_scaling"]["mrope_section"],
            image_token_id=config["image_token_id"],
            vision_start_token_id=config["vision_start_token_id"],
            eos_token_ids=eos,
            pad_token_id=text["pad_token_id"] if text.get("pad_token_id") is not None else eos[0],
            vision=VisionSpec(
                hidden_size=vision["hidden_size"],
                num_heads=vision["num_heads"],
                patch_size=vision["patch_size"],
                temporal_patch_size=vision["temporal_patch_size"],
                spatial_merge_size=vision["spatial_merge_size"],
                window_size=vision["window_size"],
                fullatt_block_indexes=vision["fullatt_block_indexes"],
            ),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ExportError(f"{folder / 'config.json'}: {' '.join(str(exc).split())[:160]} is missing or wrong") from exc


def read_preprocessing(folder: Path, *, max_pixels: int | None = None) -> PreprocessingSpec:
    """Return the image preprocessing of a checkpoint, with a smaller pixel budget if one is given.

    Args:
        folder: the checkpoint.
        max_pixels: height x width in px; may not exceed the checkpoint's.

    Raises:
        ExportError: a value is missing, another resampling filter, or a larger budget.
    """
    config = read_json(folder / "preprocessor_config.json")
    size = config.get("size") or {}
    try:
        low = int(config.get("min_pixels") or size["shortest_edge"])
        high = int(config.get("max_pixels") or size["longest_edge"])
        mean, std = tuple(config["image_mean"]), tuple(config["image_std"])
    except (KeyError, TypeError, ValueError) as exc:
        raise ExportError(f"{folder}/preprocessor_config.json: {exc} is missing or wrong") from exc
    if int(config.get("resample", 3)) != 3:  # PIL.Image.Resampling.BICUBIC
        raise ExportError("the checkpoint resizes with another filter than bicubic; this program cannot follow it")
    if max_pixels is not None and max_pixels > high:
        raise ExportError(f"pixel budget {max_pixels} is larger than the checkpoint's {high}; lower it")
    return PreprocessingSpec(min_pixels=low, max_pixels=max_pixels or high, image_mean=mean, image_std=std)


def load_torch_model(folder: Path) -> Any:
    """Load the checkpoint in PyTorch on the CPU, its weights mapped from their files in the type they are stored in.

    Raises:
        ExportError: a file is missing or transformers refuses the checkpoint.
    """
    for name in _NEEDED:
        if not (folder / name).is_file():
            raise ExportError(f"{folder} has no {name}; is this a checkpoint in Hugging Face layout?")
    with quiet_vendors():
        from calibration.mapped_model import load_mapped

        return load_mapped(folder)


def export_parts(folder: Path, out_dir: Path) -> dict[str, Path]:
    """Export the checkpoint to four IRs that compute in float32 and return their ``.xml`` paths by part.

    A matrix stored in 16 bits stays so in the IR, a conversion to float32 behind it: the same values at half the size.
    ``calibration.half_weights`` reads such an IR.

    Args:
        folder: checkpoint in Hugging Face layout (``model_type`` qwen2_5_vl).
        out_dir: an empty folder.

    Raises:
        ExportError: a file is missing, or optimum-intel failed.
    """
    model = load_torch_model(folder)
    paths = {part: out_dir / f"{stem}.xml" for part, stem in PARTS.items()}
    with quiet_vendors():
        from calibration.tracing import trace_part

        for part, path in paths.items():
            try:
                trace_part(model, part, path)
            except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as exc:
                reason = " ".join(str(exc).split())[:200]
                raise ExportError(f"optimum-intel cannot export {folder}: {reason}") from exc
            if not path.is_file():
                raise ExportError(f"the export of {folder} has no {part}; check the versions of optimum-intel")
            release_memory()
    return paths


@contextlib.contextmanager
def quiet_vendors() -> Iterator[None]:
    """Keep warnings, progress bars and log lines of vendor libraries off the screen, and Hugging Face off the network."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Not logging.disable(): optimum-intel switches that back on in the middle of an export.
    loggers = [logging.getLogger(name) for name in ("transformers", "optimum", "nncf", "peft")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
