"""Keep what the language model reads of whole conversations, in a file that has no name.

What is kept comes from calibration cases: patients' words and pictures as embeddings. So the file has no entry in any
folder; the system frees it when it is closed or when the process ends, however it ends. Nothing else writes it down.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an array lies in the file: ``offset`` in bytes, its type and shape."""

    offset: int
    dtype: str
    shape: tuple[int, ...]


class ArrayFile:
    """A list of named arrays on the disk, appended once and read many times. Close it, or use ``with``."""

    def __init__(self, folder: Path) -> None:
        """Open the file.

        Args:
            folder: on the disk that has room for it; no entry appears there.
        """
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - this class is the context manager
        self._rows: list[dict[str, _Place]] = []
        self.labels: list[str] = []

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, tensors: Mapping[str, NDArray[np.generic]], *, label: str) -> None:
        """Add one row.

        Args:
            tensors: any arrays, by name.
            label: whose row it is, such as an adapter's name.
        """
        places = {}
        self._file.seek(0, 2)
        for name, value in tensors.items():
            array = np.ascontiguousarray(value)
            places[name] = _Place(self._file.tell(), array.dtype.str, array.shape)
            self._file.write(array.tobytes())
        self._file.flush()
        self._rows.append(places)
        self.labels.append(label)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Tensors:
        """Return one row's arrays, read from the disk."""
        return {name: self._read(place) for name, place in self._rows[index].items()}

    def __iter__(self) -> Iterator[Tensors]:
        """Yield every row in order; may be started any number of times."""
        return (self[index] for index in range(len(self)))

    def _read(self, place: _Place) -> NDArray[np.generic]:
        dtype = np.dtype(place.dtype)
        self._file.seek(place.offset)
        data = self._file.read(int(np.prod(place.shape)) * dtype.itemsize)
        found: NDArray[np.generic] = np.frombuffer(data, dtype=dtype).reshape(place.shape)
        return found
