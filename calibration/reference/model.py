"""Build the reference backbone: the real Qwen2.5-VL architecture at a few million parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

VOCAB_ROWS = 2368  # the tokenizer's size rounded up to a multiple of 64
PIXELS = 168 * 168
MEAN = (0.48145466, 0.4578275, 0.40821073)  # Qwen2-VL's preprocessor_config.json (CLIP statistics)
STD = (0.26862954, 0.26130258, 0.27577711)
GENERATION_TOKENS = 400


def make_config(tokenizer: Tokenizer) -> Qwen2_5_VLConfig:
    """Return the configuration; token ids come from the tokenizer.

    Group size 64 divides every text in-feature (192, 512): INT4 needs that (engine notes).
    """
    token = tokenizer.token_to_id
    return Qwen2_5_VLConfig(
        vision_config={
            "depth": 6,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_heads": 6,
            "out_hidden_size": 192,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 84,
            "fullatt_block_indexes": [1, 3, 5],
        },
        text_config={
            "vocab_size": VOCAB_ROWS,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_theta": 10000.0,
            "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
            "tie_word_embeddings": True,
            "bos_token_id": token("<|im_start|>"),
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def make_model(tokenizer: Tokenizer, *, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """Build the model with seeded random weights, float32."""
    torch.manual_seed(seed)
    return Qwen2_5_VLForConditionalGeneration(make_config(tokenizer)).eval()


def preprocessor_config() -> dict[str, Any]:
    """Return preprocessor_config.json as a Qwen2.5-VL checkpoint carries it, with this model's pixel budget."""
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "merge_size": 2,
        "min_pixels": 56 * 56,
        "max_pixels": PIXELS,
        "patch_size": 14,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "temporal_patch_size": 2,
    }


def save_backbone(model: Qwen2_5_VLForConditionalGeneration, folder: Path) -> None:
    """Write config.json, model.safetensors (bf16) and preprocessor_config.json in Hugging Face layout.

    The weights are rounded to bf16 here and nowhere else: adapters are trained on the rounded backbone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    model.to(torch.float32)
    text = json.dumps(preprocessor_config(), indent=1) + "\n"
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")
