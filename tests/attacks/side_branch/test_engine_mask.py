"""A mask that the engine reads and does not believe."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import RejectedError
from edge_agent.inference.side_branch import read_mask
from tests.simulators.side_branch import spec_of


@pytest.mark.parametrize(
    ("data", "ones", "match"),
    [
        (b"\1" * 59, 59, "59 entries"),
        (b"\2" * 60, 60, "not a mask of 0 and 1"),
        (b"\1" * 60, 59, "with 59 ones"),
    ],
)
def test_mask_read_by_the_engine(tmp_path: Path, data: bytes, ones: int, match: str) -> None:
    """The engine trusts its own reading, not the manifest's sizes: length, values and count again."""
    (tmp_path / "m").write_bytes(data)
    spec = spec_of(np.arange(60) % 2)
    mask = spec.mask.model_copy(update={"sha256": hashlib.sha256(data).hexdigest(), "ones": ones})
    with pytest.raises(RejectedError, match=match):
        read_mask(tmp_path / "m", spec=spec.model_copy(update={"mask": mask}), vocab_size=60)
    with pytest.raises(RejectedError, match="sha256"):
        read_mask(tmp_path / "m", spec=spec, vocab_size=60)
    with pytest.raises(RejectedError, match="cannot be read"):
        read_mask(tmp_path / "nothing", spec=spec, vocab_size=60)
