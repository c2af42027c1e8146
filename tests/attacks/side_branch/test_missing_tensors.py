"""A checkpoint that lacks a tensor, or a whole shard of them."""

from __future__ import annotations

from tests.simulators.side_branch import EXPERT, refuses
from tests.simulators.skin_checkpoint import INDEX, SHARDS, BranchFolder


def test_missing_tensor(checkpoint: BranchFolder) -> None:
    """One expert's weight less: its name and its shard."""
    del checkpoint.tensors[EXPERT]
    checkpoint.write()
    refuses(checkpoint, EXPERT, SHARDS[1], "lacks")


def test_missing_shard(checkpoint: BranchFolder) -> None:
    """A shard that the index names is not there."""
    (checkpoint.path / SHARDS[1]).unlink()
    refuses(checkpoint, SHARDS[1], INDEX)
