"""A tiny Qwen2.5-VL folder in Hugging Face layout, byte by byte: as easy to damage as to write.

Names and shapes are spelled out here, not taken from the code under test; ``tests/unit/test_checkpoint_shape.py`` compares
that code with transformers' own model. The weights are zeros.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 123456\n".format("ab" * 32)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
           "<|video_pad|>")  # fmt: skip
FIRST_SPECIAL = 50
TEXT_LAYER = {
    "self_attn.q_proj.weight": (8, 8), "self_attn.q_proj.bias": (8,), "self_attn.k_proj.weight": (4, 8),
    "self_attn.k_proj.bias": (4,), "self_attn.v_proj.weight": (4, 8), "self_attn.v_proj.bias": (4,),
    "self_attn.o_proj.weight": (8, 8), "mlp.gate_proj.weight": (12, 8), "mlp.up_proj.weight": (12, 8),
    "mlp.down_proj.weight": (8, 12), "input_layernorm.weight": (8,), "post_attention_layernorm.weight": (8,),
}  # fmt: skip
VISION_BLOCK = {
    "norm1.weight": (6,), "norm2.weight": (6,), "attn.qkv.weight": (18, 6), "attn.qkv.bias": (18,),
    "attn.proj.weight": (6, 6), "attn.proj.bias": (6,), "mlp.gate_proj.weight": (10, 6), "mlp.gate_proj.bias": (10,),
    "mlp.up_proj.weight": (10, 6), "mlp.up_proj.bias": (10,), "mlp.down_proj.weight": (6, 10),
    "mlp.down_proj.bias": (6,),
}  # fmt: skip
TENSORS: dict[str, tuple[int, ...]] = {
    "model.embed_tokens.weight": (64, 8),
    **{f"model.layers.{n}.{name}": shape for n in range(2) for name, shape in TEXT_LAYER.items()},
    "model.norm.weight": (8,),
    "visual.patch_embed.proj.weight": (6, 3, 2, 14, 14),
    **{f"visual.blocks.0.{name}": shape for name, shape in VISION_BLOCK.items()},
    "visual.merger.ln_q.weight": (6,),
    "visual.merger.mlp.0.weight": (24, 24),
    "visual.merger.mlp.0.bias": (24,),
    "visual.merger.mlp.2.weight": (8, 24),
    "visual.merger.mlp.2.bias": (8,),
    "lm_head.weight": (64, 8),
}
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl", "hidden_size": 8,
    "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "vocab_size": 64, "tie_word_embeddings": False, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 0]},
    "eos_token_id": 52, "vision_start_token_id": 53, "vision_end_token_id": 54, "image_token_id": 55,
    "video_token_id": 56,
    "vision_config": {
        "depth": 1, "hidden_size": 6, "intermediate_size": 10, "num_heads": 2, "out_hidden_size": 8, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112, "fullatt_block_indexes": [0],
    },
}  # fmt: skip
PREPROCESSOR: dict[str, Any] = {
    "min_pixels": 3136, "max_pixels": 200704, "patch_size": 14, "merge_size": 2, "temporal_patch_size": 2,
    "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28], "resample": 3,
}  # fmt: skip
LICENCES = {"base": "Apache-2.0", "adapters": "Apache-2.0", "calibration_data": "CC0-1.0"}


def write_safetensors(path: Path, tensors: dict[str, tuple[int, ...]], *, dtype: str = "BF16") -> None:
    """Write zeros of these shapes; BF16 and F16 take two bytes a value, F32 four, I8 one."""
    size = {"F32": 4, "I8": 1}.get(dtype, 2)
    header: dict[str, Any] = {}
    at = 0
    for name, shape in tensors.items():
        end = at + size * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))


def write_index(folder: Path, shards: dict[str, list[str]]) -> None:
    """Write the index: tensor names by shard."""
    weight_map = {name: shard for shard, names in shards.items() for name in names}
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": weight_map}))


def write_weights(folder: Path, tensors: dict[str, tuple[int, ...]] | None = None) -> None:
    """Write the tensors as two shards with an index."""
    found = TENSORS if tensors is None else tensors
    names = list(found)
    halves = {SHARDS[0]: names[: len(names) // 2], SHARDS[1]: names[len(names) // 2 :]}
    for shard, part in halves.items():
        write_safetensors(folder / shard, {name: found[name] for name in part})
    write_index(folder, halves)


def write_folder(folder: Path) -> Path:
    """Write a sound checkpoint: two shards, tokenizer, preprocessor, licences."""
    folder.mkdir(parents=True)
    write_weights(folder)
    edit(folder / "config.json", CONFIG)
    edit(folder / "preprocessor_config.json", PREPROCESSOR)
    edit(folder / "generation_config.json", {"eos_token_id": [52, 50]})
    edit(folder / "derm_edge.json", {"licences": LICENCES})
    vocabulary = {chr(ord("A") + number): number for number in range(FIRST_SPECIAL)}
    added = [{"id": FIRST_SPECIAL + n, "content": name, "special": True} for n, name in enumerate(SPECIAL)]
    edit(folder / "tokenizer.json", {"model": {"vocab": vocabulary, "merges": []}, "added_tokens": added})
    edit(folder / "tokenizer_config.json", {"chat_template": "{{ messages }}"})
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Zeros\n")
    return folder


def edit(path: Path, changes: dict[str, Any]) -> None:
    """Change keys of a JSON file, or write a new one; the value None removes a key."""
    document = json.loads(path.read_text()) if path.is_file() else {}
    document = {key: value for key, value in {**document, **changes}.items() if value is not None}
    path.write_text(json.dumps(document))


def write_peft(folder: Path, *, r: int = 2, digest: str | None = None) -> Path:
    """Write a PEFT folder with a pair of factors for q_proj of both layers."""
    folder.mkdir(parents=True)
    factors: dict[str, tuple[int, ...]] = {}
    for layer in range(2):
        path = f"base_model.model.model.language_model.layers.{layer}.self_attn.q_proj"
        factors |= {f"{path}.lora_A.weight": (r, 8), f"{path}.lora_B.weight": (8, r)}
    write_safetensors(folder / "adapter_model.safetensors", factors, dtype="F32")
    edit(folder / "adapter_config.json", {"peft_type": "LORA", "r": r, "lora_alpha": 4, "target_modules": ["q_proj"]})
    if digest is not None:
        (folder / "base.sha256").write_text(digest)
    return folder
