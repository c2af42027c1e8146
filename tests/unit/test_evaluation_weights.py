"""Weights against FP32: what rounding leaves, what a fault leaves, in the form that NNCF writes."""

from __future__ import annotations

import math

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from calibration.evaluation.weights import _values, relative_error


def test_relative_error_by_hand() -> None:
    """(3, 4) is 5 long; found (3, 5) lies 1 away: 1/5."""
    assert relative_error(np.array([3, 5], np.float32), np.array([3, 4], np.float32)) == pytest.approx(0.2)


@pytest.mark.parametrize("found", [np.ones((2, 3), np.float32), np.array([math.nan, 1.0], np.float32)])
def test_another_shape_or_no_number_is_infinitely_wrong(found: np.ndarray) -> None:
    """Nothing that cannot be compared counts as near."""
    assert relative_error(found, np.ones(2, np.float32)) == math.inf


def test_a_zero_weight_is_only_right_as_zero() -> None:
    """No division by nothing."""
    zero = np.zeros(2, np.float32)
    assert (relative_error(zero, zero), relative_error(np.ones(2, np.float32), zero)) == (0.0, math.inf)


def test_four_bit_codes_are_unpacked() -> None:
    """Two codes in a byte, the low half first, signed; times the group's scale, reshaped to rows."""
    codes = ov.op.Constant(ov.Type.i4, ov.Shape([1, 2, 2]), [1, -8, 7, -1])
    scaled = ops.multiply(ops.convert(codes, ov.Type.f16), ops.constant(np.array([[[2.0], [0.5]]], np.float16)))
    flat = ops.reshape(scaled, ops.constant(np.array([1, 4], np.int64)), False)
    assert _values(ops.convert(flat, ov.Type.f32)).tolist() == [[2.0, -16.0, 3.5, -0.5]]


def test_asymmetric_bytes_lose_their_zero_point() -> None:
    """(code - zero point) x scale, as NNCF writes INT8 with a zero point."""
    codes = ops.convert(ops.constant(np.array([[10, 255]], np.uint8)), ov.Type.f16)
    zero = ops.convert(ops.constant(np.array([[10]], np.uint8)), ov.Type.f16)
    scaled = ops.multiply(ops.subtract(codes, zero), ops.constant(np.array([[0.5]], np.float16)))
    assert _values(ops.convert(scaled, ov.Type.f32)).tolist() == [[0.0, 122.5]]
