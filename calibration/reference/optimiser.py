"""One optimiser for a stage that trains whole networks: Muon for hidden matrices, AdamW for everything else.

Muon (Jordan et al., 2024; ``torch.optim.Muon``) orthogonalises each matrix's update. On the reference tower it
reaches in 250 steps of 48 pictures the loss that AdamW alone reaches in 750.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

INNER = 1.0  # scale of fan-in initialisation, in units of 1 / sqrt(inputs)
RESIDUAL = 0.5  # the same for matrices that write into the residual stream
EMBEDDING = 0.05
_WRITERS = ("o_proj.weight", "down_proj.weight", "attn.proj.weight")


class MatrixOptimiser:
    """Step a list of named parameters; both optimisers follow one learning rate.

    Args:
        named: (name, parameter) pairs; a two-dimensional one is a hidden matrix unless its name says embedding.
        weight_decay: of both.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], *, weight_decay: float) -> None:
        rows = list(named)
        hidden = [p for name, p in rows if p.ndim == 2 and "embed" not in name and "lora_" not in name]
        chosen = {id(p) for p in hidden}
        rest = [p for _, p in rows if id(p) not in chosen]
        self.parameters = [p for _, p in rows]
        self._parts: list[torch.optim.Optimizer] = []
        if hidden:
            self._parts.append(
                torch.optim.Muon(hidden, lr=0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            )
        if rest:
            self._parts.append(
                torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True)
            )

    def descend(self, loss: torch.Tensor, *, rate: float) -> None:
        """Take one step down the gradient of ``loss``, clipped to norm 1, at learning rate ``rate``."""
        for part in self._parts:
            part.zero_grad(set_to_none=True)
            for group in part.param_groups:
                group["lr"] = rate
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for part in self._parts:
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """Return the state of both optimisers."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, state: Sequence[dict[str, Any]]) -> None:
        """Restore what ``state_dict`` returned."""
        for part, row in zip(self._parts, state, strict=True):
            part.load_state_dict(row)


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def initialise(model: nn.Module, *, seed: int) -> None:
    """Draw all weights anew with a spread that fits a narrow network.

    transformers draws every matrix with a deviation of 0.02, made for widths of thousands; at a width of 192 signals
    fade from layer to layer and the first hundreds of steps are lost.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            continue
        if "embed_tokens" in name:
            spread = EMBEDDING
        else:
            spread = (RESIDUAL if name.endswith(_WRITERS) else INNER) * parameter[0].numel() ** -0.5
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
