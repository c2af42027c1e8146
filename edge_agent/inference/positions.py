"""Compute the indices that Qwen2.5-VL wants beside its tensors: windows, 2-D rotary angles, M-RoPE ids.

Source: transformers 4.57.6, models/qwen2_5_vl/modeling_qwen2_5_vl.py (``get_window_index``, ``rot_pos_emb``,
``get_rope_index``). Pictures only, one at a time; video frames are not supported.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.manifest import VisionSpec

Grid = tuple[int, int, int]  # (t, h, w) in patches
_ROTARY_BASE = 10000.0


def window_index(grid: Grid, *, vision: VisionSpec) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order the merged tokens window by window.

    Args:
        grid: (t, h, w) in patches.
        vision: window, patch and merge sizes.

    Returns:
        int64[N] window order of the N merged tokens, and int64[W + 1] window borders in patches.
    """
    unit = vision.spatial_merge_size**2
    side = vision.window_size // vision.spatial_merge_size // vision.patch_size
    t, h, w = grid[0], grid[1] // vision.spatial_merge_size, grid[2] // vision.spatial_merge_size
    padded = np.full((t, -(-(h + 1) // side) * side, -(-(w + 1) // side) * side), -1, dtype=np.int64)
    padded[:, :h, :w] = np.arange(t * h * w).reshape(t, h, w)
    blocks = padded.reshape(t, padded.shape[1] // side, side, padded.shape[2] // side, side)
    blocks = blocks.transpose(0, 1, 3, 2, 4).reshape(-1, side * side)
    lengths = (blocks >= 0).sum(axis=1)
    borders = np.concatenate([[0], np.cumsum(lengths[lengths > 0]) * unit])
    return blocks[blocks >= 0], borders.astype(np.int64)


def window_mask(borders: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return float32[1, P, P]: 0 inside a window, -inf between windows; ``borders`` in patches."""
    count = int(borders[-1])
    owner = np.repeat(np.arange(len(borders) - 1), np.diff(borders))
    mask = np.zeros((1, count, count), dtype=np.float32)
    mask[0][owner[:, None] != owner[None, :]] = -np.inf
    return mask


def rotary_angles(grid: Grid, *, vision: VisionSpec) -> NDArray[np.float32]:
    """Return float32[P, head_dim / 2], the 2-D rotary angles of every patch in merge order."""
    m = vision.spatial_merge_size
    t, h, w = grid
    dim = vision.hidden_size // vision.num_heads // 2
    inverse = np.float32(1.0) / np.float32(_ROTARY_BASE) ** (np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim))
    rows = np.broadcast_to(np.arange(h)[:, None], (h, w))
    columns = np.broadcast_to(np.arange(w)[None, :], (h, w))
    ids = [a.reshape(h // m, m, w // m, m).transpose(0, 2, 1, 3).reshape(-1) for a in (rows, columns)]
    angles = [np.outer(i.astype(np.float32), inverse) for i in ids]
    return np.tile(np.concatenate(angles, axis=1), (t, 1)).astype(np.float32)


def text_positions(count: int, *, start: int) -> NDArray[np.int64]:
    """Return int64[3, count], M-RoPE ids of text: all three sections run together from ``start``."""
    return np.broadcast_to(np.arange(start, start + count, dtype=np.int64), (3, count))


def image_positions(grid: Grid, *, vision: VisionSpec, start: int) -> NDArray[np.int64]:
    """Return int64[3, N], M-RoPE ids (time, height, width) of one picture's N merged tokens, all from ``start``.

    The text behind the picture goes on at ``max + 1``. A still has one time step, so time stays at ``start``.
    """
    t, h, w = grid[0], grid[1] // vision.spatial_merge_size, grid[2] // vision.spatial_merge_size
    ids = np.indices((t, h, w)).reshape(3, -1).astype(np.int64)
    ids[0] = 0
    return ids + start
