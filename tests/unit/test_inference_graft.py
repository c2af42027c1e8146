"""Grafting: the branch is the formula, and whatever does not fit is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_agent.contracts.manifest import Activation
from edge_agent.errors import Incompatible, InferenceError
from edge_agent.inference.adapters import Adapter, Branch, Factor
from edge_agent.inference.graft import gather_before_head, graft
from edge_agent.inference.sequence import Gate, last_occurrence

Floats = NDArray[np.float32]
PATHS = {"q": "model.language_model.layers.0.self_attn.q_proj", "k": "model.language_model.layers.0.self_attn.k_proj"}
IN, OUT, R = 32, {"q": 48, "k": 16}, 8
F32 = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}


def noise(seed: int, *shape: int, gain: float = 1.0) -> Floats:
    """float32 normal noise."""
    return (np.random.default_rng(seed).normal(size=shape) * gain).astype(np.float32)


WEIGHTS = {name: noise(i, OUT[name], IN) for i, name in enumerate(PATHS)}


def backbone() -> ov.Model:
    """Two linears that share their input, named as the exporter names them, and a head."""
    x = ops.parameter([-1, -1, IN], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    results = []
    for name, path in PATHS.items():
        linear = ops.matmul(x, ops.constant(WEIGHTS[name]), False, True)
        linear.set_friendly_name(f"__module.{path}/aten::linear/MatMul")
        result = ops.result(linear)
        result.output(0).get_tensor().set_names({name if name != "k" else "logits"})
        results.append(result)
    return ov.Model(results, [x], "toy")


def int8(weight: Floats) -> Factor:
    """Symmetric INT8 per row, scales in f16."""
    scale = (np.abs(weight).max(axis=1, keepdims=True) / 127).astype(np.float16)
    return Factor(np.clip(np.round(weight / scale.astype(np.float32)), -127, 127).astype(np.int8), scale)


def adapter(name: str, seed: int, *, quantise: Callable[[Floats], Factor], gain: float = 1.0, rank: int = R) -> Adapter:
    """An adapter on both linears."""
    branches = {
        path: Branch(
            quantise(noise(seed, rank, IN)), quantise(noise(seed + 1, OUT[key], rank, gain=gain / np.sqrt(rank)))
        )
        for key, path in PATHS.items()
    }
    return Adapter(name, branches)  # type: ignore[arg-type]


def exact(weight: Floats) -> Factor:
    """No quantisation."""
    return Factor(weight, None)


def run(adapters: list[Adapter], *, x: Floats, gate: Floats) -> Floats:
    """Graft, compile and run; return q's output."""
    model = backbone()
    graft(model, adapters)
    return np.array(ov.Core().compile_model(model, "CPU", F32)({"x": x, "adapter_gate": gate})[0])


def by_hand(adapters: list[Adapter], *, x: Floats, gate: Floats) -> Floats:
    """The formula for q, in numpy, from dequantised factors."""
    y = x @ WEIGHTS["q"].T
    for column, one in enumerate(adapters):
        branch = one.branches[PATHS["q"]]
        y = y + gate[:, :, column : column + 1] * (x @ branch.a.dequantised().T @ branch.b.dequantised().T)
    return y


def distance(found: Floats, expected: Floats) -> float:
    """Largest error over tokens, relative to the token's own length (f16 scales round by 5e-4)."""
    return float((np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)).max())


@pytest.mark.parametrize("quantise", [exact, int8])
def test_the_branch_is_the_formula_per_token(quantise: Callable[[Floats], Factor]) -> None:
    """Every row and token runs under its own gate: bare, one adapter, another."""
    adapters = [adapter(name, 10 * i, quantise=quantise) for i, name in enumerate(["recognition", "reasoning"])]
    x = noise(99, 2, 3, IN)
    gate = np.array([[[0, 0], [1, 0], [0, 1]], [[1, 0], [1, 0], [0, 0]]], dtype=np.float32)
    assert distance(run(adapters, x=x, gate=gate), by_hand(adapters, x=x, gate=gate)) < 1e-3


def test_adapters_of_different_rank_keep_their_own_scales() -> None:
    """Ranks 8 and 4 are grouped by 4; the result is still the formula."""
    adapters = [adapter("recognition", 1, quantise=int8), adapter("reasoning", 5, quantise=int8, rank=4)]
    x, gate = noise(98, 1, 4, IN), np.ones((1, 4, 2), dtype=np.float32)
    assert distance(run(adapters, x=x, gate=gate), by_hand(adapters, x=x, gate=gate)) < 1e-3


def test_int8_and_float_adapters_can_live_together() -> None:
    """A mixed set is computed in floats, not refused and not requantised."""
    adapters = [adapter("recognition", 1, quantise=int8), adapter("reasoning", 5, quantise=exact)]
    x, gate = noise(97, 1, 4, IN), np.ones((1, 4, 2), dtype=np.float32)
    assert distance(run(adapters, x=x, gate=gate), by_hand(adapters, x=x, gate=gate)) < 1e-3


def test_a_loud_adapter_does_not_raise_the_others_error() -> None:
    """A neighbour 30 times as loud leaves the quiet adapter's INT8 error as it was (one scale per row and adapter)."""
    x, only_quiet = noise(96, 1, 64, IN), np.zeros((1, 64, 2), dtype=np.float32)
    only_quiet[:, :, 0] = 1
    wanted = by_hand([adapter("recognition", 1, quantise=exact)], x=x, gate=only_quiet)

    def error(gain: float) -> float:
        pair = [adapter("recognition", 1, quantise=int8), adapter("reasoning", 5, quantise=int8, gain=gain)]
        return float(np.linalg.norm(run(pair, x=x, gate=only_quiet) - wanted))

    assert error(30.0) == pytest.approx(error(1.0), rel=0.05)


def test_the_graph_keeps_int8_codes() -> None:
    """A and B stay INT8 in the grafted model, B in groups of one adapter's rank."""
    model = backbone()
    graft(model, [adapter("recognition", 1, quantise=int8), adapter("reasoning", 5, quantise=int8)])
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    shapes = {tuple(op.get_output_shape(0)) for op in constants if op.get_element_type() == ov.Type.i8}
    assert shapes == {(4 * R, IN), (OUT["q"], 2, R), (OUT["k"], 2, R)}


def test_an_unknown_target_is_refused_by_name() -> None:
    """A key prefix that changed between library versions must not load as the bare model."""
    good = adapter("recognition", 1, quantise=exact)
    renamed = Adapter(good.name, {path.replace("language_model.", ""): b for path, b in good.branches.items()})
    with pytest.raises(Incompatible, match=r"target model\.layers\.0\.self_attn\.q_proj is in the backbone 0 times"):
        graft(backbone(), [renamed])


def test_transposed_factors_are_refused_by_name() -> None:
    """A [in, r] and B [r, out] do not fit and are named."""
    branch = Branch(exact(noise(1, IN, R)), exact(noise(2, R, OUT["q"])))
    with pytest.raises(Incompatible, match=r"q_proj maps 8 to 8, the backbone's \[32, 48\]"):
        graft(backbone(), [Adapter("recognition", {PATHS["q"]: branch})])


def test_logits_are_gathered_before_the_head() -> None:
    """The head computes only the wanted positions, and they are the right ones."""
    model, x = backbone(), noise(95, 2, 5, IN)
    gather_before_head(model)
    found = ov.Core().compile_model(model, "CPU", F32)({"x": x, "logits_index": np.array([4, 1])})["logits"]
    np.testing.assert_allclose(found, x[:, [4, 1]] @ WEIGHTS["k"].T, rtol=1e-4, atol=1e-4)


def test_the_gate_opens_at_the_last_invocation() -> None:
    """`always` opens everywhere, `invocation` at its last occurrence's first token, and never without one."""
    ids = np.array([1, 7, 8, 2, 7, 8, 3])
    invocation = Activation(kind="invocation", invocation_token_ids=[7, 8])
    assert Gate(2, 1, invocation).over(ids)[:, 1].tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert Gate(2, 0, Activation(kind="always")).over(ids)[:, 0].tolist() == [1] * 7
    assert not Gate(2, None, invocation).over(ids).any()
    with pytest.raises(InferenceError, match="lacks the adapter's invocation"):
        Gate(2, 1, invocation).over(np.array([1, 7, 2]))
    assert last_occurrence(ids, [9]) is None
