"""Every optimisation has an off switch and gives what the plain way gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_agent.contracts.case import AgentOutput, Request
from edge_agent.contracts.manifest import AgentName
from edge_agent.inference.engine import Engine, EngineSettings
from tests.parity.conftest import BundleOf
from tests.parity.toy_model import picture

TEXTS = {"representation": "colour bright_red\nscale none", "intake": "tongue 舌红苔黄\npulse 脉数"}
ON: dict[str, Any] = {
    "reuse_prefix": True,
    "skip_forced": True,
    "batch_views": True,
    "share_a": True,
    "stack_projections": True,
    "gather_head": True,
    "lookup_embeddings": True,
    "prefill_chunk": 7,  # far below any prompt here, so that every prompt takes many passes
}
OFF: dict[str, Any] = {name: None if name == "prefill_chunk" else False for name in ON}
PLAIN = EngineSettings(strict=True, **OFF)


@pytest.fixture(scope="module")
def plain(bundle_of: BundleOf) -> Iterator[Engine]:
    """Everything switched off: one view at a time, every token its own pass, every turn a fresh pass."""
    with Engine(bundle_of("f32", "int8"), settings=PLAIN) as engine:
        yield engine


def requests(engine: Engine, agent: AgentName) -> list[Request]:
    """Two pictures of different sizes, shown as the agent's inputs declare."""
    views = [engine.encode(picture(5)), engine.encode(picture(6, height=100, width=180))]
    if agent == "recognition":
        return [Request((view,), {}) for view in views]
    return [Request(tuple(views), {})] if agent == "representation" else [Request((), TEXTS)]


def assert_same(found: list[tuple[AgentOutput, ...]], expected: list[tuple[AgentOutput, ...]]) -> None:
    """Same texts; the same probabilities to 1e-4."""
    assert [[o.text for o in steps] for steps in found] == [[o.text for o in steps] for steps in expected]
    for one, other in zip([o for s in found for o in s], [o for s in expected for o in s], strict=True):
        assert list(one.fields) == list(other.fields)
        for name, value in one.fields.items():
            assert dict(value.alternatives) == pytest.approx(dict(other.fields[name].alternatives), abs=1e-4)


@pytest.mark.parametrize("agent", ["recognition", "representation", "reasoning"])
@pytest.mark.parametrize("switch", list(ON))
def test_each_optimisation_alone_changes_nothing(
    bundle_of: BundleOf, plain: Engine, agent: AgentName, switch: str
) -> None:
    """One switch on: texts and probabilities are those of the plain engine, twice in a row."""
    on = EngineSettings(strict=True, **(OFF | {switch: ON[switch]}))
    expected = plain.run(agent, requests(plain, agent))
    with Engine(bundle_of("f32", "int8"), settings=on) as engine:
        for _ in range(2):
            assert_same(engine.run(agent, requests(engine, agent)), expected)


def test_a_whole_case_in_any_order_changes_nothing(bundle_of: BundleOf, plain: Engine) -> None:
    """All switches on, agents interleaved and repeated: no cached row leaks into another agent's answer."""
    order: list[AgentName] = ["recognition", "representation", "reasoning", "representation", "recognition"]
    with Engine(bundle_of("f32", "int8"), settings=EngineSettings(strict=True)) as engine:
        for agent in order:
            assert_same(engine.run(agent, requests(engine, agent)), plain.run(agent, requests(plain, agent)))


def test_reuse_computes_less(bundle_of: BundleOf) -> None:
    """A repeated prompt and a second step go through the model once: fewer tokens for the same answer."""
    with Engine(bundle_of("f32", "int8"), settings=EngineSettings(strict=True)) as engine:
        [request] = requests(engine, "representation")
        first = engine.run("representation", [request])
        cost = engine.tokens_computed
        second = engine.run("representation", [request])
        assert engine.tokens_computed - cost < cost
        assert_same(second, first)


def test_a_forgotten_case_leaves_nothing_to_reuse(bundle_of: BundleOf) -> None:
    """After ``forget`` the same request costs as many tokens as in a fresh engine, and the answer is the same."""
    with Engine(bundle_of("f32", "int8"), settings=EngineSettings(strict=True)) as engine:
        [request] = requests(engine, "representation")
        first = engine.run("representation", [request])
        cost = engine.tokens_computed
        engine.forget()
        assert_same(engine.run("representation", [request]), first)
        assert engine.tokens_computed - cost == cost


def test_a_shared_prefix_fans_out(bundle_of: BundleOf, plain: Engine) -> None:
    """Rows that share a long prefix compute it once and answer as single rows do."""
    texts = [TEXTS, TEXTS | {"intake": TEXTS["intake"] + " thirst"}, TEXTS | {"intake": TEXTS["intake"] + " 口干"}]
    wanted = [Request((), one) for one in texts]
    with Engine(bundle_of("f32", "int8"), settings=EngineSettings(strict=True)) as engine:
        found = engine.run("reasoning", wanted)
        assert engine.tokens_computed < plain_cost(plain, wanted)
    assert_same(found, plain.run("reasoning", wanted))


def plain_cost(plain: Engine, wanted: list[Request]) -> int:
    """Tokens that the plain engine computes for these requests."""
    before = plain.tokens_computed
    plain.run("reasoning", wanted)
    return plain.tokens_computed - before


def test_forced_tokens_are_most_of_an_answer(plain: Engine) -> None:
    """What is sampled is one token per decided field; everything else is counted as forced."""
    for steps in plain.run("recognition", requests(plain, "recognition")):
        decided = [value for value in steps[0].fields.values() if value.probability is not None]
        assert steps[0].tokens_sampled == len(decided) == 4
        assert steps[0].tokens_forced > steps[0].tokens_sampled


def test_masked_prefix_logits_equal_a_fresh_pass(bundle_of: BundleOf) -> None:
    """Logits behind a reused, masked prefix differ from a fresh pass by less than 1e-4."""
    head, tail = list(range(20, 60)), list(range(60, 75))
    with Engine(bundle_of("f32", "f32"), settings=EngineSettings(strict=True)) as engine:
        engine.logits(head + list(range(100, 120)), adapter="reasoning")
        before = engine.tokens_computed
        reused = engine.logits(head + tail, adapter="reasoning")
        assert engine.tokens_computed - before == len(tail)
    with Engine(bundle_of("f32", "f32"), settings=PLAIN) as engine:
        np.testing.assert_allclose(reused, engine.logits(head + tail, adapter="reasoning"), atol=1e-4)
