"""Stack linears that read the same tensor into one: q, k and v of every layer become one product, split behind it.

At one token per call the runtime spends about as long on starting an operation as on a small one's arithmetic; three
products, three biases and, with adapters, three branches cost more than one of each. Nothing else changes: rows of a
weight do not meet each other, in codes, scales or sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_agent.inference.graph import module_path, unconverted

PROJECTIONS = ("q_proj", "k_proj", "v_proj")
_BITS = {"u4": 4, "i4": 4, "u8": 8, "i8": 8, "f16": 16, "bf16": 16, "f32": 32}


@dataclass(frozen=True, slots=True)
class Stack:
    """Linears that became one.

    ``output`` is their sum with the bias, before it is split; ``source`` what they read; ``rows`` where each path's part
    begins and how wide it is; ``width`` all of it.
    """

    output: ov.Node
    source: ov.Output
    rows: dict[str, tuple[int, int]]
    width: int


class _CannotStackError(Exception):
    """The weights are stored in a form that this module does not know; the linears stay as they are."""


def stack_projections(model: ov.Model) -> dict[str, Stack]:
    """Replace q, k and v of every layer by one linear, in place; what has an unknown form is left alone.

    Args:
        model: the language model IR, compressed or not, without adapters.

    Returns:
        The stack of every linear that is part of one, by module path.
    """
    stacks: dict[str, Stack] = {}
    for group in _groups(model):
        try:
            stack = _stacked(group)
        except _CannotStackError:
            continue
        stacks |= dict.fromkeys(group, stack)
    model.validate_nodes_and_infer_types()
    return stacks


def _groups(model: ov.Model) -> list[dict[str, ov.Node]]:
    """Return the linears of each layer that read one tensor, by path in the order of PROJECTIONS."""
    found: dict[tuple[str, int], dict[str, ov.Node]] = {}
    for op in model.get_ordered_ops():
        path = module_path(op)
        if op.get_type_name() == "MatMul" and path.rsplit(".", 1)[-1] in PROJECTIONS:
            source = op.input_value(0)
            found.setdefault((source.get_node().get_name(), source.get_index()), {})[path] = op
    ordered = [dict(sorted(group.items(), key=lambda item: _place(item[0]))) for group in found.values()]
    return [group for group in ordered if [path.rsplit(".", 1)[-1] for path in group] == list(PROJECTIONS)]


def _place(path: str) -> int:
    return PROJECTIONS.index(path.rsplit(".", 1)[-1])


def _stacked(group: dict[str, ov.Node]) -> Stack:
    """Build one linear of a group and hand its parts to the consumers."""
    linears = list(group.values())
    weight = _stack([linear.input_value(1).get_node() for linear in linears])
    biases = [_bias(linear) for linear in linears]
    ends = [linear if bias is None else bias[0] for linear, bias in zip(linears, biases, strict=True)]
    source = linears[0].input_value(0)
    output = ops.matmul(source, weight, False, True)
    given = [bias[1] for bias in biases if bias is not None]
    if given:
        if len(given) != len(biases):
            raise _CannotStackError
        output = ops.add(output, ops.constant(np.concatenate(given)[np.newaxis, np.newaxis]))
    widths = [int(linear.get_output_partial_shape(0)[-1].get_length()) for linear in linears]
    starts = np.cumsum([0, *widths]).tolist()
    output.set_friendly_name(next(iter(group)).rsplit(".", 1)[0] + ".qkv_stacked")
    parts = ops.variadic_split(output, ops.constant(np.int64(2)), ops.constant(np.array(widths, dtype=np.int64)))
    for end, part in zip(ends, parts.outputs(), strict=True):
        for consumer in list(end.output(0).get_target_inputs()):
            consumer.replace_source_output(part)
    rows = {path: (start, width) for path, start, width in zip(group, starts, widths, strict=False)}
    return Stack(output, source, rows, starts[-1])


def _bias(linear: ov.Node) -> tuple[ov.Node, NDArray[np.float32]] | None:
    """Return the addition of a constant that directly follows a linear, and the constant; None without one."""
    consumers = list(linear.output(0).get_target_inputs())
    if len(consumers) != 1 or consumers[0].get_node().get_type_name() != "Add":
        return None
    add = consumers[0].get_node()
    other = unconverted(add.input_value(1 - consumers[0].get_index()).get_node())
    if other.get_type_name() != "Constant":
        return None
    return add, np.array(other.get_data(), dtype=np.float32).reshape(-1)


def _stack(nodes: Sequence[ov.Node]) -> ov.Node:
    """Stack weights [out, in] by their rows, through the decompression that NNCF writes before them."""
    kinds = {node.get_type_name() for node in nodes}
    if len(kinds) != 1:
        raise _CannotStackError
    kind = kinds.pop()
    if kind == "Constant":
        return _stack_constants(nodes)
    inputs = [[node.input_value(i).get_node() for node in nodes] for i in range(len(nodes[0].input_values()))]
    if kind == "Convert":
        return ops.convert(_stack(inputs[0]), nodes[0].get_output_element_type(0))
    if kind in ("Multiply", "Subtract"):
        make = ops.multiply if kind == "Multiply" else ops.subtract
        return make(_stack(inputs[0]), _stack(inputs[1]))
    if kind == "Reshape":
        shapes = [list(node.get_output_shape(0)) for node in nodes]
        whole = [sum(shape[0] for shape in shapes), *shapes[0][1:]]
        return ops.reshape(_stack(inputs[0]), ops.constant(np.array(whole, dtype=np.int64)), False)
    raise _CannotStackError


def _stack_constants(nodes: Sequence[ov.Node]) -> ov.Node:
    """Join constants along their first axis, byte by byte: packed codes stay packed."""
    shapes = [list(node.get_output_shape(0)) for node in nodes]
    kinds = {node.get_output_element_type(0).get_type_name() for node in nodes}
    if len(kinds) != 1 or any(shape[1:] != shapes[0][1:] or not shape for shape in shapes):
        raise _CannotStackError
    bits = _BITS.get(kinds.pop())
    if bits is None or any(np.prod(shape) * bits % 8 for shape in shapes):
        raise _CannotStackError
    joined = ov.Tensor(nodes[0].get_output_element_type(0), ov.Shape([sum(s[0] for s in shapes), *shapes[0][1:]]))
    raw = [np.array(node.data).reshape(-1).view(np.uint8) for node in nodes]
    joined.data.reshape(-1).view(np.uint8)[:] = np.concatenate(raw)
    return ov.op.Constant(joined)
