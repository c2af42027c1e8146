"""A prompt in many small passes is the prompt in one, whatever the rows' lengths, and a broken one leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_agent.errors import InferenceError
from edge_agent.inference.engine import Engine, EngineSettings
from edge_agent.inference.sequence import Sequence
from tests.parity.conftest import BundleOf

WHOLE = EngineSettings(strict=True, prefill_chunk=None)
BOUND = 1e-4  # f32: the same sums in another order


@pytest.fixture(scope="module")
def whole(bundle_of: BundleOf) -> Iterator[Engine]:
    """The off switch: everything in one pass."""
    with Engine(bundle_of("f32", "int8"), settings=WHOLE) as engine:
        yield engine


def chunked(bundle_of: BundleOf, chunk: int, **more: Any) -> Engine:
    """An engine with passes of ``chunk`` tokens."""
    return Engine(bundle_of("f32", "int8"), settings=EngineSettings(strict=True, prefill_chunk=chunk, **more))


def conversations(engine: Engine, lengths: list[int]) -> list[Sequence]:
    """Random texts of these lengths under the reasoning adapter; no two begin alike."""
    gate = engine._open().gates["reasoning"]
    return [
        engine._turns().of_ids([20 + row, *range(30, 29 + length)], views=(), gate=gate)
        for row, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("chunk", [1, 16, 60])
def test_logits_of_all_positions_are_those_of_one_pass(bundle_of: BundleOf, whole: Engine, chunk: int) -> None:
    """60 tokens, all logits wanted, in passes of 1, 16 and 60: each row stands at its place."""
    ids = list(range(20, 80))
    whole.forget()
    expected = whole.logits(ids, adapter="reasoning", last=60)
    with chunked(bundle_of, chunk) as engine:
        np.testing.assert_allclose(engine.logits(ids, adapter="reasoning", last=60), expected, atol=BOUND)


@pytest.mark.parametrize("gather_head", [True, False])
def test_the_last_logits_are_those_of_one_pass(bundle_of: BundleOf, whole: Engine, gather_head: bool) -> None:
    """The last 20 of 60 in passes of 16, which cut through the wanted ones; with the head's gather and without."""
    ids = list(range(20, 80))
    whole.forget()
    expected = whole.logits(ids, adapter="recognition", last=20)
    with chunked(bundle_of, 16, gather_head=gather_head) as engine:
        np.testing.assert_allclose(engine.logits(ids, adapter="recognition", last=20), expected, atol=BOUND)


def test_rows_of_different_length_answer_as_alone(bundle_of: BundleOf, whole: Engine) -> None:
    """140, 6 and 138 tokens in one batch: the short row joins late instead of being padding, and sees what it sees alone."""
    lengths = [140, 6, 138]
    with chunked(bundle_of, 4096) as engine:
        found = engine._open().language.advance(conversations(engine, lengths))
        assert engine.tokens_computed == 2 * 134 + 3 * 6
    for row, conversation in enumerate(conversations(whole, lengths)):
        whole.forget()
        np.testing.assert_allclose(found[row], whole._open().language.advance([conversation])[0], atol=BOUND)


def test_rows_that_joined_late_go_on(bundle_of: BundleOf, whole: Engine) -> None:
    """The next tokens behind such a batch are computed from the cache, and are those of a fresh conversation."""
    lengths = [140, 6, 138]
    with chunked(bundle_of, 32) as engine:
        begun = conversations(engine, lengths)
        engine._open().language.advance(begun)
        before = engine.tokens_computed
        found = engine._open().language.advance([one.with_tokens([40 + row, 50]) for row, one in enumerate(begun)])
        assert engine.tokens_computed - before == 2 * len(lengths)
    for row, one in enumerate(conversations(whole, lengths)):
        whole.forget()
        expected = whole._open().language.advance([one.with_tokens([40 + row, 50])])
        np.testing.assert_allclose(found[row], expected[0], atol=BOUND)


class FailingRequest:
    """An infer request of the runtime that runs out of memory once, at its n-th call."""

    def __init__(self, request: Any, *, at: int) -> None:
        self._request, self._left = request, at

    def infer(self, *inputs: Any, **options: Any) -> Any:
        """Run, or fail."""
        self._left -= 1
        if self._left == 0:
            raise RuntimeError("out of memory")
        return self._request.infer(*inputs, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def test_a_pass_that_fails_leaves_nothing_behind(bundle_of: BundleOf, whole: Engine) -> None:
    """The third pass fails: the same question is then computed whole, and answered as ever."""
    ids = list(range(20, 80))
    with chunked(bundle_of, 16) as engine:
        language = engine._open().language
        language._language = FailingRequest(language._language, at=3)
        with pytest.raises(InferenceError, match="the language model cannot run: out of memory"):
            engine.logits(ids, adapter="reasoning")
        before = engine.tokens_computed
        found = engine.logits(ids, adapter="reasoning")
        assert engine.tokens_computed - before == len(ids)
    whole.forget()
    np.testing.assert_allclose(found, whole.logits(ids, adapter="reasoning"), atol=BOUND)
