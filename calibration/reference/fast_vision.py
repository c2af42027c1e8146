"""Run the vision tower of a Qwen2.5-VL model on many pictures of one size at once, for training.

transformers loops over attention windows picture by picture; on two cores that loop is a third of a training step.
This is the same function of the same weights (a test holds the two equal), never a second model.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision

from calibration.reference.model import MEAN, STD


def patchify(pixels: Tensor) -> Tensor:
    """Normalise and cut pictures into patches in merge order.

    Args:
        pixels: uint8[B, H, W, 3], RGB, H and W multiples of 28.

    Returns:
        float32[B, P, 1176], P = H/14 * W/14.
    """
    mean = torch.tensor(MEAN) * 255
    std = torch.tensor(STD) * 255
    x = ((pixels.float() - mean) / std).permute(0, 3, 1, 2)  # (B, 3, H, W)
    batch, channels, height, width = x.shape
    rows, cols = height // 14, width // 14
    x = x.unsqueeze(1).expand(batch, 2, channels, height, width)
    x = x.reshape(batch, 2, channels, rows // 2, 2, 14, cols // 2, 2, 14)
    x = x.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)  # (B, gh, gw, 2, 2, C, T, 14, 14)
    return x.reshape(batch, rows * cols, channels * 2 * 14 * 14)


class FastVision:
    """Encode pictures of one grid with a model's own vision tower.

    Args:
        model: the backbone; its weights are used in place and receive gradients.
    """

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration) -> None:
        self._visual = model.model.visual
        self._plans: dict[tuple[int, int], tuple[Tensor, Tensor, tuple[Tensor, Tensor], Tensor]] = {}

    def _plan(self, rows: int, cols: int) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], Tensor]:
        key = (rows, cols)
        if key not in self._plans:
            visual = self._visual
            thw = torch.tensor([[1, rows, cols]])
            rotary = visual.rot_pos_emb(thw)
            index, bounds = visual.get_window_index(thw)
            order = (index.unsqueeze(1) * 4 + torch.arange(4)).reshape(-1)
            edges = torch.unique_consecutive(torch.tensor(bounds))
            window = torch.bucketize(torch.arange(rows * cols), edges, right=True)
            mask = window.unsqueeze(0) == window.unsqueeze(1)
            angles = torch.cat((rotary[order], rotary[order]), dim=-1)
            self._plans[key] = (order, mask, (angles.cos(), angles.sin()), torch.argsort(index))
        return self._plans[key]

    def __call__(self, patches: Tensor, *, rows: int, cols: int) -> Tensor:
        """Return merged tokens, float[B, P/4, hidden], in picture order.

        Args:
            patches: float32[B, P, 1176] of ``patchify``.
            rows, cols: patches per column and row of the grid.
        """
        order, mask, (cos, sin), back = self._plan(rows, cols)
        visual, batch = self._visual, patches.shape[0]
        hidden = visual.patch_embed(patches.reshape(-1, patches.shape[-1])).reshape(batch, rows * cols, -1)
        hidden = hidden[:, order]
        for number, block in enumerate(visual.blocks):
            full = number in visual.fullatt_block_indexes
            hidden = hidden + self._attend(block.attn, block.norm1(hidden), None if full else mask, (cos, sin))
            hidden = hidden + block.mlp(block.norm2(hidden))
        merged = visual.merger(hidden.reshape(-1, hidden.shape[-1])).reshape(batch, rows * cols // 4, -1)
        return merged[:, back]

    @staticmethod
    def _attend(attention: torch.nn.Module, x: Tensor, mask: Tensor | None, turn: tuple[Tensor, Tensor]) -> Tensor:
        batch, length, width = x.shape
        q, k, v = attention.qkv(x).reshape(batch, length, 3, attention.num_heads, -1).unbind(2)
        q, k = apply_rotary_pos_emb_vision(q, k, *turn)
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2).to(v.dtype), k.transpose(1, 2).to(v.dtype), v.transpose(1, 2), attn_mask=mask
        )
        return attention.proj(out.transpose(1, 2).reshape(batch, length, width))
