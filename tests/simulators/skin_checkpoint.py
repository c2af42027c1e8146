"""A checkpoint of SkinGPT-R1's class with random weights: real class name, key names, shards and index; tiny sizes.

The mask, which is not published, is drawn by dice. Answers mean nothing; every number of the branch moves the logits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.side_branch.declared import Dimensions
from calibration.side_branch.structure import CLASS_NAME, SCALE_KEY, Structure
from edge_agent.contracts.manifest import Backbone, VisionSpec
from tests.simulators.checkpoint import model_config, write_preprocessor, write_tokenizer
from tests.simulators.declaration import declaration, write_declared

TINY = Dimensions(embed_size=48, layers=2, experts=4, bottleneck=16, tone_size=8, text_bottleneck=12)
PATCH_FEATURES = 1176  # 3 channels x 2 frames x 14 x 14 px, as published
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"
MASK = "skin_vocab_mask.json"
SYSTEM = "<|im_start|>system\nskin<|im_end|>\n<|im_start|>user\n"
ASSISTANT = "<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = {
    "describe": f"{SYSTEM}{{images}}analyse the lesion step by step{ASSISTANT}",
    "integrate": f"{SYSTEM}{{images}}compare all views{ASSISTANT}",
    "pathogenesis": f"<|im_end|>\n<|im_start|>user\nname the cause{ASSISTANT}",
}
TEXT = "<think> 1. red plaque 2. silvery scale </think> <answer> psoriasis confidence high </answer>"


def branch_tensors(structure: Structure, *, seed: int = 5, scale: float = 2.5) -> dict[str, torch.Tensor]:
    """Return random tensors of a branch in bf16, as published; loud enough that an ignored one shows."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, shape in structure.tensors().items():
        spread = 0.3 if len(shape) < 2 else 1.5 / np.sqrt(shape[-1])
        tensors[name] = torch.from_numpy(random.normal(0.0, spread, shape).astype(np.float32)).to(torch.bfloat16)
    return {**tensors, SCALE_KEY: torch.tensor(scale, dtype=torch.bfloat16)}


def tiny_structure(hidden_size: int = 128) -> Structure:
    """Return the published structure at toy sizes."""
    return Structure(dimensions=TINY, patch_features=PATCH_FEATURES, hidden_size=hidden_size)


def write_shards(folder: Path, first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> None:
    """Write two shards and their index."""
    weight_map = {}
    for file, tensors in zip(SHARDS, (first, second), strict=True):
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def write_mask(folder: Path, vocab_size: int, *, seed: int = 3) -> str:
    """Write a mask in which about half of the tokens are on; return its file's digest."""
    values = np.random.default_rng(seed).integers(0, 2, vocab_size)
    data = json.dumps(values.tolist()).encode()
    (folder / MASK).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def declared_block(mask_sha256: str, *, policy: str = "first_token", images: str = "mean") -> dict[str, Any]:
    """Return the block ``side_branch`` of ``derm_edge.json``."""
    mask = {"file": MASK, "sha256": mask_sha256}
    return {"mask": mask, "policy": policy, "images": images, "dimensions": TINY.model_dump()}


def tiny_backbone(*, vocab_size: int = 60) -> Backbone:
    """Return the description of a backbone that only the headers of ``BranchFolder`` pretend to be."""
    vision = VisionSpec(
        hidden_size=64, num_heads=2, patch_size=14, temporal_patch_size=2, spatial_merge_size=2, window_size=56,
        fullatt_block_indexes=[1],
    )  # fmt: skip
    return Backbone(
        architecture="qwen2_5_vl", content_digest="a" * 64, hidden_size=128, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=2, vocab_size=vocab_size, mrope_section=[4, 6, 6], image_token_id=5,
        vision_start_token_id=3, eos_token_ids=[2], pad_token_id=0, vision=vision,
    )  # fmt: skip


@dataclass
class BranchFolder:
    """A checkpoint folder of which only the branch is real; tests change ``tensors`` or ``config`` and write again."""

    path: Path
    tensors: dict[str, torch.Tensor]
    config: dict[str, Any]
    mask_sha256: str

    @staticmethod
    def make(path: Path, *, vocab_size: int = 60) -> BranchFolder:
        """Write a valid one."""
        path.mkdir(parents=True)
        folder = BranchFolder(path, branch_tensors(tiny_structure()), {"architectures": [CLASS_NAME]}, "")
        folder.mask_sha256 = write_mask(path, vocab_size)
        folder.write()
        return folder

    def write(self) -> None:
        """Write config.json, both shards and the index."""
        (self.path / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        backbone = {"model.embed_tokens.weight": torch.zeros(4, 4), "lm_head.weight": torch.zeros(4, 4)}
        write_shards(self.path, backbone, self.tensors)


def write_skin_checkpoint(folder: Path, *, policy: str = "first_token", images: str = "mean") -> Path:
    """Write a whole checkpoint that builds: weights, tokenizer, mask, declaration, golden cases; no adapters.

    Rec and Rep answer in free text; Reason, which sees no picture, by the reference's schema.
    """
    folder.mkdir(parents=True)
    schema = declaration()["agents"]["reasoning"]["steps"][0]
    texts = [*PROMPTS.values(), TEXT, schema["prompt"], json.dumps(schema["output_schema"], separators=(",", ":"))]
    tokenizer = write_tokenizer(folder, texts)
    config = model_config(tokenizer)
    config.text_config.vocab_size += 24  # as in the real one, lm_head has more rows than the tokenizer has tokens
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    torch.manual_seed(11)
    model = Qwen2_5_VLForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2:
                weight.normal_(0.0, 0.08 if "embed" in name else 0.06)
    model.generation_config.eos_token_id = [int(tokenizer.convert_tokens_to_ids("<|im_end|>"))]
    model.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True)
    backbone = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(backbone)
    half = len(names) // 2
    branch = branch_tensors(tiny_structure(config.text_config.hidden_size))
    write_shards(folder, {n: backbone[n] for n in names[:half]}, {**{n: backbone[n] for n in names[half:]}, **branch})
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**written, "architectures": [CLASS_NAME]}), encoding="utf-8")
    write_preprocessor(folder)
    write_declared(folder)
    block = declared_block(write_mask(folder, config.text_config.vocab_size), policy=policy, images=images)
    (folder / "derm_edge.json").write_text(json.dumps(skin_declaration(block), indent=1), encoding="utf-8")
    return folder


def skin_declaration(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``derm_edge.json``: Rec one view and Rep all views in free text, Reason by schema from texts."""

    def agent(images: str, *steps: str) -> dict[str, Any]:
        generation = {"max_tokens": 10, "stop": ["</answer>"]}
        rows = [{"name": s, "prompt": PROMPTS[s], "contract": "text", "generation": generation} for s in steps]
        return {"adapter": None, "inputs": {"images": images}, "steps": rows}

    document = declaration()
    document["agents"] = {
        "recognition": agent("one", "describe"),
        "representation": agent("all", "integrate", "pathogenesis"),
        "reasoning": {**document["agents"]["reasoning"], "adapter": None},
    }
    return {**document, "name": "random-skin", "side_branch": dict(block)}
