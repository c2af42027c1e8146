"""Compare every weight with the FP32 one: the fault that a few decisions do not show.

A scale that is 20 % wrong in one linear of a small model moves its answers less than INT4's own rounding does, so no gate
on answers can see it (measured: docs/evaluation.md). In the weights it stands out: rounding leaves an error of a few
percent in every linear alike. Needs no case and no sampling; every linear is looked at.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from calibration.evaluation.gate_parts import WEIGHT_PARTS
from edge_agent.contracts.bundle import Bundle
from edge_agent.errors import CalibrationError
from edge_agent.inference.graph import module_path

Floats = NDArray[np.float32]
_WEIGHT_AT = {"MatMul": 1, "Convolution": 1, "Gather": 0}  # which input of such a node its weight is
_FOUR_BITS = {"i4": "signed", "u4": "unsigned"}


def weight_errors(candidate: Bundle, reference: Bundle) -> dict[str, float]:
    """Return |W - W_fp32| / |W_fp32| (Frobenius) of every linear, convolution and embedding table, adapters included.

    Args:
        candidate: the bundle in question.
        reference: the FP32 build of the same checkpoint.

    Returns:
        Errors by ``<part>: <module>``; what only one of the two has is infinitely wrong.

    Raises:
        CalibrationError: a graph cannot be read.
    """
    parts = [*WEIGHT_PARTS, *(f"adapter.{one.name}" for one in reference.manifest.adapters)]
    found: dict[str, float] = {}
    for part in parts:
        ours, theirs = (_weights(bundle.path_of(f"{part}.xml")) for bundle in (candidate, reference))
        for name in sorted({*ours, *theirs}):
            both = name in ours and name in theirs
            found[f"{part}: {name}"] = relative_error(_values(ours[name]), _values(theirs[name])) if both else math.inf
    return found


def relative_error(found: Floats, wanted: Floats) -> float:
    """Return the Frobenius norm of the difference over that of the wanted weight; infinite where shapes differ."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return math.inf
    norm = float(np.linalg.norm(wanted))
    distance = float(np.linalg.norm(found - wanted))
    return distance / norm if norm else (0.0 if not distance else math.inf)


def _weights(path: Path) -> dict[str, ov.Node]:
    """Return the constant weight of every MatMul, Convolution and Gather of floats, by the name of its module."""
    try:
        model = ov.Core().read_model(path)
    except RuntimeError as exc:
        raise CalibrationError(f"{path} cannot be read; build the bundle again") from exc
    found = {}
    for op in model.get_ordered_ops():
        place = _WEIGHT_AT.get(op.get_type_name())
        if place is None or not op.get_output_element_type(0).is_real():
            continue
        weight = op.input_value(place).get_node()
        if _is_constant(weight):
            found[module_path(op)] = weight
    return found


def _is_constant(node: ov.Node) -> bool:
    """Say whether nothing but constants stands above a node."""
    kind = node.get_type_name()
    return kind == "Constant" or (
        kind in {"Convert", "Multiply", "Subtract", "Reshape"}
        and all(_is_constant(node.input_value(place).get_node()) for place in range(node.get_input_size()))
    )


def _values(node: ov.Node) -> Floats:
    """Return a weight as float32, whatever it is stored as."""
    kind = node.get_type_name()
    if kind == "Constant":
        return _stored(node)
    inputs = [
        _values(node.input_value(place).get_node())
        for place in range(1 if kind == "Reshape" else node.get_input_size())
    ]
    if kind == "Multiply":
        return np.asarray(inputs[0] * inputs[1])
    if kind == "Subtract":
        return np.asarray(inputs[0] - inputs[1])
    if kind == "Reshape":
        return inputs[0].reshape([int(size.get_length()) for size in node.get_output_partial_shape(0)])
    return inputs[0]  # a Convert


def _stored(node: ov.Node) -> Floats:
    """Return a constant's values; four-bit ones lie two in a byte, the low half first."""
    data = node.get_data()
    bits = _FOUR_BITS.get(node.get_element_type().get_type_name())
    if bits is None:
        return np.asarray(data, dtype=np.float32)
    packed = data.view(np.uint8).ravel()
    halves = np.stack([packed & 15, packed >> 4], axis=1).ravel().astype(np.int16)
    signed = np.where(halves > 7, halves - 16, halves) if bits == "signed" else halves
    shape = [int(size.get_length()) for size in node.get_output_partial_shape(0)]
    return signed[: int(np.prod(shape))].reshape(shape).astype(np.float32)
