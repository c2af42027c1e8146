"""Make a random-weight model of the real architecture, three random PEFT adapters and bundles of them.

Nothing is trained: parity does not need sense. lora_B is noise, so that every adapter changes every logit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import nncf
import openvino as ov
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from calibration.adapters.importing import build_adapter
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AdapterSpec, AgentName, FileEntry, Manifest

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>", "<|represent|>",
]  # fmt: skip
TEXT = "describe the view integrate the views pathogenesis assess colour scale 描述皮损 舌红苔黄 脉数 血热证 皮损鲜红"
VOCAB = 640
DIGEST = "a" * 64
TARGETS = r".*language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"
SYSTEM = "<|im_start|>system\nskin<|im_end|>\n"
ASSISTANT = "<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = {
    "recognition": SYSTEM + "<|im_start|>user\n{images}describe the view" + ASSISTANT,
    "representation": SYSTEM + "<|im_start|>user\n{images}<|represent|>integrate the views" + ASSISTANT,
    "pathogenesis": "<|im_end|>\n<|im_start|>user\npathogenesis" + ASSISTANT,
    "reasoning": SYSTEM + "<|im_start|>user\n{representation}\n{intake}\nassess" + ASSISTANT,
}
PEFT_PREFIX = "base_model.model."


def _schema(**fields: Any) -> dict[str, Any]:
    rules = {
        name: {"type": "array", "items": {"enum": v}, "minItems": 1, "maxItems": 1} if name == "colour" else {"enum": v}
        for name, v in fields.items()
    }
    return {"type": "object", "properties": rules, "required": list(rules), "additionalProperties": False}


SCHEMAS = {
    "recognition": _schema(
        family=["papulosquamous", "eczematous", "cannot_tell"],
        fixed=["cannot_tell"],
        colour=["bright_red", "dark_red", "grey_brown"],
        induration=[0, 1, 3, None],
        border=["well_defined", "ill_defined"],
    ),
    "representation": _schema(distribution=["extensor", "truncal", "scalp"], stage=["cannot_tell"]),
    "pathogenesis": _schema(mechanism=["heat_internal", "dryness_wind", "stasis"]),
    "reasoning": _schema(syndrome=["血热", "heat", "dryness"], formula=["xijiao", "danggui", "taohong"]),
}


@dataclass(frozen=True)
class ToyModel:
    """Folders of one random model: Hugging Face layout, PEFT adapters by agent, FP32 IRs."""

    hf: Path
    peft: dict[AgentName, Path]
    ir: Path

    def torch_model(self) -> Any:
        """Load the model with all adapters in PyTorch + PEFT, FP32."""
        model: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained(self.hf, torch_dtype=torch.float32).eval()
        for number, (name, folder) in enumerate(self.peft.items()):
            if number == 0:
                model = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
            else:
                model.load_adapter(str(folder), adapter_name=name)
        return model.eval()


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Train a tiny byte-level BPE tokenizer with Qwen's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def make_config() -> Qwen2_5_VLConfig:
    """Return the real architecture at a toy size."""
    ids = {token: i for i, token in enumerate(SPECIAL)}
    vision = {
        "depth": 3, "hidden_size": 96, "intermediate_size": 128, "num_heads": 6, "out_hidden_size": 192, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 84, "fullatt_block_indexes": [2],
    }  # fmt: skip
    text = {
        "vocab_size": VOCAB, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 3, "tie_word_embeddings": True,
        "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 2048,
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
        "bos_token_id": ids["<|im_start|>"], "eos_token_id": ids["<|im_end|>"], "initializer_range": 0.08,
    }  # fmt: skip
    return Qwen2_5_VLConfig(
        vision_config=vision,
        text_config=text,
        tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )


def save_adapter(base: Any, folder: Path, *, invocation: list[int] | None, seed: int, gain: float = 1.0) -> Path:
    """Save a PEFT adapter with noise in lora_B, ``gain`` times as loud as usual."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM", alora_invocation_tokens=invocation
    )
    model = get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02 * gain)
    model.save_pretrained(str(folder))
    model.unload()
    return folder


def make_toy_model(folder: Path) -> ToyModel:
    """Build, save and export everything (about 25 s on two cores)."""
    from optimum.exporters.openvino import main_export

    torch.manual_seed(0)
    hf, ir = folder / "hf", folder / "ir"
    base = Qwen2_5_VLForConditionalGeneration(make_config()).eval()
    for name, parameter in base.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.05)
    with torch.no_grad():  # tied weights: logit 0, so that no answer holds a picture's tokens (ids 3 to 6)
        base.get_input_embeddings().weight[3:7] = 0.0
    base.save_pretrained(hf)
    make_tokenizer().save_pretrained(hf)
    Qwen2VLImageProcessor(min_pixels=3136, max_pixels=19600).save_pretrained(hf)
    main_export(str(hf), ir, task="image-text-to-text", library_name="transformers")
    represent = [SPECIAL.index("<|represent|>")]
    peft: dict[AgentName, Path] = {
        "recognition": save_adapter(base, folder / "peft" / "recognition", invocation=None, seed=1),
        "representation": save_adapter(base, folder / "peft" / "representation", invocation=represent, seed=2),
        "reasoning": save_adapter(base, folder / "peft" / "reasoning", invocation=None, seed=3),
    }
    return ToyModel(hf, peft, ir)


_IRS = {
    "vision_embeddings": "openvino_vision_embeddings_model",
    "vision_merger": "openvino_vision_embeddings_merger_model",
    "text_embeddings": "openvino_text_embeddings_model",
    "language_model": "openvino_language_model",
}


def make_bundle(toy: ToyModel, folder: Path, *, backbone: str, adapters: str) -> Bundle:
    """Assemble an unsigned bundle: ``backbone`` f32 or int4, ``adapters`` f32 or int8."""
    folder.mkdir(parents=True)
    roles: dict[str, Path] = {"tokenizer": toy.hf / "tokenizer.json"}
    for role, stem in _IRS.items():
        for kind in ("xml", "bin"):
            roles[f"{role}.{kind}"] = toy.ir / f"{stem}.{kind}"
    if backbone == "int4":
        model = ov.Core().read_model(roles["language_model.xml"])
        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=64, ratio=1.0)
        ov.save_model(model, folder / "language_model.xml", compress_to_fp16=False)
        for kind in ("xml", "bin"):
            roles[f"language_model.{kind}"] = folder / f"language_model.{kind}"
    specs = [
        build_adapter(
            path,
            name=name,
            base=toy.hf,
            base_digest=DIGEST,
            out_dir=folder,
            precision=adapters,  # type: ignore[arg-type]
        )
        for name, path in toy.peft.items()
    ]
    for spec in specs:
        for kind in ("xml", "bin"):
            roles[f"adapter.{spec.name}.{kind}"] = folder / f"adapter.{spec.name}.{kind}"
    manifest = make_manifest(toy, roles=roles, adapters=specs)
    return Bundle(folder, manifest, signed_by="nobody: a test bundle")


def make_manifest(toy: ToyModel, *, roles: dict[str, Path], adapters: list[AdapterSpec]) -> Manifest:
    """Declare the toy agents: Rec one view, Rep all views in two steps, Reason texts only."""
    tokenizer = Tokenizer.from_file(str(toy.hf / "tokenizer.json"))
    config = make_config()

    def agent(name: str, images: str, text: list[str], steps: list[str]) -> dict[str, Any]:
        prompt = PROMPTS[name].replace("{images}", "")
        return {
            "adapter": name,
            "inputs": {"images": images, "text": text},
            "steps": [
                {
                    "name": step, "prompt": PROMPTS[step], "contract": "schema", "output_schema": SCHEMAS[step],
                    "decided_fields": [n for n in SCHEMAS[step]["properties"] if n not in ("fixed", "stage")],
                    "generation": {"max_tokens": 200},
                }
                for step in steps
            ],
            "rendered_prompt": {"text": prompt, "token_ids": tokenizer.encode(prompt).ids},
        }  # fmt: skip

    return Manifest.model_validate(
        {
            "schema_version": 1, "name": "toy", "version": "0.0.1", "lineage": "toy", "clinical_use": False,
            "notice": "random weights", "licences": {}, "vocabulary_version": "0", "vocabulary_sha256": "0" * 64,
            "languages": ["en"], "recipe": {}, "census": [], "metrics": {},
            "files": [
                FileEntry(path=str(path), role=role, size_bytes=path.stat().st_size, sha256="0" * 64).model_dump()
                for role, path in roles.items()
            ],
            "backbone": {
                "architecture": "qwen2_5_vl", "content_digest": DIGEST, "hidden_size": 192, "num_hidden_layers": 3,
                "num_attention_heads": 6, "num_key_value_heads": 2, "vocab_size": VOCAB, "mrope_section": [4, 6, 6],
                "image_token_id": config.image_token_id, "vision_start_token_id": config.vision_start_token_id,
                "eos_token_ids": [SPECIAL.index("<|im_end|>"), 0], "pad_token_id": 0,
                "vision": {
                    k: v for k, v in config.vision_config.to_dict().items()
                    if k in ("hidden_size", "num_heads", "patch_size", "temporal_patch_size", "spatial_merge_size",
                             "window_size", "fullatt_block_indexes")
                },
            },
            "preprocessing": {
                "min_pixels": 3136, "max_pixels": 19600,
                "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
            },
            "adapters": [spec.model_dump() for spec in adapters],
            "agents": {
                "recognition": agent("recognition", "one", [], ["recognition"]),
                "representation": agent("representation", "all", [], ["representation", "pathogenesis"]),
                "reasoning": agent("reasoning", "none", ["representation", "intake"], ["reasoning"]),
            },
            "thresholds": {"lesion_visible": 0.5, "in_scope_family": 0.5, "danger_family": 0.5, "not_skin": 0.5},
            "canary": {"file": "canary.npz", "bounds": {"strict_max_abs": 1.0, "strict_min_argmax": 0.5}},
            "golden": {"file": "golden.zip", "count": 0},
        }
    )  # fmt: skip


def picture(seed: int, *, height: int = 140, width: int = 112) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a smooth random picture, uint8[H, W, 3] BGR."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / rng.uniform(3, 30) + y / rng.uniform(3, 30) + rng.uniform(0, 6)) for _ in range(3)]
    noise = rng.normal(0, 12, size=(height, width, 3))
    return np.clip(np.stack(waves, axis=-1) * 70 + 128 + noise, 0, 255).astype(np.uint8)
