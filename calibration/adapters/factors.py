"""Check and load the factors of one adapter: shapes against the base, values, and the scale folded into B."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.adapters.base import BaseShape
from calibration.adapters.settings import LoraSettings
from calibration.adapters.tensors import PairedTensors, Tensor
from edge_agent.errors import ExportError

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """One target's factors in float32, scale folded into B: A [r, in], B [out, r]."""

    a: Array
    b: Array


def check_shapes(tensors: PairedTensors, *, settings: LoraSettings, base: BaseShape) -> None:
    """Compare every pair with its declared rank and with the base's linear; opens no weight.

    Raises:
        ExportError: exchanged or transposed factors, another rank, or another size than the base's; names the tensor.
    """
    for path, (a, b) in tensors.pairs.items():
        rank = settings.rank_of(tensors.generation.trained_name(path))
        size_out, size_in = base.linears[path]
        good_a, good_b = (rank, size_in), (size_out, rank)
        if (a.shape, b.shape) == (good_b, good_a) and good_a != good_b:
            raise ExportError(
                f"{tensors.file}: the tensors {a.key} {list(a.shape)} and {b.key} {list(b.shape)} are exchanged; rename "
                "each to the other"
            )
        _check_shape(a, good=good_a, rank_axis=0, tensors=tensors, settings=settings)
        _check_shape(b, good=good_b, rank_axis=1, tensors=tensors, settings=settings)


def _check_shape(
    tensor: Tensor, *, good: tuple[int, int], rank_axis: int, tensors: PairedTensors, settings: LoraSettings
) -> None:
    """Refuse one factor whose shape is not ``good``, and say in which way."""
    shape, where = tensor.shape, f"{tensors.file}: the tensor {tensor.key}"
    if shape == good:
        return
    if shape == good[::-1]:
        raise ExportError(f"{where} is transposed: it is {list(shape)}, PEFT writes {list(good)}; transpose it")
    if len(shape) == 2 and shape[1 - rank_axis] == good[1 - rank_axis]:
        raise ExportError(
            f"{where} has rank {shape[rank_axis]}, {settings.file.name} declares {good[rank_axis]}; put the configuration "
            "of this training beside it (r, rank_pattern)"
        )
    if len(shape) == 2 and shape[rank_axis] == good[rank_axis]:
        side = "inputs" if rank_axis == 0 else "outputs"
        raise ExportError(
            f"{where} has {shape[1 - rank_axis]} {side}, the base's linear has {good[1 - rank_axis]}; give the base that "
            "it was trained on"
        )
    raise ExportError(f"{where} is {list(shape)}, the base and the rank ask for {list(good)}; save the adapter again")


def load_factors(tensors: PairedTensors, *, settings: LoraSettings) -> dict[str, Pair]:
    """Load every pair as float32 with its scale folded into B.

    Does not check shapes: ``check_shapes`` goes first.

    Raises:
        ExportError: unreadable, a value that is no number, or an adapter that changes nothing.
    """
    pairs: dict[str, Pair] = {}
    with _opened(tensors.file) as handle:
        for path, (a, b) in tensors.pairs.items():
            scale = settings.scale_of(tensors.generation.trained_name(path))
            pairs[path] = _folded(
                _values(handle, a, file=tensors.file), _values(handle, b, file=tensors.file), scale=scale
            )
    if not any(pair.a.any() and pair.b.any() for pair in pairs.values()):
        first = next(iter(tensors.pairs.values()))[1]
        raise ExportError(
            f"{tensors.file}: the tensor {first.key} and all others are zero in A or in B, so the adapter changes nothing; "
            "train it, or run the agent on the bare backbone"
        )
    return pairs


class _opened:  # noqa: N801 - reads as a with-statement
    """Hold a safetensors file open through torch (numpy has no bfloat16), the library's errors translated."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> Any:
        from safetensors import SafetensorError, safe_open

        opener: Any = safe_open  # its stubs are half typed
        try:
            self._handle: Any = opener(self._file, framework="pt").__enter__()
        except (OSError, SafetensorError) as exc:
            raise ExportError(f"{self._file} cannot be read ({exc}); copy the adapter again") from exc
        return self._handle

    def __exit__(self, *details: object) -> None:
        self._handle.__exit__(*details)


def _values(handle: Any, tensor: Tensor, *, file: Path) -> Array:
    """Return one tensor as float32; bf16 and f16 become float32 without loss."""
    values: Array = handle.get_tensor(tensor.key).float().numpy()
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ExportError(
            f"{file}: the tensor {tensor.key} has {count} values that are no numbers (NaN or infinite); the training "
            "diverged, take an earlier checkpoint"
        )
    return values


def _folded(a: Array, b: Array, *, scale: float) -> Pair:
    """Fold the scale into B and balance the two factors by a power of two: the product stays the same bit for bit."""
    b = (b.astype(np.float64) * scale).astype(np.float32)
    largest_a, largest_b = float(np.abs(a).max()), float(np.abs(b).max())
    if largest_a > 0 and largest_b > 0:
        shift = round(math.log2(largest_a / largest_b) / 2)
        a, b = np.ldexp(a, -shift), np.ldexp(b, shift)
    return Pair(np.ascontiguousarray(a, dtype=np.float32), np.ascontiguousarray(b, dtype=np.float32))
