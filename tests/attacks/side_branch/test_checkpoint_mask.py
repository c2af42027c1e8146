"""A checkpoint's vocabulary mask that is missing, another one, or none."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.simulators.side_branch import refuses
from tests.simulators.skin_checkpoint import MASK, BranchFolder, write_mask


def _mask(folder: BranchFolder, text: str) -> None:
    (folder.path / MASK).write_text(text, encoding="utf-8")
    folder.mask_sha256 = hashlib.sha256(text.encode()).hexdigest()


def test_missing_mask_file(checkpoint: BranchFolder) -> None:
    """Upstream runs without a mask and does nothing; here that is an error."""
    (checkpoint.path / MASK).unlink()
    refuses(checkpoint, MASK, "does nothing")


def test_other_mask_file(checkpoint: BranchFolder) -> None:
    """Another mask than the declared one."""
    write_mask(checkpoint.path, 60, seed=9)
    refuses(checkpoint, MASK, "sha256", checkpoint.mask_sha256)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (json.dumps([1] * 59), "59 entries"),
        (json.dumps([1] * 61), "61 entries"),
        (json.dumps([0] * 60), "no 1"),
        (json.dumps([2] * 60), "not an array of 0 and 1"),
        (json.dumps([0.5] * 60), "not an array of 0 and 1"),
        (json.dumps(["1"] * 60), "not an array of 0 and 1"),
        (json.dumps({"mask": [1] * 60}), "not an array of 0 and 1"),
        ("[" * 100_000, "not JSON"),
        ("mask", "not JSON"),
    ],
)
def test_mask_that_is_none(checkpoint: BranchFolder, text: str, named: str) -> None:
    """Another length, no 1, not binary, not an array, not JSON: each says so."""
    _mask(checkpoint, text)
    refuses(checkpoint, MASK, named)
