"""A small Qwen2.5-VL checkpoint with random weights and three PEFT adapters, in Hugging Face layout.

It stands in for a trained checkpoint wherever only the mechanics are tested; its answers mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

AGENTS = ("recognition", "representation", "reasoning")
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|represent|>",
)


def write_tokenizer(folder: Path, texts: list[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the texts (every word of them becomes one token) and save tokenizer.json with Qwen's special tokens below the folder."""
    core = Tokenizer(models.BPE())
    whole = r" ?[A-Za-z0-9_]+|[\{\}\[\]\":,]+|\s+| ?[^\sA-Za-z0-9_]+"  # an id stays whole, so that values part at once
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(whole), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    core.train_from_iterator([text for text in texts for _ in range(3)], trainer)
    core.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    fast = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.save_pretrained(folder)
    return fast


def model_config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """Return a config with the reference model's proportions at a fraction of its size."""
    ids = {token: int(tokenizer.convert_tokens_to_ids(token)) for token in SPECIAL}
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
            "tie_word_embeddings": True,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "out_hidden_size": 128,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"],
        pad_token_id=ids["<|endoftext|>"],
    )


def write_base(folder: Path, texts: list[str]) -> Path:
    """Write a random base model, its tokenizer and its image preprocessing settings below the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(folder, texts)
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(model_config(tokenizer)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2:
                weight.normal_(0.0, 0.08 if "embed" in name else 0.06)
    model.generation_config.eos_token_id = [int(tokenizer.convert_tokens_to_ids("<|im_end|>"))]
    model.save_pretrained(folder, safe_serialization=True)
    write_preprocessor(folder)
    return folder


def write_preprocessor(folder: Path) -> None:
    """Write the image preprocessing settings of a small pixel budget."""
    preprocessor: dict[str, Any] = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "min_pixels": 3136,
        "max_pixels": 19600,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=2), encoding="utf-8")


def write_adapters(folder: Path, base: Path) -> dict[str, Path]:
    """Write three random adapters in PEFT's format: plain LoRA, and activated LoRA for ``representation``."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    invocation = [int(tokenizer.convert_tokens_to_ids("<|represent|>"))]
    out: dict[str, Path] = {}
    for number, agent in enumerate(AGENTS):
        torch.manual_seed(100 + number)
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
        config = LoraConfig(
            r=4,
            lora_alpha=8,
            target_modules=r".*language_model.*\.(" + "|".join(TARGETS) + ")",
            task_type="CAUSAL_LM",
            alora_invocation_tokens=invocation if agent == "representation" else None,
        )
        wrapped = get_peft_model(model, config)
        with torch.no_grad():
            for name, weight in wrapped.named_parameters():
                if "lora_B" in name:
                    weight.normal_(0.0, 0.2)  # loud: an adapter that is off must show
        wrapped.save_pretrained(str(folder / agent))
        out[agent] = folder / agent
    return out
