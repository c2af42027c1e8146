"""Digest what goes into a stage: folders, tools, and the program's own code.

The code's digest is taken from the files themselves: a version number that somebody must remember to raise would let
figures of older code pass for these.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from edge_agent.errors import ExportError

TOOLS = (
    "openvino",
    "nncf",
    "optimum-intel",
    "transformers",
    "torch",
    "peft",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
)
_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = frozenset({"calibration", "device_profiles", "edge_agent"})
_WORKER = "calibration/sweep/worker.py"  # by its file: it names every stage's modules
_FIRST = {
    "export": ("calibration.export",),
    "build": ("calibration.build", "calibration.unsigned", "calibration.sweep.tasks"),
    "evaluate": ("calibration.evaluation.evaluate", "calibration.evaluation.report", "calibration.unsigned"),
}
_DATA_SUFFIXES = frozenset({".toml", ".json", ".j2", ".txt"})
_DATA_FOLDERS = ("schemas", "tables", "templates", "vocabulary")  # beside the modules that read them


def files_digest(folder: Path, *, only: Iterable[str] = ("**/*",), without: Iterable[str] = ()) -> str:
    """Return the sha256 over names and bytes of the files below a folder.

    Args:
        folder: a checkpoint, an adapter or a folder of cases.
        only: patterns of ``Path.glob`` that choose files.
        without: names directly in the folder that are left out, with all below them.

    Raises:
        ExportError: there is no such folder, or a file cannot be read.
    """
    if not folder.is_dir():
        raise ExportError(f"{folder} is no folder; mend the path")
    left_out = set(without)
    paths = {path for pattern in only for path in folder.glob(pattern) if path.is_file()}
    names = sorted((path.relative_to(folder).as_posix(), path) for path in paths)
    return _digest((name, path) for name, path in names if name.split("/")[0] not in left_out)


def code_digest(kind: str) -> str:
    """Return the sha256 over the program's files that take part in a stage of this kind."""
    return _digest((path.relative_to(_ROOT).as_posix(), path) for path in sorted(code_files(kind)))


def code_files(kind: str) -> set[Path]:
    """Return the modules that a stage of this kind imports, in whatever function, and the data that lies beside them."""
    found = _imported(_FIRST[kind])
    folders = set() if kind == "export" else {path.parent for path in found}  # an export reads no table of ours
    places = [*folders, *(folder / name for folder in folders for name in _DATA_FOLDERS)]
    data = {path for place in places if place.is_dir() for path in place.iterdir() if path.suffix in _DATA_SUFFIXES}
    return found | data | {_ROOT / _WORKER}


def _imported(names: Iterable[str]) -> set[Path]:
    """Return the files of some modules of ours and of all that they import, directly or not; runs none of them."""
    waiting, found = list(names), set[Path]()
    while waiting:
        path = _file_of(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += _imports(path)
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def _file_of(name: str) -> Path | None:
    """Return a module's file, None for packages of others and for names that are no module."""
    parts = name.split(".")
    if parts[0] not in _PACKAGES:
        return None
    path = _ROOT.joinpath(*parts).with_suffix(".py")
    return path if path.is_file() else None


def _digest(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    try:
        for name, path in files:
            with path.open("rb") as stream:
                digest.update(f"{name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    except OSError as exc:
        raise ExportError(f"{exc.filename} cannot be read: {exc.strerror}; copy the folder again") from exc
    return digest.hexdigest()


def tool_versions() -> dict[str, str]:
    """Return the versions of everything whose results are kept."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in TOOLS}}


def cpu_count() -> int:
    """Return how many CPUs this process may use: sums are taken in an order that may depend on it."""
    return len(os.sched_getaffinity(0))


def thread_count() -> int:
    """Return the threads of the linear algebra: as ``OMP_NUM_THREADS`` asks, else one per CPU."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else cpu_count()
