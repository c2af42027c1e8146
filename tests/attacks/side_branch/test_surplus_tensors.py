"""Tensors that no part of the branch takes, or that stand twice."""

from __future__ import annotations

import torch

from tests.simulators.side_branch import refuses
from tests.simulators.skin_checkpoint import SHARDS, BranchFolder


def test_surplus_tensor(checkpoint: BranchFolder) -> None:
    """A fifth expert would be dropped in silence by every loader."""
    checkpoint.tensors["distill_head.adapters.0.experts.4.net.0.weight"] = torch.zeros(16, 48)
    checkpoint.write()
    refuses(checkpoint, "distill_head.adapters.0.experts.4.net.0.weight", SHARDS[1], "no tensor of")


def test_projection_that_only_training_uses(checkpoint: BranchFolder) -> None:
    """`out_proj` belongs to distillation: a checkpoint with it is not the released one."""
    checkpoint.tensors["distill_head.out_proj.weight"] = torch.zeros(7, 48)
    checkpoint.write()
    refuses(checkpoint, "distill_head.out_proj.weight", "distillation")


def test_tensor_in_two_shards(checkpoint: BranchFolder) -> None:
    """Two values for one tensor would let the loader choose."""
    (checkpoint.path / SHARDS[0]).write_bytes((checkpoint.path / SHARDS[1]).read_bytes())
    refuses(checkpoint, "more than one file")
