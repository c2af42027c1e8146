"""Tensors of other shapes than the declared structure has."""

from __future__ import annotations

import pytest
import torch

from calibration.side_branch.structure import SCALE_KEY
from tests.simulators.side_branch import EXPERT, ROUTER, refuses
from tests.simulators.skin_checkpoint import SHARDS, BranchFolder, tiny_structure


@pytest.mark.parametrize("name", [ROUTER, EXPERT, "text_bias.2.weight", SCALE_KEY])
def test_wrong_shape(checkpoint: BranchFolder, name: str) -> None:
    """Each tensor's shape is checked: the message holds both."""
    checkpoint.tensors[name] = torch.zeros(5, 7, dtype=torch.bfloat16)
    checkpoint.write()
    refuses(checkpoint, name, SHARDS[1], "[5, 7]", str(list(tiny_structure().tensors()[name])))


def test_transposed_tensor(checkpoint: BranchFolder) -> None:
    """A transposed weight has another shape and is refused, not turned round."""
    checkpoint.tensors[EXPERT] = checkpoint.tensors[EXPERT].T.contiguous()
    checkpoint.write()
    refuses(checkpoint, EXPERT, "[16, 48]", "[48, 16]")


def test_branch_of_other_sizes(checkpoint: BranchFolder) -> None:
    """Without declared dimensions the published ones count, and a smaller branch does not fit them."""
    refuses(checkpoint, SHARDS[1], "the declared structure", "declare the dimensions", dimensions={})
