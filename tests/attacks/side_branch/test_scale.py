"""A scale that switches the branch off, or is not the checkpoint's."""

from __future__ import annotations

import torch

from calibration.side_branch.structure import SCALE_KEY
from tests.simulators.side_branch import refuses
from tests.simulators.skin_checkpoint import BranchFolder


def test_scale_of_zero(checkpoint: BranchFolder) -> None:
    """A branch that was switched off by its scale is no branch."""
    checkpoint.tensors[SCALE_KEY] = torch.tensor(0.0)
    checkpoint.write()
    refuses(checkpoint, SCALE_KEY, "do nothing")


def test_declared_scale_is_the_checkpoints(checkpoint: BranchFolder) -> None:
    """A declared scale that the checkpoint does not have is refused with both numbers."""
    refuses(checkpoint, SCALE_KEY, "2.0", "2.5", scale=2.0)
