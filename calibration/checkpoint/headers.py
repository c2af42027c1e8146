"""Read the headers of safetensors files: names, types, shapes and offsets; never the weights.

Source: safetensors format, README "Format": u64 length, JSON header, data; offsets count from the data, start at 0,
leave no hole and end where the file ends.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEADER_LIMIT_BYTES = 100_000_000  # the format's own limit
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8}
_BITS |= {"U16": 16, "U32": 32, "U64": 64, "F8_E4M3": 8, "F8_E5M2": 8}
_AGAIN = "copy or download the file again"


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor as a header declares it; ``begin`` and ``end`` are byte positions in ``file``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str
    begin: int
    end: int

    @property
    def elements(self) -> int:
        """Return the number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What one file declares.

    ``is_readable``: the tensors are known, whatever the faults say about the bytes behind them.
    """

    file: str
    size_bytes: int
    tensors: tuple[TensorEntry, ...]
    faults: tuple[str, ...]
    is_readable: bool


def read_header(path: Path) -> Header:
    """Read and check one file's header. Does not look at the weights.

    Returns:
        The tensors by offset, and every fault in one line each, naming the file and the tensor.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size, _HEADER_LIMIT_BYTES):
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            document: dict[str, Any] = json.loads(stream.read(length))
        tensors = _entries(document, file=path.name, start=8 + length)
    except (
        OSError,
        ValueError,
        OverflowError,
        RecursionError,
        KeyError,
        TypeError,
        AttributeError,
        struct.error,
    ) as exc:
        reason = " ".join(str(exc).split())[:120]
        return Header(path.name, size, (), (f"{path.name} is no safetensors file ({reason}); {_AGAIN}",), False)
    return Header(path.name, size, tensors, tuple(_faults(tensors, file=path.name, start=8 + length, size=size)), True)


def _entries(document: dict[str, Any], *, file: str, start: int) -> tuple[TensorEntry, ...]:
    found = []
    for name, entry in document.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            shape = tuple(int(size) for size in entry["shape"])
            found.append(TensorEntry(name, str(entry["dtype"]), shape, file, start + int(begin), start + int(end)))
    return tuple(sorted(found, key=lambda tensor: (tensor.begin, tensor.name)))


def _faults(tensors: tuple[TensorEntry, ...], *, file: str, start: int, size: int) -> list[str]:
    """Check every offset against its neighbours, its shape and the file's size."""
    position = start
    for tensor in tensors:
        bits = _BITS.get(tensor.dtype)
        if tensor.begin != position or tensor.end < tensor.begin:
            return [f"{file}: {tensor.name} begins at byte {tensor.begin}, not at {position}; {_AGAIN}"]
        if bits is not None and (tensor.end - tensor.begin) * 8 != tensor.elements * bits:
            held = tensor.end - tensor.begin
            return [f"{file}: {tensor.name} {tensor.dtype} {list(tensor.shape)} has {held} bytes; {_AGAIN}"]
        if tensor.end > size:
            declared = tensors[-1].end
            return [f"{file} is truncated: {size} of {declared} bytes, it ends in {tensor.name}; {_AGAIN}"]
        position = tensor.end
    if position != size:
        return [f"{file} has {size - position} bytes behind its last tensor; {_AGAIN}"]
    return []
