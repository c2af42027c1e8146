"""Find the weights of a checkpoint folder: single file or shards with their index; name what is missing or surplus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from calibration.checkpoint.headers import TensorEntry, read_header
from calibration.export import read_json
from edge_agent.errors import ExportError

SINGLE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
# Source: Git LFS specification, "The Pointer": the first line, and fewer than 1024 bytes.
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_POINTER_LIMIT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors that the folder's headers declare.

    ``unread``: files whose tensors are not known (a pointer, a broken header, missing); ``promised``: what the index
    says, tensor to file, empty where there is none or it cannot be read (``unread`` then names it).
    """

    tensors: tuple[TensorEntry, ...]
    shards: tuple[str, ...]
    unread: frozenset[str]
    promised: Mapping[str, str]

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all tensors."""
        return sum(tensor.end - tensor.begin for tensor in self.tensors)

    @property
    def is_listed(self) -> bool:
        """Tell whether the names of all tensors are known: a tensor that is not among them is then missing."""
        return bool(self.promised) or not self.unread


def is_pointer(path: Path) -> bool:
    """Tell whether a file is a Git-LFS pointer instead of its content."""
    if path.stat().st_size >= _POINTER_LIMIT_BYTES:
        return False
    with path.open("rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER


def pointer_faults(folder: Path) -> list[str]:
    """Name every Git-LFS pointer file of a folder, one line each."""
    names = [path.name for path in sorted(folder.iterdir()) if path.is_file() and is_pointer(path)]
    return [
        f"{folder.name}/{name} is a Git-LFS pointer, not the file; run git lfs pull in that folder" for name in names
    ]


def read_weights(folder: Path) -> tuple[Weights, list[str]]:
    """Read every header of the folder and compare it with the index.

    Returns:
        The weights, and one line for every fault.
    """
    present = sorted(path.name for path in folder.glob("*.safetensors"))
    promised, faults = _read_index(folder)
    is_lost = not promised and (folder / INDEX_NAME).is_file()
    if not present and not promised and not is_lost:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        why = (
            "save the pickled weights as safetensors"
            if pickled
            else f"it needs {SINGLE_NAME}, or shards and {INDEX_NAME}"
        )
        return Weights((), (), frozenset(), {}), [*faults, f"{folder} has no safetensors weights; {why}"]
    if not is_lost:
        faults += _shard_faults(present, promised)
    unread = {INDEX_NAME} if is_lost else {shard for shard in promised.values() if shard not in present}
    tensors: list[TensorEntry] = []
    for name in present:
        if is_pointer(folder / name):
            unread.add(name)  # named with the other pointers
            continue
        header = read_header(folder / name)
        faults += header.faults
        tensors += header.tensors
        if not header.is_readable:
            unread.add(name)
    shards = tuple(sorted({*present, *promised.values()}))
    weights = Weights(tuple(tensors), shards, frozenset(unread), promised)
    return weights, faults + _tensor_faults(weights)


def _read_index(folder: Path) -> tuple[dict[str, str], list[str]]:
    path = folder / INDEX_NAME
    if not path.is_file() or is_pointer(path):
        return {}, []
    try:
        found = read_json(path).get("weight_map")
    except ExportError as exc:
        return {}, [str(exc)]
    if not isinstance(found, dict) or not found:
        return {}, [f"{path} has no weight_map; copy it again"]
    strange = next((str(file) for file in found.values() if Path(str(file)).name != file), None)
    if strange is not None:
        return {}, [f"{INDEX_NAME} names {strange!r}, which is no file of this folder; copy it again"]
    return {str(name): str(file) for name, file in found.items()}, []


def _shard_faults(present: list[str], promised: Mapping[str, str]) -> list[str]:
    if not promised:
        if present == [SINGLE_NAME]:
            return []
        names = ", ".join(present[:4])
        return [f"weights {names} stand there without {INDEX_NAME}; copy the index, or save the checkpoint again"]
    needed = set(promised.values())
    lines = []
    for shard in sorted(needed - set(present)):
        count = sum(file == shard for file in promised.values())
        lines.append(f"shard {shard} is missing ({count} tensors by {INDEX_NAME}); download it")
    lines += [f"{name} is not in {INDEX_NAME}; remove the file" for name in sorted(set(present) - needed)]
    return lines


def _tensor_faults(weights: Weights) -> list[str]:
    """Compare what stands in the files with what the index promises."""
    where = {tensor.name: tensor.file for tensor in weights.tensors}
    counts = Counter(tensor.name for tensor in weights.tensors)
    lines = [f"tensor {name} stands in more than one file; remove one" for name in sorted(counts) if counts[name] > 1]
    for name, shard in sorted(weights.promised.items()):
        if shard in weights.unread or where.get(name) == shard:
            continue
        found = f"it stands in {where[name]}" if name in where else "it is nowhere"
        lines.append(f"tensor {name} is not in {shard}, where {INDEX_NAME} says: {found}; download the shard again")
    if weights.promised:
        indexed = set(weights.promised.values())
        extra = sorted(name for name, file in where.items() if name not in weights.promised and file in indexed)
        lines += [f"tensor {name} in {where[name]} is not in {INDEX_NAME}; copy the index again" for name in extra]
    return lines


def shortened(lines: Iterable[str], *, most: int = 8) -> list[str]:
    """Return the lines, with a count instead of what exceeds ``most``: a missing layer has a dozen tensors."""
    found = list(lines)
    return found if len(found) <= most else [*found[:most], f"... and {len(found) - most} more lines of this kind"]
