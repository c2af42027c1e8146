"""Keys in a spelling that matches nothing."""

from __future__ import annotations

from tests.simulators.side_branch import refuses
from tests.simulators.skin_checkpoint import BranchFolder


def test_data_parallel_prefix(checkpoint: BranchFolder) -> None:
    """Keys with torch's `module.` in front match nothing and are named."""
    checkpoint.tensors = {f"module.{name}": tensor for name, tensor in checkpoint.tensors.items()}
    checkpoint.write()
    refuses(checkpoint, "module.", "data-parallel")
