"""What an arithmetic changed is counted decision by decision: shares, the largest and the mean change."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_agent.inference.forced_answers import ForcedAnswer, ForcedDecision
from scripts.arithmetic_main import Effect, Forced, chances, printed


def decision(*chance: float, rest: float = 0.0) -> ForcedDecision:
    """A choice among tokens 0, 1, ... with these probabilities, and ``rest`` for all others."""
    logits = np.log(np.array(chance, dtype=np.float32))
    left = math.log(rest) if rest else -math.inf
    return ForcedDecision(None, np.arange(len(chance)), logits, left, int(np.argmax(logits)))


def case(*decisions: ForcedDecision) -> Forced:
    """One case: Reason's one answer with these decisions."""
    return {"reasoning": [(ForcedAnswer((), np.zeros(0, dtype=np.int64), decisions),)]}


def test_probabilities_include_all_other_tokens() -> None:
    """0.5 and 0.3 watched, 0.2 for the rest."""
    np.testing.assert_allclose(chances(decision(0.5, 0.3, rest=0.2)), [0.5, 0.3, 0.2], atol=1e-6)


def test_a_flip_and_a_shift_are_counted() -> None:
    """Of two decisions one flips and moves by 0.4, the other moves by 0.1 in what was not watched."""
    effect = Effect(answers=4, answers_differing=1, seconds=[9.0, 9.0, 9.0, 1.0, 2.0, 3.0])
    effect.add(
        case(decision(0.7, 0.3), decision(0.6, 0.4, rest=0.0)),
        case(decision(0.3, 0.7), decision(0.6, 0.3, rest=0.1)),
    )
    found = effect.as_data()
    assert (found["decisions"], found["decisions_differing"]) == (2, 0.5)
    assert found["max_change"] == pytest.approx(0.4, abs=1e-4)
    assert found["mean_change"] == pytest.approx(0.25, abs=1e-4)
    assert (found["answers_differing"], found["case_s"]) == (0.25, 2.0)


def test_the_table_has_a_row_per_combination() -> None:
    """One combination: its settings, shares with their counts, seconds."""
    row = {"precision": "f32", "kv_precision": "u8", "activation_group_size": 32, "decisions": 50}
    row |= {"decisions_differing": 0.02, "max_change": 0.25, "mean_change": 0.001, "answers": 10}
    text = printed({"rows": [row | {"answers_differing": 0.1, "case_s": 0.5}]})
    line = "| f32 | u8 | 32 | 0.0200 of 50 | 0.2500 | 0.00100 | 0.100 of 10 | 0.500 |"
    assert text.splitlines()[2] == line
