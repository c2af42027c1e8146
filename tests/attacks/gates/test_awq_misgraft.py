"""Attack: AWQ rescales up_proj and down_proj and nobody folds the scales into the adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_agent.contracts.bundle import Bundle
from edge_agent.inference.engine import Engine, EngineSettings
from tests.attacks.gates.conftest import Plant, fallen
from tests.attacks.gates.damage import awq_without_the_adapter, damaged

PROMPT = list(range(300, 340))


def test_the_bare_backbone_shows_nothing(shipped: Bundle, tmp_path: Path) -> None:
    """Without an adapter the rescaled graph computes the same logits: a bare test would pass it."""
    other = damaged(shipped, tmp_path / "damaged", part="language_model", edit=awq_without_the_adapter)
    rows = []
    for bundle in (shipped, other):
        with Engine(bundle, settings=EngineSettings(strict=True)) as engine:
            rows.append(engine.logits(PROMPT, adapter=None, last=8))
    assert np.abs(rows[0] - rows[1]).max() < 1e-3 * np.ptp(rows[0])


def test_with_adapters_it_is_noticed(plant: Plant) -> None:
    """The divergence with adapters on falls (Rep's adapter is on behind its invocation only), and the weights tell."""
    found = fallen(plant("language_model", awq_without_the_adapter).gates)
    assert {part for metric, part, _ in found if metric == "divergence"} >= {"recognition", "reasoning"}
    assert ("weight_error", "language_model", "all cases") in found
