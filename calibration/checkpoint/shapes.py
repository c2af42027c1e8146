"""The shapes that a random checkpoint can have: numbers of published models, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Qwen2.5's added tokens in the order of their ids, the first is 151643 there.
# Source: tokenizer_config.json of Qwen/Qwen2.5-VL-7B-Instruct, added_tokens_decoder.
QWEN_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>",
    "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
)  # fmt: skip
QWEN_FIRST_SPECIAL = 151_643


@dataclass(frozen=True, slots=True)
class Shape:
    """Everything that fixes a random checkpoint but its values.

    ``first_special``: id of ``<|endoftext|>``; the ids below it are the tokenizer's plain tokens. ``full_attention``
    are the vision blocks without windows. ``shard_bytes`` is the most that one file of weights holds.
    """

    name: str
    source: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    first_special: int
    is_tied: bool
    mrope_section: tuple[int, int, int]
    max_position_embeddings: int
    rope_theta: float
    vision_depth: int
    vision_hidden_size: int
    vision_intermediate_size: int
    vision_num_heads: int
    window_size: int
    full_attention: tuple[int, ...]
    max_pixels: int
    shard_bytes: int = 4_000_000_000

    def with_layers(self, layers: int) -> Shape:
        """Return the same shape with at most this many decoder layers and vision blocks, for tests."""
        depth = min(self.vision_depth, layers)
        full = tuple(index for index in self.full_attention if index < depth) or (depth - 1,)
        return replace(
            self,
            num_hidden_layers=min(self.num_hidden_layers, layers),
            vision_depth=depth,
            full_attention=full,
        )


_QWEN_7B = Shape(
    name="qwen2.5-vl-7b",
    source="config.json of Qwen/Qwen2.5-VL-7B-Instruct",
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    vocab_size=152_064,
    first_special=QWEN_FIRST_SPECIAL,
    is_tied=False,
    mrope_section=(16, 24, 24),
    max_position_embeddings=128_000,
    rope_theta=1_000_000.0,
    vision_depth=32,
    vision_hidden_size=1280,
    vision_intermediate_size=3420,
    vision_num_heads=16,
    window_size=112,
    full_attention=(7, 15, 23, 31),
    max_pixels=12_845_056,
)
_QWEN_3B = replace(
    _QWEN_7B,
    name="qwen2.5-vl-3b",
    source="config.json of Qwen/Qwen2.5-VL-3B-Instruct",
    hidden_size=2048,
    intermediate_size=11008,
    num_hidden_layers=36,
    num_attention_heads=16,
    num_key_value_heads=2,
    vocab_size=151_936,
    is_tied=True,
)
_SMALL = replace(
    _QWEN_7B,
    name="0.6b",
    source="this project's benchmark shape: decoder of Qwen2.5-0.5B, a quarter of the vision tower, a vocabulary of 32k",
    hidden_size=896,
    intermediate_size=4864,
    num_hidden_layers=24,
    num_attention_heads=14,
    num_key_value_heads=2,
    vocab_size=32_768,
    first_special=32_000,
    is_tied=True,
    mrope_section=(8, 12, 12),
    max_position_embeddings=32_768,
    vision_depth=8,
    full_attention=(7,),
    max_pixels=1_003_520,
)
_REFERENCE = replace(
    _QWEN_7B,
    name="reference",
    source="calibration/reference/model.py",
    hidden_size=192,
    intermediate_size=512,
    num_hidden_layers=4,
    num_attention_heads=6,
    num_key_value_heads=2,
    vocab_size=2560,
    first_special=2400,
    is_tied=True,
    mrope_section=(4, 6, 6),
    max_position_embeddings=4096,
    rope_theta=10_000.0,
    vision_depth=6,
    vision_hidden_size=192,
    vision_intermediate_size=512,
    vision_num_heads=6,
    window_size=84,
    full_attention=(1, 3, 5),
    max_pixels=168 * 168,
)
SHAPES: dict[str, Shape] = {shape.name: shape for shape in (_QWEN_7B, _QWEN_3B, _SMALL, _REFERENCE)}
