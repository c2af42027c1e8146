"""Stacking: q, k and v become one product whose parts are what the three gave; what has an unknown form is left alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_agent.inference.adapters import Adapter, Branch, Factor
from edge_agent.inference.graft import GATE_INPUT, graft
from edge_agent.inference.stacking import stack_projections

Floats = NDArray[np.float32]
LAYER = "model.language_model.layers.0.self_attn"
OUT = {"q_proj": 48, "k_proj": 16, "v_proj": 16}
IN, R = 64, 8
F32 = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}


@dataclass(frozen=True, slots=True)
class Built:
    """A model and the float weights and biases that it means."""

    model: ov.Model
    weights: dict[str, Floats]
    biases: dict[str, Floats]


def noise(seed: int, *shape: int) -> Floats:
    """float32 normal noise."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def weight_node(name: str, form: str) -> tuple[ov.Node, Floats]:
    """A weight [out, in] as ``form`` stores it, and what it means in float32."""
    rng = np.random.default_rng(len(name) + OUT[name])
    if form == "f32":
        values = rng.normal(size=(OUT[name], IN)).astype(np.float32)
        return ops.constant(values), values
    if form == "i8":
        codes = rng.integers(-127, 128, (OUT[name], IN)).astype(np.int8)
        scale = rng.uniform(0.01, 0.02, (OUT[name], 1)).astype(np.float16)
        product = ops.multiply(ops.convert(ops.constant(codes), ov.Type.f16), ops.constant(scale))
        return ops.convert(product, ov.Type.f32), codes.astype(np.float32) * scale.astype(np.float32)
    groups = IN // 32
    codes4 = rng.integers(0, 16, (OUT[name], groups, 32)).astype(np.uint8)
    zero = rng.integers(0, 16, (OUT[name], groups, 1)).astype(np.uint8)
    scale = rng.uniform(0.01, 0.02, (OUT[name], groups, 1)).astype(np.float16)
    shifted = ops.subtract(ops.convert(packed(codes4), ov.Type.f16), ops.convert(packed(zero), ov.Type.f16))
    flat = ops.reshape(
        ops.multiply(shifted, ops.constant(scale)), ops.constant(np.array([OUT[name], IN], dtype=np.int64)), False
    )
    meant = (codes4.astype(np.float32) - zero) * scale.astype(np.float32)
    return ops.convert(flat, ov.Type.f32), meant.reshape(OUT[name], IN)


def packed(codes: NDArray[np.uint8]) -> ov.Node:
    """A u4 constant; the first of two codes lies in the low half of a byte."""
    flat = codes.reshape(-1, 2)
    tensor = ov.Tensor(ov.Type.u4, ov.Shape(codes.shape))
    tensor.data.reshape(-1).view(np.uint8)[:] = flat[:, 0] | flat[:, 1] << 4
    return ov.op.Constant(tensor)


def build(form: str, *, biased: tuple[str, ...] = tuple(OUT), odd: str = "") -> Built:
    """Three linears that read one tensor, named as the exporter names them; ``odd`` is stored in f32 whatever the form."""
    x = ops.parameter([-1, -1, IN], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    results, weights, biases = [], {}, {}
    for number, name in enumerate(OUT):
        node, weights[name] = weight_node(name, "f32" if name == odd else form)
        linear = ops.matmul(x, node, False, True)
        linear.set_friendly_name(f"__module.{LAYER}.{name}/aten::linear/MatMul")
        biases[name] = noise(90 + number, OUT[name]) if name in biased else np.zeros(OUT[name], dtype=np.float32)
        end = ops.add(linear, ops.constant(biases[name][np.newaxis, np.newaxis])) if name in biased else linear
        result = ops.result(end)
        result.output(0).get_tensor().set_names({name})
        results.append(result)
    return Built(ov.Model(results, [x], "toy"), weights, biases)


def products(model: ov.Model) -> int:
    """How many products the graph computes."""
    return Counter(op.get_type_name() for op in model.get_ordered_ops())["MatMul"]


def run(model: ov.Model, x: Floats, **more: Floats) -> dict[str, Floats]:
    """Every named output in f32."""
    request = ov.Core().compile_model(model, "CPU", F32).create_infer_request()
    request.infer({"x": x, **more})
    return {name: np.array(request.get_tensor(name).data) for name in OUT}


@pytest.mark.parametrize("form", ["f32", "i8", "u4"])
def test_parts_of_one_product_are_the_three(form: str) -> None:
    """x W^T + b for each projection, computed with numpy from codes and scales."""
    built, x = build(form), noise(1, 2, 5, IN)
    stacks = stack_projections(built.model)
    assert products(built.model) == 1
    assert set(stacks) == {f"{LAYER}.{name}" for name in OUT}
    for name, value in run(built.model, x).items():
        expected = x @ built.weights[name].T + built.biases[name]
        np.testing.assert_allclose(value, expected, atol=1e-4 * np.abs(expected).max())


def test_linears_without_bias_are_stacked_too() -> None:
    """No bias is added where none was."""
    built, x = build("u4", biased=()), noise(1, 1, 3, IN)
    assert stack_projections(built.model)
    for name, value in run(built.model, x).items():
        np.testing.assert_allclose(value, x @ built.weights[name].T, atol=1e-3)


@pytest.mark.parametrize(("odd", "biased"), [("k_proj", tuple(OUT)), ("", ("q_proj", "v_proj"))])
def test_an_unknown_form_is_left_alone(odd: str, biased: tuple[str, ...]) -> None:
    """A projection of another precision, or with another bias than the others: three products as before, same values."""
    built, x = build("u4", odd=odd, biased=biased), noise(1, 1, 3, IN)
    assert not stack_projections(built.model)
    assert products(built.model) == 3
    for name, value in run(built.model, x).items():
        np.testing.assert_allclose(value, x @ built.weights[name].T + built.biases[name], atol=1e-3)


def adapter(name: str, seed: int, paths: tuple[str, ...]) -> Adapter:
    """A float adapter on some of the projections."""
    branches = {
        f"{LAYER}.{path}": Branch(Factor(noise(seed + i, R, IN), None), Factor(noise(seed + 9 + i, OUT[path], R), None))
        for i, path in enumerate(paths)
    }
    return Adapter(name, branches)  # type: ignore[arg-type]


@pytest.mark.parametrize("share_a", [True, False])
@pytest.mark.parametrize("targets", [tuple(OUT), ("q_proj", "v_proj")])
def test_branches_of_a_stack_are_the_formula(targets: tuple[str, ...], share_a: bool) -> None:
    """W x + b + B (gate * A x) with numpy, for two adapters under a gate that changes per token; untargeted parts stay bare."""
    built, x = build("u4"), noise(1, 1, 4, IN)
    adapters = [adapter("recognition", 20, targets), adapter("reasoning", 60, targets)]
    graft(built.model, adapters, share_a=share_a, stacks=stack_projections(built.model))
    gate = np.array([[[1, 0], [0, 1], [0, 0], [1, 1]]], dtype=np.float32)
    for name, value in run(built.model, x, **{GATE_INPUT: gate}).items():
        expected = x @ built.weights[name].T + built.biases[name]
        for column, one in enumerate(adapters):
            branch = one.branches.get(f"{LAYER}.{name}")
            if branch is not None:
                part = x @ branch.a.dequantised().T @ branch.b.dequantised().T
                expected = expected + gate[..., column : column + 1] * part
        np.testing.assert_allclose(value, expected, atol=1e-4 * np.abs(expected).max())
