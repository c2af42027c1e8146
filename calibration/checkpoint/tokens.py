"""Check what stands around the weights: tokenizer, special tokens, image preprocessor, chat template, generation.

Does not tokenize and does not import transformers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.checkpoint.architecture import Architecture
from calibration.checkpoint.layout import is_pointer
from calibration.export import read_json
from edge_agent.errors import ExportError

# Token, the key of config.json that must hold its id, and transformers' own value where the key may be left out.
# Source: transformers 4.57, models/qwen2_5_vl/configuration_qwen2_5_vl.py.
_BOUND: tuple[tuple[str, str, int | None], ...] = (
    ("<|image_pad|>", "image_token_id", None),
    ("<|vision_start|>", "vision_start_token_id", None),
    ("<|vision_end|>", "vision_end_token_id", 151653),
    ("<|video_pad|>", "video_token_id", 151656),
)
_NEEDED = ("<|im_start|>", "<|im_end|>")
BICUBIC = 3  # PIL.Image.Resampling.BICUBIC
# The steps that the device takes; a checkpoint trained without one would be shown other numbers, and nothing would say so.
_STEPS = ("do_resize", "do_rescale", "do_normalize")
_RESCALE = 1 / 255
# transformers' class that the device follows bit by bit, and the one that takes its steps with torchvision: the same
# sizes and filter, values that differ by rounding.
PROCESSOR, FAST_PROCESSOR = "Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast"


@dataclass(frozen=True, slots=True)
class TokenizerFacts:
    """The tokenizer: number of tokens (added ones too), special tokens by name with their ids, stop ids."""

    tokens: int
    special: Mapping[str, int]
    eos_token_ids: tuple[int, ...]
    chat_template: str | None  # sha256 of its text
    generation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PreprocessorFacts:
    """The image preprocessor: pixel budget in px (height x width), normalisation per channel (RGB), class name."""

    min_pixels: int
    max_pixels: int
    image_mean: tuple[float, ...]
    image_std: tuple[float, ...]
    processor: str


def read_tokenizer(folder: Path, arch: Architecture) -> tuple[TokenizerFacts | None, list[str]]:
    """Read the tokenizer's files and compare them with config.json.

    Returns:
        The facts, None where tokenizer.json cannot be read, and one line per fault.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None, [f"{folder} has no tokenizer.json; save the tokenizer with save_pretrained of its fast class"]
    if is_pointer(path):
        return None, []  # named with the other pointers
    try:
        vocabulary = _vocabulary(read_json(path))
        config = read_json(folder / "config.json")
        generation = _optional(folder / "generation_config.json")
        template = _chat_template(folder)
        eos = _stop_ids(config, generation)
    except (ExportError, OSError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as exc:
        return None, [
            f"{path.name} or a file beside it cannot be used ({' '.join(str(exc).split())[:120]}); copy it again"
        ]
    special = {name: vocabulary[name] for name in [*_NEEDED, *(row[0] for row in _BOUND)] if name in vocabulary}
    facts = TokenizerFacts(len(vocabulary), special, eos, template, generation)
    return facts, _token_faults(facts, vocabulary, config=config, arch=arch)


def _vocabulary(document: Mapping[str, Any]) -> dict[str, int]:
    plain = {str(token): int(number) for token, number in document["model"]["vocab"].items()}
    found = plain | {str(token["content"]): int(token["id"]) for token in document.get("added_tokens") or []}
    if not found:
        raise ValueError("tokenizer.json holds no token")
    return found


def _stop_ids(config: Mapping[str, Any], generation: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the ids that end an answer, none where nobody names one.

    Raises:
        ValueError: what stands there is no token id; names the file.
    """
    text = {**config, **(config.get("text_config") or {})}
    file = "generation_config.json" if "eos_token_id" in generation else "config.json"
    found: Any = generation.get("eos_token_id", text.get("eos_token_id"))
    ids = [one for one in (found if isinstance(found, list) else [found]) if one is not None]
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in ids):
        raise ValueError(f"{file}: eos_token_id = {found!r} is no token id")
    return tuple(ids)


def _token_faults(
    facts: TokenizerFacts, vocabulary: Mapping[str, int], *, config: Mapping[str, Any], arch: Architecture
) -> list[str]:
    lines = [f"tokenizer.json lacks {name}; add it as a special token" for name in _NEEDED if name not in vocabulary]
    for name, key, default in _BOUND:
        wanted = config.get(key, default)
        if name not in vocabulary:
            lines.append(f"tokenizer.json lacks {name} (config.json: {key} = {wanted}); add it as a special token")
        elif wanted is None:
            lines.append(f"config.json lacks {key}; write {vocabulary[name]}, the id of {name}")
        elif vocabulary[name] != wanted:
            lines.append(f"config.json: {key} = {wanted}, but {name} is {vocabulary[name]} in tokenizer.json; mend one")
    largest = max(vocabulary.values())
    if largest >= arch.vocab_size:
        lines.append(
            f"tokenizer.json has the id {largest}, the embeddings {arch.vocab_size} rows; bring the fitting pair"
        )
    end = vocabulary.get("<|im_end|>")
    if not facts.eos_token_ids:
        lines.append("generation_config.json names no eos_token_id, nor does config.json; write the id of <|im_end|>")
    elif end is not None and end not in facts.eos_token_ids:
        ids = list(facts.eos_token_ids)
        lines.append(
            f"generation_config.json: eos_token_id {ids} lacks <|im_end|> = {end}; an answer would not end; add it"
        )
    return lines


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() and not is_pointer(path) else {}


def _chat_template(folder: Path) -> str | None:
    """Return the digest of the template's text, from the first of the places where transformers looks."""
    plain = folder / "chat_template.jinja"
    text: Any = plain.read_text(encoding="utf-8") if plain.is_file() else None
    for name in ("chat_template.json", "tokenizer_config.json"):
        text = text or _optional(folder / name).get("chat_template")
    return hashlib.sha256(text.encode("utf-8")).hexdigest() if isinstance(text, str) else None


def read_preprocessor(folder: Path, arch: Architecture) -> tuple[PreprocessorFacts | None, list[str]]:
    """Read preprocessor_config.json and compare it with the vision tower.

    Returns:
        The facts, None where it cannot be read, and one line per fault.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return None, [f"{folder} has no preprocessor_config.json; copy it from the checkpoint's origin"]
    if is_pointer(path):
        return None, []
    try:
        config = read_json(path)
        size = config.get("size") or {}
        facts = PreprocessorFacts(
            min_pixels=int(config.get("min_pixels") or size["shortest_edge"]),
            max_pixels=int(config.get("max_pixels") or size["longest_edge"]),
            image_mean=tuple(float(value) for value in config["image_mean"]),
            image_std=tuple(float(value) for value in config["image_std"]),
            processor=str(config.get("image_processor_type", PROCESSOR)),
        )
    except (ExportError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as exc:
        return None, [f"{path.name}: {' '.join(str(exc).split())[:120]} is missing or wrong; mend it"]
    return facts, _preprocessor_faults(facts, config, arch=arch)


def _preprocessor_faults(facts: PreprocessorFacts, config: Mapping[str, Any], *, arch: Architecture) -> list[str]:
    lines = []
    for key, source, wanted in (
        ("patch_size", "patch_size", arch.patch_size),
        ("merge_size", "spatial_merge_size", arch.spatial_merge_size),
        ("temporal_patch_size", "temporal_patch_size", arch.temporal_patch_size),
    ):
        if config.get(key) != wanted:
            said = config.get(key)
            lines.append(f"preprocessor_config.json: {key} = {said}, vision_config.{source} = {wanted}; mend one")
    is_finite = all(math.isfinite(value) for value in (*facts.image_mean, *facts.image_std))
    if not is_finite or len(facts.image_mean) != 3 or len(facts.image_std) != 3 or min(facts.image_std) <= 0:
        lines.append(
            "preprocessor_config.json: image_mean and image_std need three values each, std above 0; mend them"
        )
    if not 0 < facts.min_pixels <= facts.max_pixels:
        lines.append(f"preprocessor_config.json: min_pixels {facts.min_pixels} exceeds max_pixels {facts.max_pixels}")
    lines += [
        f"preprocessor_config.json: {key} = {config[key]}; the device always does it, so its pictures would be others"
        for key in _STEPS
        if config.get(key, True) is not True
    ]
    if facts.processor not in (PROCESSOR, FAST_PROCESSOR):
        lines.append(
            f"preprocessor_config.json: image_processor_type = {facts.processor}; the device cuts pictures as {PROCESSOR}"
            " does; bring the checkpoint's own file"
        )
    factor = config.get("rescale_factor", _RESCALE)
    if not isinstance(factor, (int, float)) or not 0 < factor < 1 or abs(factor - _RESCALE) > 1e-9:
        lines.append(f"preprocessor_config.json: rescale_factor = {factor}; the device divides by 255")
    if config.get("resample", BICUBIC) != BICUBIC:
        lines.append("preprocessor_config.json: resample is not 3 (bicubic); the device cannot follow another filter")
    return lines
