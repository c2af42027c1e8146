"""Read the header of adapter_model.safetensors and sort its tensors into pairs, before any weight is loaded.

Does not look at shapes or values: ``calibration.adapters.factors`` does.
Source: safetensors format, README "Format": u64 length, JSON header, data; offsets count from the data.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from calibration.adapters.keys import KeyGeneration, read_key
from edge_agent.errors import ExportError

WEIGHTS_NAME = "adapter_model.safetensors"
PICKLE_NAME = "adapter_model.bin"
_FLOATS = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
_LFS = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header lists it; ``dtype`` is f32, f16 or bf16."""

    key: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PairedTensors:
    """The file's tensors in pairs.

    Attributes:
        file: the weights.
        generation: how the file spells its keys.
        pairs: (A, B) by today's module path.
        count: tensors in the file; every one of them stands in a pair.
    """

    file: Path
    generation: KeyGeneration
    pairs: Mapping[str, tuple[Tensor, Tensor]]
    count: int

    @property
    def dtype(self) -> str:
        """Return the factors' element type, ``bf16+f32`` where it is mixed."""
        return "+".join(sorted({tensor.dtype for pair in self.pairs.values() for tensor in pair}))


def weights_file(peft_dir: Path) -> Path:
    """Return the path of the folder's weights.

    Raises:
        ExportError: a pickle lies there, or nothing does.
    """
    if (pickled := peft_dir / PICKLE_NAME).exists():
        raise ExportError(
            f"{pickled} is a pickle, which runs code when it is opened; load it where it was trained, save with "
            "save_pretrained(safe_serialization=True) and remove it"
        )
    file = peft_dir / WEIGHTS_NAME
    if not file.is_file():
        raise ExportError(f"{file} is missing; save the adapter with PeftModel.save_pretrained")
    return file


def read_pairs(file: Path, *, is_activated: bool) -> PairedTensors:
    """Read the header and pair the factors.

    Args:
        file: ``adapter_model.safetensors``.
        is_activated: the adapter is an activated LoRA.

    Raises:
        ExportError: no safetensors file, a tensor of another kind or type, one that stands twice, keys of two
            generations, or a factor without its other half.
    """
    halves: dict[str, dict[str, Tensor]] = {}
    seen: dict[KeyGeneration, str] = {}
    tensors = list(_tensors(file))
    for tensor in tensors:
        place = read_key(tensor.key, file=file, is_activated=is_activated)
        half = halves.setdefault(place.path, {})
        if place.factor in half:
            raise ExportError(
                f"{file}: the tensors {half[place.factor].key} and {tensor.key} are the same factor twice; save the "
                "adapter again from one model"
            )
        half[place.factor] = tensor
        seen.setdefault(place.generation, tensor.key)
    if not tensors:
        raise ExportError(f"{file} holds no tensors; save the adapter again")
    if len(seen) > 1:
        first, second, *_ = seen.values()
        raise ExportError(
            f"{file}: {first} and {second} are spelled in two ways; save the adapter again from one model"
        )
    (generation,) = seen
    pairs = {path: _pair(half, path=path, generation=generation, file=file) for path, half in sorted(halves.items())}
    return PairedTensors(file=file, generation=generation, pairs=pairs, count=len(tensors))


def _pair(half: Mapping[str, Tensor], *, path: str, generation: KeyGeneration, file: Path) -> tuple[Tensor, Tensor]:
    factors: tuple[Literal["A", "B"], ...] = ("A", "B")
    for factor in factors:
        if factor not in half:
            raise ExportError(f"{file} lacks the tensor {generation.key(path, factor)}; save the adapter again")
    return half["A"], half["B"]


def _tensors(file: Path) -> Iterator[Tensor]:
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_LFS))
            if start == _LFS:
                raise ExportError(f"{file} is a Git-LFS pointer, not the weights; run git lfs pull where it came from")
            (length,) = struct.unpack("<Q", start[:8])
            size = file.stat().st_size
            if length > size - 8:
                raise ValueError("header longer than the file")
            stream.seek(8)
            header = json.loads(stream.read(length), object_pairs_hook=lambda pairs: _unique(pairs, file=file))
        for key, entry in header.items():
            if key != "__metadata__":
                if 8 + length + entry["data_offsets"][1] > size:
                    raise ExportError(f"{file} ends inside the tensor {key}; copy the adapter again")
                yield Tensor(key, _dtype(entry["dtype"], key=key, file=file), tuple(entry["shape"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as exc:
        raise ExportError(f"{file} is not a safetensors file ({exc}); copy the adapter again") from exc


def _unique(pairs: list[tuple[str, Any]], *, file: Path) -> dict[str, Any]:
    """Build a JSON object whose keys are unique: Python would keep the last of two in silence."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ExportError(f"{file}: the tensor {key} stands twice in the header; save the adapter again")
        table[key] = value
    return table


def _dtype(dtype: str, *, key: str, file: Path) -> str:
    if dtype in _FLOATS:
        return _FLOATS[dtype]
    what = "wider than the base" if dtype == "F64" else "quantized"
    raise ExportError(
        f"{file}: the tensor {key} is {dtype}: {what} adapters are not built; save its factors as bfloat16 or float32"
    )
