"""Say what was imported: the record that a bundle keeps of every adapter's file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LAYER = re.compile(r"\.layers\.(\d+)\.(.+)$")


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One adapter's import, by counts.

    Attributes:
        adapter: the agent.
        file, file_sha256: the weights; the folder's name is left out, so that it changes no bundle.
        technique: LoRA, rsLoRA, activated LoRA or activated rsLoRA.
        dtype: element type of the factors in the file.
        key_generation: how the file spells the decoder layers.
        remap: what was replaced in every key, or ``none``.
        targets: layers by linear, such as ``self_attn.q_proj: 0-27``.
        ranks: every rank that occurs.
        base_digest: content digest of the backbone that it was built for.
        base_noted: the folder said itself (``base.sha256``) that this is its base.
        tensors_in_file, tensors_used, targets_declared, targets_found: the counts behind ``coverage``.
    """

    adapter: str
    file: str
    file_sha256: str
    technique: str
    dtype: str
    key_generation: str
    remap: str
    targets: dict[str, str]
    ranks: tuple[int, ...]
    base_digest: str
    base_noted: bool
    tensors_in_file: int
    tensors_used: int
    targets_declared: int
    targets_found: int

    @property
    def coverage(self) -> float:
        """Return the smaller share of tensors used and of declared targets found; 1.0 in every bundle."""
        return min(self.tensors_used / self.tensors_in_file, self.targets_found / self.targets_declared)

    def as_document(self) -> dict[str, Any]:
        """Return the record as JSON values, coverage included."""
        document: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**document, "ranks": list(self.ranks), "coverage": self.coverage}


def layers_by_linear(paths: Iterable[str]) -> dict[str, str]:
    """Return the adapted layers of every linear as ranges: ``{"mlp.up_proj": "0-3, 7"}``."""
    layers: dict[str, list[int]] = {}
    for path in paths:
        if match := _LAYER.search(path):
            layers.setdefault(match[2], []).append(int(match[1]))
    return {name: _ranges(sorted(numbers)) for name, numbers in sorted(layers.items())}


def _ranges(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def file_digest(file: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
