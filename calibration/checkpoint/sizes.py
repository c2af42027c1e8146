"""How many bytes the parts of a bundle take under a recipe, from the shapes alone.

The census of a finished bundle is the truth; this is for deciding before the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from calibration.checkpoint.architecture import Architecture, expected_tensors, part_of
from calibration.checkpoint.factors import Factors
from calibration.recipe import Recipe

_ROW_WISE = -1


@dataclass(frozen=True, slots=True)
class BundleSize:
    """Bytes on the device's disk by part; ``total`` is their sum with graphs and adapters."""

    language_model: int
    vision: int
    embeddings: int
    adapters: int
    total: int


def parameters(arch: Architecture) -> int:
    """Return the number of parameters of the plain backbone, tied weights once."""
    return sum(math.prod(shape) for shape in expected_tensors(arch).values())


def ir_bytes(arch: Architecture, bytes_per_weight: int) -> int:
    """Return the bytes of the four exported IRs: a tied matrix stands in two of them."""
    tied = arch.vocab_size * arch.hidden_size if arch.is_tied else 0
    return bytes_per_weight * (parameters(arch) + tied)


def bundle_size(
    arch: Architecture, recipe: Recipe, *, adapter_shapes: Iterable[tuple[int, int]], factors: Factors
) -> BundleSize:
    """Estimate the files of a bundle.

    Args:
        arch: the backbone.
        recipe: what happens to its weights.
        adapter_shapes: parameters and rank of every adapter.
        factors: the table.
    """
    shapes = expected_tensors(arch)
    text = recipe.language_model
    head = (arch.vocab_size, arch.hidden_size)
    linears = [s for n, s in shapes.items() if part_of(n) == "language_model" and len(s) == 2]
    rest = [s for n, s in shapes.items() if part_of(n) == "language_model" and len(s) == 1]
    main = sum(_matrix(shape, text.mode, group=text.group_size, factors=factors) for shape in linears)
    if text.ratio < 1.0:
        others = sum(_matrix(shape, text.rest_mode, group=_ROW_WISE, factors=factors) for shape in linears)
        main = text.ratio * main + (1 - text.ratio) * others
    head_mode, head_group = (text.mode, text.group_size) if text.all_layers else (text.rest_mode, _ROW_WISE)
    language = main + _matrix(head, head_mode, group=head_group, factors=factors) + _plain(rest)
    seen = [shape for name, shape in shapes.items() if part_of(name) in ("vision", "merger")]
    vision = sum(
        _matrix((s[0], math.prod(s[1:])), recipe.vision.mode, group=_ROW_WISE, factors=factors)
        for s in seen
        if len(s) > 1
    )
    vision += _plain(shape for shape in seen if len(shape) == 1)
    table = _matrix(head, recipe.embeddings.mode, group=_ROW_WISE, factors=factors)
    adapters = sum(_adapter(count, rank, recipe.adapters.precision, factors) for count, rank in adapter_shapes)
    total = language + vision + table + adapters + factors["file.graph_bytes"]
    return BundleSize(round(language), round(vision), round(table), round(adapters), round(total))


def _matrix(shape: tuple[int, ...], mode: str, *, group: int, factors: Factors) -> float:
    """Return the bytes of one matrix: codes, scales and zero points. A group of -1 is one scale per row."""
    rows, columns = shape
    if mode == "none":
        return 4.0 * rows * columns
    bits = 4 if mode.startswith("int4") else 8
    groups = rows * (1 if group == _ROW_WISE or bits == 8 else math.ceil(columns / group))
    zero_bits = factors[f"file.zero_point_bits_int{bits}"] if mode.endswith("_asym") else 0.0
    return rows * columns * bits / 8 + groups * (factors["file.scale_bytes"] + zero_bits / 8)


def _plain(shapes: Iterable[tuple[int, ...]]) -> float:
    return 4.0 * sum(math.prod(shape) for shape in shapes)  # biases and norms stay float32


def _adapter(count: int, rank: int, precision: str, factors: Factors) -> float:
    """Return the bytes of one adapter: its factors' rows have about ``rank`` values per scale in B, many more in A."""
    if precision == "f32":
        return 4.0 * count
    bits = 4 if precision == "int4" else 8
    return count * bits / 8 + count / 2 / rank * factors["file.scale_bytes"]


def kv_bytes_per_token(arch: Architecture, factors: Factors) -> int:
    """Return the bytes of one token in the key-value cache."""
    values = 2 * arch.num_hidden_layers * arch.num_key_value_heads * arch.head_dim
    return round(values * factors["device.kv_bytes_per_value"])
