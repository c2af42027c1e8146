"""Read a side branch's tensors out of a checkpoint: exactly the published ones, or a refusal that names file and tensor.

transformers drops tensors that its class does not know, with one warning: a checkpoint whose branch is read by nobody
would export as the bare backbone. So a branch without its declaration, and a declaration without its branch, are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.checkpoint.headers import TensorEntry
from calibration.checkpoint.layout import Weights, pointer_faults, read_weights
from calibration.export import read_json
from calibration.side_branch.declared import DeclaredSideBranch
from calibration.side_branch.structure import CLASS_NAME, PREFIXES, Structure
from edge_agent.errors import ExportError

Array = NDArray[np.float32]
_FLOATS = ("BF16", "F16", "F32")
_BACKBONE = ("model.", "visual.", "lm_head.")


def check_declared(folder: Path, declared: DeclaredSideBranch | None) -> None:
    """Hold the declaration against what the checkpoint is: its class in config.json and its tensors' names.

    Raises:
        ExportError: a branch that nobody declares, or a declared one that is not there.
    """
    named = read_json(folder / "config.json").get("architectures") or []
    is_class = CLASS_NAME in named
    if is_class and declared is None:
        raise ExportError(
            f"{folder / 'config.json'} says {CLASS_NAME}, derm_edge.json declares no side_branch: it would be ignored; "
            "declare mask, policy and images"
        )
    if declared is not None and not is_class:
        raise ExportError(
            f"derm_edge.json declares a side_branch, {folder / 'config.json'} says {', '.join(map(str, named)) or 'no class'}; "
            f"only {CLASS_NAME} has one"
        )
    if not is_class:
        stray = next((one for one in _weights(folder).tensors if one.name.startswith(PREFIXES)), None)
        if stray is not None:
            raise ExportError(
                f"{folder / stray.file} holds {stray.name}, but config.json does not say {CLASS_NAME}: the side branch "
                "would be ignored; mend architectures or remove its tensors"
            )


def read_tensors(folder: Path, *, structure: Structure) -> dict[str, Array]:
    """Return every tensor of the branch as float32, by its key.

    Args:
        folder: the checkpoint, one file or shards with their index.
        structure: what it must hold.

    Raises:
        ExportError: a Git-LFS pointer, a missing, surplus, doubled, quantized or wrongly shaped tensor, or one that is
            not finite; names the file and the tensor.
    """
    weights = _weights(folder)
    wanted = structure.tensors()
    entries: dict[str, TensorEntry] = {}
    for entry in weights.tensors:
        path = folder / entry.file
        if entry.name in entries:
            raise ExportError(f"{path}: {entry.name} stands in {entries[entry.name].file} too; remove one")
        if entry.name in wanted:
            _check_entry(entry, path=path, shape=wanted[entry.name])
            entries[entry.name] = entry
        elif not entry.name.startswith(_BACKBONE):
            raise ExportError(
                f"{path}: {entry.name} is no tensor of the backbone or of {CLASS_NAME}'s side branch{_hint(entry.name)}; "
                "export the checkpoint that was evaluated"
            )
    for name, shape in wanted.items():
        if name not in entries:
            where = folder / weights.promised.get(name, (weights.shards or ("model.safetensors",))[-1])
            raise ExportError(f"{where}: the side branch lacks {name} {list(shape)}; download the shard again")
    return _load(folder, entries)


def _hint(name: str) -> str:
    if name.startswith("distill_head.out_proj."):
        return " (out_proj only serves distillation)"
    if name.startswith("module."):
        return " (saved with torch's data-parallel prefix)"
    return ""


def _check_entry(entry: TensorEntry, *, path: Path, shape: tuple[int, ...]) -> None:
    if entry.shape != shape:
        raise ExportError(
            f"{path}: {entry.name} has the shape {list(entry.shape)}, the declared structure {list(shape)}; declare the "
            "dimensions that it was trained with, or bring the right checkpoint"
        )
    if entry.dtype not in _FLOATS:
        raise ExportError(f"{path}: {entry.name} is stored as {entry.dtype}; bring the branch in {', '.join(_FLOATS)}")


def _load(folder: Path, entries: Mapping[str, TensorEntry]) -> dict[str, Array]:
    from safetensors import SafetensorError, safe_open

    found: dict[str, Array] = {}
    for file in sorted({entry.file for entry in entries.values()}):
        path = folder / file
        try:
            with safe_open(path, "pt") as stream:  # type: ignore[no-untyped-call] # torch: numpy has no bfloat16
                for name in sorted(name for name, entry in entries.items() if entry.file == file):
                    found[name] = np.asarray(stream.get_tensor(name).float().numpy(), dtype=np.float32)
        except (OSError, SafetensorError) as exc:
            raise ExportError(f"{path} cannot be read ({' '.join(str(exc).split())[:120]}); copy it again") from exc
        for name in (name for name in sorted(found) if entries[name].file == file):
            if not np.isfinite(found[name]).all():
                raise ExportError(f"{path}: {name} holds values that are not numbers; bring an undamaged checkpoint")
    return found


def _weights(folder: Path) -> Weights:
    """Read all headers; what no header can say (a pointer, a shard that is not there) ends here."""
    if pointers := pointer_faults(folder):
        raise ExportError(pointers[0])
    weights, faults = read_weights(folder)
    if faults:
        raise ExportError(f"{folder}: {faults[0]}")
    return weights
