"""The benchmark's own check that grafted and merged adapters are one function, and that it can fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_agent.inference.adapters import Adapter, Factor
from scripts.speed import parity
from tests.parity.conftest import BundleOf


def silent(line: str) -> None:
    """Nobody reads along."""


def test_grafted_and_merged_adapters_agree(bundle_of: BundleOf) -> None:
    """FP32 logits of the three adapters at all positions are within the benchmark's bound."""
    assert parity.logit_difference(bundle_of("f32", "f32"), tell=silent) <= parity.MAX_LOGIT_DIFFERENCE


def test_an_adapter_that_is_merged_twice_as_loud_is_found(bundle_of: BundleOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubling one adapter's B on the merged side alone moves logits far beyond the bound."""
    add = parity._add

    def louder(model: Any, adapter: Adapter) -> None:
        def twice(factor: Factor) -> Factor:
            return replace(factor, codes=2 * factor.codes)

        branches = {path: replace(branch, b=twice(branch.b)) for path, branch in adapter.branches.items()}
        add(model, replace(adapter, branches=branches))

    monkeypatch.setattr(parity, "_add", louder)
    assert parity.logit_difference(bundle_of("f32", "f32"), tell=silent) > 10 * parity.MAX_LOGIT_DIFFERENCE
