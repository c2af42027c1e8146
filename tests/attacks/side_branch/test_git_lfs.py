"""A shard that was never downloaded."""

from __future__ import annotations

from tests.simulators.side_branch import refuses
from tests.simulators.skin_checkpoint import SHARDS, BranchFolder


def test_git_lfs_pointer(checkpoint: BranchFolder) -> None:
    """A pointer instead of the shard."""
    (checkpoint.path / SHARDS[1]).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    refuses(checkpoint, SHARDS[1], "Git-LFS pointer")
