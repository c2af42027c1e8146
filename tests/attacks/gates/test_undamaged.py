"""The bundle as it is passes its own gates: what the damages bring down is not down already."""

from __future__ import annotations

from calibration.evaluation.evaluate import Evaluation
from tests.attacks.gates.conftest import fallen, gates_for_few_cases


def test_the_whole_bundle_passes(undamaged: Evaluation) -> None:
    """No gate falls, and every agent was teacher-forced."""
    assert fallen(undamaged.gates) == set()
    judged = {(row.gate.metric, row.part) for row in undamaged.gates}
    assert {("divergence", agent) for agent in ("recognition", "representation", "reasoning")} <= judged
    assert len(undamaged.gates) > len(gates_for_few_cases())  # groups and fields were taken apart
