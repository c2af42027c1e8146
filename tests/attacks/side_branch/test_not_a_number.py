"""Values that are no numbers."""

from __future__ import annotations

import pytest

from tests.simulators.side_branch import ROUTER, refuses
from tests.simulators.skin_checkpoint import SHARDS, BranchFolder


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_numbers(checkpoint: BranchFolder, value: float) -> None:
    """One NaN in one router."""
    checkpoint.tensors[ROUTER][0, 0] = value
    checkpoint.write()
    refuses(checkpoint, ROUTER, SHARDS[1], "not numbers")
