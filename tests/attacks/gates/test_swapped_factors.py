"""Attack: A and B of an adapter have changed places in its square targets; shapes and coverage stay right."""

from __future__ import annotations

from tests.attacks.gates.conftest import Plant, fallen
from tests.attacks.gates.damage import swap_factors


def test_swapped_factors_are_noticed(plant: Plant) -> None:
    """Rec's gates fall on divergence and on accuracy; the other agents, whose adapters are whole, keep theirs."""
    found = fallen(plant("adapter.recognition", swap_factors).gates)
    assert ("divergence", "recognition", "all cases") in found
    assert ("field_accuracy_loss", "mean", "all cases") in found
    assert not {row for row in found if row[1] in ("representation", "reasoning")}
