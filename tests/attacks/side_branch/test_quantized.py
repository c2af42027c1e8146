"""Codes in place of weights."""

from __future__ import annotations

import torch

from tests.simulators.side_branch import EXPERT, refuses
from tests.simulators.skin_checkpoint import SHARDS, BranchFolder


def test_quantized_tensor(checkpoint: BranchFolder) -> None:
    """Codes without scales are no weights."""
    checkpoint.tensors[EXPERT] = torch.zeros(48, 16, dtype=torch.int8)
    checkpoint.write()
    refuses(checkpoint, EXPERT, SHARDS[1], "I8")
