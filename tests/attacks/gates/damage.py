"""Plant damage in copies of the shipped bundle, in the graphs themselves: what a faulty compression would leave behind.

Nobody signs these copies; they are handed to the evaluation as opened, since a signature says nothing about quality.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_agent.contracts.bundle import Bundle

Floats = NDArray[np.float32]
Edit = Callable[[ov.Model], None]
LAYER = "layers.0"
LINEARS = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip


def damaged(bundle: Bundle, folder: Path, *, part: str, edit: Edit) -> Bundle:
    """Copy a bundle and edit one of its graphs.

    Args:
        bundle: as shipped; only read.
        folder: for the copy.
        part: ``language_model``, ``vision_merger`` or ``adapter.recognition``.
        edit: changes the graph in place.
    """
    shutil.copytree(bundle.path, folder)
    model = ov.Core().read_model(bundle.path / f"{part}.xml")
    edit(model)
    for kind in ("xml", "bin"):
        (folder / f"{part}.{kind}").unlink()
    ov.save_model(model, folder / f"{part}.xml", compress_to_fp16=False)
    return Bundle(folder, bundle.manifest, signed_by="nobody")


def linear(model: ov.Model, name: str) -> ov.Node:
    """Return the one MatMul whose friendly name holds ``name``."""
    [found] = [
        op for op in model.get_ordered_ops() if op.get_type_name() == "MatMul" and name in op.get_friendly_name()
    ]
    return found


def times_scale(model: ov.Model, name: str, factor: Floats | float) -> None:
    """Multiply the decompression scale of a linear's compressed weight, in place.

    Args:
        model: the language model or the vision tower.
        name: of the linear, such as ``layers.1.mlp.down_proj``.
        factor: broadcast against the scale: float16[rows, groups, 1] of INT4, float16[rows, 1] of INT8.
    """
    node = _scaled(linear(model, name))
    old = np.array(node.input_value(1).get_node().get_data(), np.float32)
    new = ops.constant((old * factor).astype(np.float16))
    node.input(1).replace_source_output(new.output(0))


def _scaled(found: ov.Node) -> ov.Node:
    """Return the Multiply of a linear's codes and scale."""
    node = found.input_value(1).get_node()
    while node.get_type_name() != "Multiply":
        node = node.input_value(0).get_node()
    return node


def _scale_shape(model: ov.Model, name: str) -> list[int]:
    """Return rows and groups of a linear's scale."""
    shape = _scaled(linear(model, name)).input_value(1).get_partial_shape()
    return [int(size.get_length()) for size in shape][:2]


def scale_one_linear(model: ov.Model) -> None:
    """One linear's scale is 1.2 times too large: a rounding or clipping fault in a single weight."""
    times_scale(model, f"{LAYER}.mlp.down_proj", 1.2)


def scale_one_vision_linear(model: ov.Model) -> None:
    """The same fault in one linear of the vision tower."""
    times_scale(model, "blocks.0.mlp.down_proj", 1.2)


def scale_one_layer(model: ov.Model) -> None:
    """Every scale of one layer is 1.2 times too large."""
    for name in LINEARS:
        times_scale(model, f"{LAYER}.{name}", 1.2)


def swap_factors(model: ov.Model) -> None:
    """A and B of every square target have changed places, as a transposed import would leave them."""
    for op in model.get_ordered_ops():
        name = op.get_friendly_name()
        if op.get_type_name() == "MatMul" and name.endswith(("q_proj.lora_A", "o_proj.lora_A")):
            a, b = op, linear(model, f"{name.removesuffix('.lora_A')}.lora_B")
            factor_a, factor_b = (_read(node) for node in (a, b))
            _write(a, factor_b.T)
            _write(b, factor_a.T)


def awq_without_the_adapter(model: ov.Model) -> None:
    """AWQ's rescaling of up_proj and down_proj with the adapters left as they were: the bare graph stays the same.

    Powers of two, one per group of channels, so that not a bit of the bare graph's weights is lost.
    """
    for layer in range(4):
        up, down = f"layers.{layer}.mlp.up_proj", f"layers.{layer}.mlp.down_proj"
        channels, count = _scale_shape(model, up)[0], _scale_shape(model, down)[1]
        groups = np.array([2.0 ** (1 + group % 3) for group in range(count)], np.float32)
        times_scale(model, up, np.repeat(groups, channels // count)[:, np.newaxis, np.newaxis])
        times_scale(model, down, (1 / groups)[np.newaxis, :, np.newaxis])


def head_reads_hidden(model: ov.Model) -> None:
    """Let the first logits be the hidden state itself, so that a test can read it: the head becomes the identity."""
    head = linear(model, "lm_head")
    rows, width = (int(size.get_length()) for size in head.input_value(1).get_partial_shape())
    head.input(1).replace_source_output(ops.constant(np.eye(rows, width, dtype=np.float32)).output(0))


def lean(direction: Floats, *, token: int, weight: float) -> Edit:
    """Return an edit after which the head likes one token more, the further the hidden state lies in a direction.

    Args:
        direction: float32[H].
        token: whose row of the head is bent.
        weight: how much.
    """

    def edit(model: ov.Model) -> None:
        head = linear(model, "lm_head")
        source = head.input_value(1)
        rows = int(source.get_partial_shape()[0].get_length())
        bend = np.zeros((rows, len(direction)), np.float32)
        bend[token] = weight * direction
        head.input(1).replace_source_output(ops.add(source, ops.constant(bend)).output(0))

    return edit


def _constants(node: ov.Node) -> tuple[ov.Node, ov.Node]:
    """Return the node that multiplies codes and scale, and the Convert or Constant with the codes."""
    weight = _scaled(node)
    return weight, weight.input_value(0).get_node()


def _read(node: ov.Node) -> Floats:
    product, codes = _constants(node)
    while codes.get_type_name() == "Convert":
        codes = codes.input_value(0).get_node()
    scale = np.array(product.input_value(1).get_node().get_data(), np.float32)
    return np.asarray(np.array(codes.get_data(), np.float32) * scale)


def _write(node: ov.Node, values: Floats) -> None:
    """Write other values in the same form: INT8 codes and one scale per row."""
    product, convert = _constants(node)
    scale = np.abs(values).max(axis=1, keepdims=True) / 127
    codes = np.rint(values / scale).astype(np.int8)
    convert.input(0).replace_source_output(ops.constant(codes, dtype=np.int8).output(0))
    product.input(1).replace_source_output(ops.constant(scale.astype(np.float16)).output(0))
