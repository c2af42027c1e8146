"""Graft the installed adapters into the language model, gated per token; gather and append rows before ``lm_head``.

For every target linear y = W x:

    y += ((x . A_all^T) * gate) . B_all^T      A_all [sum r, in]   B_all [out, sum r]   gate [B, S, sum r]

``gate`` is gathered from the new input ``adapter_gate`` float32[B, S, n], one column per adapter. Linears that read
the same tensor (q/k/v; gate/up) share one product with A. B keeps one scale per (row, adapter), i.e. group = r: with
one scale per row a loud adapter would ruin the quiet ones' INT8 codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_agent.errors import Incompatible
from edge_agent.inference.adapters import Adapter, Branch, Factor
from edge_agent.inference.graph import module_path, unconverted
from edge_agent.inference.stacking import Stack

GATE_INPUT = "adapter_gate"
INDEX_INPUT = "logits_index"
ROWS_INPUT = "head_rows"


@dataclass(frozen=True, slots=True)
class _Target:
    """One linear with its branches, by column of the gate; ``start``: its first row in a stack of linears, else 0."""

    path: str
    source: ov.Output
    output: ov.Node
    branches: tuple[tuple[int, Branch], ...]
    stack: Stack | None = None
    start: int = 0

    def columns(self) -> list[int]:
        """Return the gate column of every rank row."""
        return [column for column, branch in self.branches for _ in range(branch.r)]


def graft(
    model: ov.Model,
    adapters: Sequence[Adapter],
    *,
    share_a: bool = True,
    stacks: Mapping[str, Stack] | None = None,
) -> None:
    """Add the adapters' branches and the ``adapter_gate`` input to a language model, in place.

    Does nothing with an empty sequence: the bare backbone keeps no gate.

    Args:
        model: the language model IR, compressed or not.
        adapters: in the order of the gate's columns.
        share_a: False gives every target its own product with A (the off switch).
        stacks: linears that were stacked before, by path (``stacking``).

    Raises:
        Incompatible: a target does not exist in the backbone or has another shape; the message names it.
    """
    if not adapters:
        return
    gate = ops.parameter([-1, -1, len(adapters)], np.float32, name=GATE_INPUT)
    gate.output(0).get_tensor().set_names({GATE_INPUT})
    gates: dict[tuple[int, ...], ov.Output] = {}
    targets = _find_targets(model, adapters, stacks or {})
    for group in _group_by_input(targets) if share_a else [[target] for target in targets]:
        _graft_group(group, gate=gate, gates=gates)
    model.add_parameters([gate])
    model.validate_nodes_and_infer_types()


def gather_before_head(model: ov.Model) -> None:
    """Compute logits only for the positions in the new input ``logits_index`` int64[K]: logits become [B, K, V].

    Raises:
        Incompatible: the graph does not end in one linear.
    """
    head = _head_of(model)
    index = ops.parameter([-1], np.int64, name=INDEX_INPUT)
    index.output(0).get_tensor().set_names({INDEX_INPUT})
    wanted = ops.gather(head.input_value(0), index, ops.constant(np.int64(1)))
    head.input(0).replace_source_output(wanted.output(0))
    model.add_parameters([index])
    model.validate_nodes_and_infer_types()


def rows_before_head(model: ov.Model) -> None:
    """Let the head project further rows: logits become [B, K + N, V] with the new input ``head_rows`` float32[B, N, H].

    N may be 0. The rows see neither the layers nor the KV cache; a side branch needs the head's product with its own
    hidden row, and a second copy of the head would cost its memory twice. Call it after ``gather_before_head``.

    Raises:
        Incompatible: the graph does not end in one linear.
    """
    head = _head_of(model)
    source = head.input_value(0)
    width = int(source.get_partial_shape()[-1].get_length())
    rows = ops.parameter([-1, -1, width], np.float32, name=ROWS_INPUT)
    rows.output(0).get_tensor().set_names({ROWS_INPUT})
    both = ops.concat([source, rows.output(0)], axis=1)
    head.input(0).replace_source_output(both.output(0))
    model.add_parameters([rows])
    model.validate_nodes_and_infer_types()


def _head_of(model: ov.Model) -> ov.Node:
    """Return the linear that makes the logits."""
    head = unconverted(model.output("logits").get_node().input_value(0).get_node())
    if head.get_type_name() != "MatMul":
        raise Incompatible(f"the language model ends in {head.get_type_name()}, not in a linear; export it again")
    return head


def _find_targets(model: ov.Model, adapters: Sequence[Adapter], stacks: Mapping[str, Stack]) -> list[_Target]:
    """Match every adapter target with exactly one linear of the backbone (``__module.<path>/.../MatMul``)."""
    linears: dict[str, list[ov.Node]] = {path: [stack.output] for path, stack in stacks.items()}
    for op in model.get_ordered_ops():
        if op.get_type_name() == "MatMul":
            path = module_path(op)
            linears.setdefault(path, []).append(op)
    wanted: dict[str, list[tuple[int, Branch]]] = {}
    for column, adapter in enumerate(adapters):
        for path, branch in adapter.branches.items():
            found = linears.get(path, [])
            if len(found) != 1:
                raise Incompatible(f"the {adapter.name} adapter's target {path} is in the backbone {len(found)} times")
            wanted.setdefault(path, []).append((column, branch))
    ordered = [path for path in linears if path in wanted]
    targets = [_target(path, linears[path][0], stacks.get(path), wanted[path]) for path in ordered]
    for target in targets:
        _check_shapes(target, adapters)
    return targets


def _target(path: str, linear: ov.Node, stack: Stack | None, branches: Sequence[tuple[int, Branch]]) -> _Target:
    if stack is None:
        return _Target(path, linear.input_value(0), linear, tuple(branches))
    return _Target(path, stack.source, stack.output, tuple(branches), stack, stack.rows[path][0])


def _check_shapes(target: _Target, adapters: Sequence[Adapter]) -> None:
    """Compare A's columns with the linear's input and B's rows with its output."""
    width = target.source.get_partial_shape()[-1].get_length()
    rows = target.output.output(0).get_partial_shape()[-1].get_length()
    expected = [int(width), int(rows) if target.stack is None else target.stack.rows[target.path][1]]
    for column, branch in target.branches:
        found = [branch.a.codes.shape[1], branch.b.codes.shape[0]]
        if found != expected:
            name = adapters[column].name
            raise Incompatible(
                f"the {name} adapter's {target.path} maps {found[0]} to {found[1]}, the backbone's {expected}"
            )


def _group_by_input(targets: Sequence[_Target]) -> list[list[_Target]]:
    """Group linears that read the same tensor."""
    groups: dict[tuple[str, int], list[_Target]] = {}
    for target in targets:
        source = target.source
        groups.setdefault((source.get_node().get_name(), source.get_index()), []).append(target)
    return list(groups.values())


def _graft_group(group: Sequence[_Target], *, gate: ov.Node, gates: dict[tuple[int, ...], ov.Output]) -> None:
    """Build one shared product with A, gate it, and add each target's product with its own B."""
    columns = tuple(column for target in group for column in target.columns())
    if columns not in gates:
        index = ops.constant(np.array(columns, dtype=np.int64))
        gates[columns] = ops.gather(gate, index, ops.constant(np.int64(2))).output(0)
    factors = [branch.a for target in group for _, branch in target.branches]
    a_all = _weight(_stack_rows(factors), name=f"{group[0].path}.adapters_A")
    gated = ops.multiply(ops.matmul(group[0].source, a_all, False, True), gates[columns])
    stack = group[0].stack
    if stack is not None:
        padded = [_padded(branch.b, target.start, stack.width) for target in group for _, branch in target.branches]
        _add_branch(stack.output, gated.output(0), padded, name=group[0].path)
        return
    widths = [len(target.columns()) for target in group]
    parts = [gated.output(0)]
    if len(group) > 1:
        split = ops.variadic_split(gated, ops.constant(np.int64(2)), ops.constant(np.array(widths, dtype=np.int64)))
        parts = list(split.outputs())
    for target, part in zip(group, parts, strict=True):
        _add_branch(target.output, part, [branch.b for _, branch in target.branches], name=target.path)


def _add_branch(linear: ov.Node, gated: ov.Output, factors: Sequence[Factor], *, name: str) -> None:
    """Add the product of gated ranks with B to a linear's output, for everything that reads it."""
    b_all = _grouped_weight(factors, name=f"{name}.adapters_B")
    consumers = list(linear.output(0).get_target_inputs())
    total = ops.add(linear, ops.matmul(gated, b_all, False, True))
    total.set_friendly_name(f"{name}.adapted")
    for consumer in consumers:
        consumer.replace_source_output(total.output(0))


def _padded(factor: Factor, start: int, rows: int) -> Factor:
    """Return a B [rows, r] that is the factor from row ``start`` on and zero elsewhere."""
    codes = np.zeros((rows, factor.codes.shape[1]), dtype=factor.codes.dtype)
    codes[start : start + len(factor.codes)] = factor.codes
    if factor.scale is None:
        return Factor(codes, None)
    scale = np.ones((rows, 1), dtype=factor.scale.dtype)
    scale[start : start + len(factor.codes)] = factor.scale
    return Factor(codes, scale)


def _stack_rows(factors: Sequence[Factor]) -> Factor:
    """Concatenate A factors along the rank; mixed precisions become floats."""
    scales = [factor.scale for factor in factors if factor.scale is not None]
    if len(scales) != len(factors):
        return Factor(np.concatenate([factor.dequantised() for factor in factors]), None)
    return Factor(np.concatenate([factor.codes for factor in factors]), np.concatenate(scales))


def _weight(factor: Factor, *, name: str) -> ov.Node:
    """Return a weight node in the form that the plugin keeps compressed (codes -> f16 -> x scale -> f32)."""
    if factor.scale is None:
        node = ops.constant(factor.codes, dtype=np.float32)
    else:
        node = _decompressed(factor.codes, factor.scale)
    node.set_friendly_name(name)
    return node


def _grouped_weight(factors: Sequence[Factor], *, name: str) -> ov.Node:
    """Concatenate B factors along the rank with one scale per (row, adapter): groups of the common rank."""
    scales = [factor.scale for factor in factors if factor.scale is not None]
    if len(scales) != len(factors):
        return _weight(Factor(np.concatenate([f.dequantised() for f in factors], axis=1), None), name=name)
    ranks = [factor.codes.shape[1] for factor in factors]
    size = math.gcd(*ranks)
    codes: NDArray[np.generic] = np.concatenate([factor.codes for factor in factors], axis=1)
    rows, width = codes.shape
    groups = np.concatenate([np.repeat(s, r // size, axis=1) for s, r in zip(scales, ranks, strict=True)], axis=1)
    node = _decompressed(codes.reshape(rows, width // size, size), groups[:, :, np.newaxis], shape=(rows, width))
    node.set_friendly_name(name)
    return node


def _decompressed(
    codes: NDArray[np.generic], scale: NDArray[np.float16], *, shape: tuple[int, int] | None = None
) -> ov.Node:
    """Write NNCF's own pattern: Constant i8 -> Convert f16 -> Multiply -> (Reshape) -> Convert f32."""
    half = ops.convert(ops.constant(codes, dtype=np.int8), ov.Type.f16)
    product = ops.multiply(half, ops.constant(scale, dtype=np.float16))
    if shape is not None:
        product = ops.reshape(product, ops.constant(np.array(shape, dtype=np.int64)), False)
    return ops.convert(product, ov.Type.f32)
