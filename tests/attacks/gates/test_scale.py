"""Attack: scales are 1.2 times too large, which no checksum, census or shape shows."""

from __future__ import annotations

import pytest

from calibration.evaluation.gates import require
from edge_agent.errors import QualityGateError
from tests.attacks.gates.conftest import Plant, fallen
from tests.attacks.gates.damage import LAYER, scale_one_layer, scale_one_linear, scale_one_vision_linear


def test_a_layers_scales_are_noticed_in_the_answers(plant: Plant) -> None:
    """Every linear of one layer: the divergence gates fall, and the refusal names metric and agent."""
    gates = plant("language_model", scale_one_layer).gates
    assert ("divergence", "representation", "all cases") in fallen(gates)
    with pytest.raises(QualityGateError, match="divergence of representation, all cases"):
        require([row for row in gates if row.gate.metric == "divergence"])


def test_one_linears_scale_is_noticed_in_the_weights(plant: Plant) -> None:
    """One linear of a small model moves its answers less than INT4's rounding does; its weights tell, by name."""
    gates = plant("language_model", scale_one_linear).gates
    [row] = [one for one in gates if one.gate.metric == "weight_error" and not one.is_met]
    assert row.part == "language_model"
    assert f"{LAYER}.mlp.down_proj" in row.line()


def test_one_vision_linears_scale_is_noticed_in_the_weights(plant: Plant) -> None:
    """The tower's weights are compared like the language model's, and its fault is told as its own."""
    gates = plant("vision_merger", scale_one_vision_linear).gates
    [row] = [one for one in gates if one.gate.metric == "weight_error" and not one.is_met]
    assert (row.part, "blocks.0.mlp.down_proj" in row.line()) == ("vision_merger", True)
