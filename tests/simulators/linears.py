"""Two decoder linears and a head as an FP32 graph, named as an exported checkpoint names them; and inputs for it."""

from __future__ import annotations

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

HIDDEN = 128
LINEARS = ("q_proj", "up_proj")


def small_language_model() -> ov.Model:
    """Return the graph with fixed random weights; its input is ``inputs_embeds`` float32[?, ?, 128]."""
    random = np.random.default_rng(3)
    source = ops.parameter([-1, -1, HIDDEN], np.float32, name="inputs_embeds")
    source.output(0).get_tensor().set_names({"inputs_embeds"})
    current: ov.Output = source.output(0)
    for name in LINEARS:
        weight = random.standard_normal((HIDDEN, HIDDEN)).astype(np.float32)
        current = linear(current, f"model.layers.0.mlp.{name}", weight)
    head = linear(current, "lm_head", random.standard_normal((300, HIDDEN)).astype(np.float32))
    return ov.Model([ops.result(head)], [source], "language_model")


def linear(source: ov.Output, name: str, weight: NDArray[np.float32]) -> ov.Output:
    """Return source · weightᵀ with the names that an export gives."""
    constant = ops.constant(weight)
    constant.set_friendly_name(f"self.{name}.weight")
    node = ops.matmul(source, constant, False, True)
    node.set_friendly_name(f"__module.{name}/aten::linear/MatMul")
    return node.output(0)


def samples(count: int = 4) -> list[dict[str, NDArray[np.float32]]]:
    """Return inputs whose channels differ in loudness, so that methods that look at them do something."""
    random = np.random.default_rng(5)
    loudness = np.exp(random.standard_normal(HIDDEN)).astype(np.float32)
    return [
        {"inputs_embeds": (random.standard_normal((1, 6, HIDDEN)) * loudness).astype(np.float32)} for _ in range(count)
    ]
