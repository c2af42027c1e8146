"""Digest what goes into a stage: folders, tools, and the program's own code.

The code's digest is taken from the files themselves: a version number that somebody must remember to raise would let
figures of older code pass for these.
"""

from __future__ import annotations

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
_SUFFIXES = frozenset({".py", ".toml", ".json", ".j2", ".txt"})
_EXPORT_CODE = ("calibration/export.py", "calibration/sweep/worker.py")
_BUILD_CODE = (
    "calibration/*.*", "calibration/adapters", "calibration/grafted", "calibration/side_branch", "calibration/trust",
    "calibration/checkpoint", "calibration/sweep/worker.py", "edge_agent/contracts", "edge_agent/inference",
    "edge_agent/agents",
)  # fmt: skip
_EVALUATION_CODE = ("calibration/evaluation", "calibration/reference/confidence.py", "calibration/reference/scores.py")
CODE = {"export": _EXPORT_CODE, "build": _BUILD_CODE, "evaluate": (*_BUILD_CODE, *_EVALUATION_CODE)}


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
    return _digest((path.relative_to(_ROOT).as_posix(), path) for path in sorted(set(_code_files(CODE[kind]))))


def _code_files(places: Iterable[str]) -> Iterator[Path]:
    for place in places:
        found = _ROOT.glob(place) if "*" in place else [_ROOT / place]
        for path in found:
            inside = path.rglob("*") if path.is_dir() else [path]
            yield from (one for one in inside if one.suffix in _SUFFIXES and one.is_file())


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
