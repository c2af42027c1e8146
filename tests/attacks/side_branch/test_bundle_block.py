"""A bundle whose block does not fit its files, or is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edge_agent.errors import EdgeError, Incompatible, RejectedError
from tests.simulators.bundles import SignedFolder
from tests.simulators.side_branch import rejected


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda d: d.update(side_branch=None), RejectedError, "does not declare: it would be ignored"),
        (lambda d: d["side_branch"].update(base_digest="c" * 64), Incompatible, "another backbone"),
        (lambda d: d["side_branch"].update(patch_features=588), Incompatible, "patches of 588 values.*1176"),
        (lambda d: d["side_branch"].update(files=["x.xml", "side_branch.bin"]), RejectedError, "role side_branch.xml"),
        (lambda d: d["side_branch"].update(scale=0), RejectedError, "side_branch.*do nothing"),
        (lambda d: d["side_branch"].update(policy="always"), RejectedError, "side_branch.policy"),
        (lambda d: d["side_branch"].update(images="all"), RejectedError, "side_branch.images"),
        (lambda d: d["side_branch"].pop("policy"), RejectedError, "side_branch.policy"),
        (lambda d: d["side_branch"].pop("mask"), RejectedError, "side_branch.mask"),
        (lambda d: d["side_branch"].update(news=1), RejectedError, "side_branch.news"),
    ],
)
def test_block_that_does_not_fit(
    bundle: SignedFolder, change: Callable[[dict[str, Any]], object], error: type[EdgeError], match: str
) -> None:
    """Undeclared, of another backbone or patch size, switched off, or without a declared policy: refused by name."""
    change(bundle.document)
    rejected(bundle, error, match)
