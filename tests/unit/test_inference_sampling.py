"""Generation settings mean what transformers means by them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.contracts.manifest import Generation
from edge_agent.inference.sampling import Sampler, nucleus, penalised, repeated_ngram_ends, softmax

NONE = np.zeros(0, dtype=np.int64)


def logits(*values: float) -> NDArray[np.float32]:
    """float32 logits."""
    return np.array(values, dtype=np.float32)


def test_temperature_zero_is_greedy() -> None:
    """The largest logit wins whatever top-p says."""
    sampler = Sampler(Generation(max_tokens=1, temperature=0.0, top_p=0.1))
    assert [sampler.choose(logits(1, 3, 2), history=NONE) for _ in range(5)] == [1] * 5


def test_a_seed_repeats_a_run_and_another_seed_does_not() -> None:
    """The same settings give the same tokens; the seed is honoured."""
    flat = np.zeros(50, dtype=np.float32)

    def run(seed: int) -> list[int]:
        sampler = Sampler(Generation(max_tokens=1, temperature=1.0, seed=seed))
        return [sampler.choose(flat, history=NONE) for _ in range(20)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_forbidden_tokens_are_never_sampled() -> None:
    """-inf has probability 0 at any temperature."""
    sampler = Sampler(Generation(max_tokens=1, temperature=5.0))
    assert {sampler.choose(logits(-np.inf, 0, -np.inf, 0), history=NONE) for _ in range(50)} == {1, 3}


def test_top_p_keeps_the_token_that_crosses_the_limit() -> None:
    """transformers keeps tokens until the sum reaches top_p, the crossing one included."""
    kept = nucleus(np.array([0.1, 0.5, 0.3, 0.1]), top_p=0.6)
    assert kept == pytest.approx([0, 0.625, 0.375, 0])


def test_repetition_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    """Hand-computed: penalty 2 on tokens 0 and 1."""
    found = penalised(
        logits(4, -4, 4), history=np.array([0, 1, 1]), generation=Generation(max_tokens=1, repetition_penalty=2.0)
    )
    assert found.tolist() == [2, -8, 4]


def test_no_repeat_ngram_forbids_completing_a_seen_ngram() -> None:
    """After 5 6 ... 5 6 with n = 3 the token that followed before is forbidden."""
    assert repeated_ngram_ends([5, 6, 7, 1, 5, 6], size=3) == {7}
    assert repeated_ngram_ends([5, 6, 7, 1, 5, 6], size=0) == set()
    assert repeated_ngram_ends([5, 6], size=3) == set()


def test_the_grammar_comes_before_the_ngram_rule() -> None:
    """If everything allowed would repeat, the rule yields instead of leaving nothing."""
    history = np.array([1, 2, 1])
    settings = Generation(max_tokens=1, no_repeat_ngram=2)
    assert Sampler(settings).choose(logits(-np.inf, -np.inf, 0.0), history=history) == 2


def test_softmax_of_masked_logits() -> None:
    """exp(0) : exp(log 3) = 1 : 3, and -inf is 0."""
    assert softmax(logits(0, float(np.log(3)), -np.inf)) == pytest.approx([0.25, 0.75, 0.0], abs=1e-6)
