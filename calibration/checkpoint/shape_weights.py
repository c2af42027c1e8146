"""Write random weights of a given shape as safetensors shards, tensor by tensor: memory stays at one chunk.

The same seed gives the same bytes whatever the sharding: every tensor has its own generator, seeded by its name.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from calibration.checkpoint.layout import INDEX_NAME, SINGLE_NAME

_BYTES = 2  # bf16
_CHUNK = 1 << 22  # values; numpy widens the indices of a look-up to 8 bytes each, 32 MB
_ONE = 0x3F80  # 1.0 in bf16
WeightProgress = Callable[[str, int, int], None]


def write_weights(
    folder: Path,
    tensors: Mapping[str, tuple[int, ...]],
    *,
    seed: int,
    shard_bytes: int,
    std: float = 0.02,
    on_progress: WeightProgress | None = None,
) -> None:
    """Write every tensor in bf16: normal values, ones for norms.

    Args:
        folder: exists; the files are written there.
        tensors: shape by name, in the order in which they are written.
        seed: of all values.
        shard_bytes: most bytes of tensors per file; a larger tensor has a file of its own.
        std: standard deviation; transformers' ``initializer_range`` of this architecture is 0.02.
        on_progress: called per chunk with the tensor, bytes done, bytes of all.
    """
    shards = _shards(tensors, shard_bytes)
    total = sum(_BYTES * math.prod(shape) for shape in tensors.values())
    table = _normal_table(std)
    weight_map: dict[str, str] = {}
    done = 0
    for number, names in enumerate(shards, start=1):
        file = SINGLE_NAME if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        with (folder / file).open("wb") as stream:
            stream.write(_header({name: tensors[name] for name in names}))
            for name in names:
                weight_map[name] = file
                for chunk in _values(name, math.prod(tensors[name]), seed=seed, table=table):
                    stream.write(chunk.tobytes())
                    done += chunk.nbytes
                    if on_progress is not None:
                        on_progress(name, done, total)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / INDEX_NAME).write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _shards(tensors: Mapping[str, tuple[int, ...]], limit: int) -> list[list[str]]:
    found: list[list[str]] = [[]]
    held = 0
    for name, shape in tensors.items():
        size = _BYTES * math.prod(shape)
        if found[-1] and held + size > limit:
            found.append([])
            held = 0
        found[-1].append(name)
        held += size
    return found


def _header(tensors: Mapping[str, tuple[int, ...]]) -> bytes:
    document: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in tensors.items():
        end = at + _BYTES * math.prod(shape)
        document[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(document, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)  # the format aligns the data to eight bytes
    return struct.pack("<Q", len(text)) + text


def _normal_table(std: float) -> NDArray[np.uint16]:
    """Return uint16[65536]: the bf16 code of each quantile of a normal distribution; looking up is ten times faster."""
    normal = NormalDist(0.0, std)
    quantiles = np.array([normal.inv_cdf((index + 0.5) / 65536) for index in range(65536)], dtype=np.float32)
    bits = quantiles.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # round to nearest, ties to even


def _values(name: str, count: int, *, seed: int, table: NDArray[np.uint16]) -> Iterator[NDArray[np.uint16]]:
    """Yield uint16 codes of bf16 values, at most a chunk at a time."""
    random = np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode("utf-8"))]))
    is_norm = "norm" in name or "ln_q" in name
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        if is_norm:
            yield np.full(size, _ONE, dtype=np.uint16)
        else:
            yield table[np.frombuffer(random.bytes(_BYTES * size), dtype=np.uint16)]
