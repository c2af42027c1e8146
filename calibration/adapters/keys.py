"""Read PEFT's tensor keys: which linear, which factor, and which transformers wrote them.

A key is ``base_model.model.<module>.lora_A|lora_B.weight``. ``<module>`` is today's path, or the one of transformers
before 4.52, whose language model had no name of its own (``model.layers``, and the tower was ``visual``). A model that
was wrapped by ``get_peft_model`` twice repeats the prefix. Both are read; everything else is refused by name.
Source: PEFT 0.21.2, ``utils/save_and_load.py``; transformers 4.57.6, ``Qwen2_5_VLForConditionalGeneration``'s
``_checkpoint_conversion_mapping``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibration.adapters.base import LANGUAGE, VISION, Part
from edge_agent.errors import ExportError

PREFIX = "base_model.model."
_KEY = re.compile(
    r"^(?P<wrappers>(?:base_model\.model\.)+)(?P<root>model\.language_model\.|model\.)"
    r"(?P<module>layers\.\d+\.(?:self_attn|mlp)\.\w+)\.lora_(?P<factor>[AB])\.weight$"
)
# What to train instead, by part: the same words whether the file or only the configuration names the part.
REMEDIES = {
    Part.VISION_TOWER: "one vision tower serves all agents and runs once per view; train again with "
    "exclude_modules = '.*visual.*' in the LoraConfig",
    Part.PROJECTOR: "one projector serves all agents and runs once per view; train again with "
    "exclude_modules = '.*visual.*' in the LoraConfig",
    Part.PATCH_EMBEDDING: "one vision tower serves all agents; train again with exclude_modules = '.*visual.*' in the "
    "LoraConfig",
    Part.OUTPUT_HEAD: "the device computes logits only where they are read, behind the adapters; train again without "
    "lm_head in target_modules",
    Part.EMBEDDING: "the device reads embeddings from one table for all agents; train again without "
    "embed_tokens in target_modules",
}
# First match wins. What the key belongs to, and what to do.
_REASONS = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (
            r"lora_magnitude",
            "is DoRA's magnitude vector, which no shared backbone can carry; train with use_dora=False",
        ),
        (r"lora_embedding_[AB]", f"is a LoRA of the embeddings: {REMEDIES[Part.EMBEDDING]}"),
        (
            r"trainable_tokens|token_adapter",
            "holds retrained token embeddings; train without trainable_token_indices and put new tokens into the base",
        ),
        (
            r"absmax|quant_map|quant_state|nested_|\bSCB\b|qweight|qzeros|g_idx|scales$|weight_scale|weight_format",
            "belongs to a quantized adapter; save its factors as bfloat16 or float32",
        ),
        (r"lora_E|ranknum", "belongs to AdaLoRA; train a plain LoRA"),
        (r"hada_[wt]", "belongs to LoHa; train a LoRA"),
        (r"lokr_[wt]", "belongs to LoKr; train a LoRA"),
        (r"ia3_l", "belongs to IA3; train a LoRA"),
        (r"prompt_embeddings|prompt_encoder", "belongs to prompt tuning; train a LoRA"),
        (r"lora_[AB].*\.bias$", "is a bias of a factor; train with lora_bias=False"),
        (r"lm_head.*\.lora_", f"is a LoRA of the output head: {REMEDIES[Part.OUTPUT_HEAD]}"),
        (r"visual\.merger\.", f"is a LoRA of the projector: {REMEDIES[Part.PROJECTOR]}"),
        (r"visual\.patch_embed\.", f"is a LoRA of the patch embedding: {REMEDIES[Part.PATCH_EMBEDDING]}"),
        (r"visual\.", f"is a LoRA of the vision tower: {REMEDIES[Part.VISION_TOWER]}"),
        (
            r"\.lora_[AB]\.[^.]+\.weight$",
            "carries an adapter's name, PEFT would ignore it in silence; save with PeftModel.save_pretrained",
        ),
        (r"^(?!base_model\.model\.)", f"lacks PEFT's prefix {PREFIX}; save with PeftModel.save_pretrained"),
        (
            r"modules_to_save|^((?!lora_).)*\.(weight|bias)$",
            "is a whole weight (modules_to_save or resized embeddings), which all agents get; train without modules_to_save",
        ),
    )
)
_ACTIVATED_VISION = (
    "is a vision LoRA of an activated LoRA: a picture's patches have no invocation, PEFT fails on them; train again with "
    "exclude_modules = '.*visual.*' in the LoraConfig"
)


@dataclass(frozen=True, slots=True)
class KeyGeneration:
    """How the modules were called when the adapter was trained.

    Attributes:
        is_old: transformers before 4.52.
        wrappers: how often ``get_peft_model`` wrapped the model; 1 is usual.
    """

    is_old: bool = False
    wrappers: int = 1

    @property
    def name(self) -> Literal["model.layers", "model.language_model.layers"]:
        """Return the generation as the keys spell it."""
        return "model.layers" if self.is_old else "model.language_model.layers"

    @property
    def remap(self) -> str:
        """Return what was replaced in every key, for the record; ``none`` where nothing was."""
        steps = [f"{PREFIX * self.wrappers} -> {PREFIX}"] if self.wrappers > 1 else []
        steps += ["model.layers. -> model.language_model.layers."] if self.is_old else []
        return ", ".join(steps) or "none"

    def trained_name(self, path: str) -> str:
        """Return what a module was called in training; PEFT matched its patterns with this name, not with today's."""
        if self.is_old and path.startswith(LANGUAGE):
            path = "model." + path.removeprefix(LANGUAGE)
        elif self.is_old and path.startswith(VISION):
            path = "visual." + path.removeprefix(VISION)
        return PREFIX * (self.wrappers - 1) + path

    def key(self, path: str, factor: Literal["A", "B"]) -> str:
        """Return the key of one factor as a file of this generation spells it."""
        return f"{PREFIX}{self.trained_name(path)}.lora_{factor}.weight"


@dataclass(frozen=True, slots=True)
class LoraKey:
    """One tensor's place: today's module ``path``, its ``factor``, and the generation of its spelling."""

    path: str
    factor: Literal["A", "B"]
    generation: KeyGeneration


def read_key(key: str, *, file: Path, is_activated: bool) -> LoraKey:
    """Read one key of an adapter file.

    Does not look at the base: whether it has such a layer is ``calibration.adapters.targets``' question.

    Args:
        key: the tensor's name in the file.
        file: for the message.
        is_activated: the adapter is an activated LoRA.

    Raises:
        ExportError: the tensor belongs to something that a device cannot carry; says what and what to do.
    """
    match = _KEY.match(key)
    if match is None:
        raise ExportError(f"{file}: the tensor {key} {_reason(key, is_activated=is_activated)}")
    wrappers = len(match["wrappers"]) // len(PREFIX)
    return LoraKey(
        path=LANGUAGE + match["module"],
        factor="A" if match["factor"] == "A" else "B",
        generation=KeyGeneration(is_old=match["root"] == "model.", wrappers=wrappers),
    )


def _reason(key: str, *, is_activated: bool) -> str:
    if is_activated and "visual." in key:
        return _ACTIVATED_VISION
    fallback = "is of no kind that this program knows; train a plain LoRA on the language model's linears"
    return next((text for pattern, text in _REASONS if pattern.search(key)), fallback)
