"""Load a checkpoint into PyTorch without copying it: its weights stay pages of their files, in the type they are stored in.

transformers maps a safetensors file and keeps its tensors as they lie there, as long as nobody asks for another type.
Linears and embeddings of 16 bits widen their own weight for each product, so that every sum is the float32 sum that a
copy in float32 would give, and one weight of them is in memory at a time. Does not trace and does not compress.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from calibration.checkpoint.headers import read_header
from edge_agent.errors import ExportError

_TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
_HALVES = (torch.bfloat16, torch.float16)
_BACKBONE = ("model.", "visual.", "lm_head.")
_ROWS_AT_ONCE = 1 << 27  # weights that are widened at once, 0.5 GB; every linear of a 7B decoder is below it


class WideningLinear(torch.nn.Linear):  # type: ignore[misc]  # torch is untyped here
    """A linear whose 16-bit weight becomes float32 for one product."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name
        """Return the float32 product; a head of many rows is taken in pieces."""
        rows = max(1, _ROWS_AT_ONCE // self.in_features)
        if self.out_features <= rows:
            return functional.linear(input, self.weight.float(), self.bias)
        pieces = [functional.linear(input, part.float()) for part in self.weight.split(rows)]
        whole = torch.cat(pieces, dim=-1)
        return whole if self.bias is None else whole + self.bias


class WideningEmbedding(torch.nn.Embedding):  # type: ignore[misc]  # torch is untyped here
    """An embedding whose rows become float32 when they are looked up."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name
        """Return the rows as float32."""
        return functional.embedding(input, self.weight).float()


_WIDENING: dict[type, type] = {torch.nn.Linear: WideningLinear, torch.nn.Embedding: WideningEmbedding}


def load_mapped(folder: Path) -> Any:
    """Return the backbone of a checkpoint with weights in their stored type, mapped.

    Weights of several types become float32 copies.

    Raises:
        ExportError: transformers refuses the checkpoint.
    """
    from transformers import Qwen2_5_VLForConditionalGeneration

    try:
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder, dtype=stored_type(folder), local_files_only=True, attn_implementation="sdpa"
        )
    except (OSError, ValueError, RuntimeError, KeyError) as exc:
        raise ExportError(f"transformers cannot load {folder}: {' '.join(str(exc).split())[:200]}") from exc
    return model.eval()


def stored_type(folder: Path) -> torch.dtype:
    """Return the one type of the backbone's tensors; float32 where there are several, which holds each exactly."""
    found = {
        tensor.dtype
        for path in folder.glob("*.safetensors")
        for tensor in read_header(path).tensors
        if tensor.name.startswith(_BACKBONE)
    }
    return _TYPES.get(found.pop(), torch.float32) if len(found) == 1 else torch.float32


def widen_on_use(model: torch.nn.Module) -> None:
    """Let a model of 16-bit weights compute in float32, in place: matrices where they are used, all others at once.

    Does nothing to a float32 model.
    """
    for module in model.modules():
        kind = _WIDENING.get(type(module))
        for name, weight in module.named_parameters(recurse=False):
            if weight.dtype not in _HALVES:
                continue
            if kind is not None and name == "weight":
                module.__class__ = kind
            else:
                weight.data = weight.data.float()
