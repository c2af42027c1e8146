"""Draw a pool of cases once and keep the pictures as the model will see them.

Drawing a picture costs as much as a training step on it, so each split is drawn once, by several processes,
in numbered shards that survive an interruption.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.reference.model import PIXELS

SHARD_CASES = 250


@dataclass(frozen=True, slots=True)
class PoolView:
    """One picture, reduced to the pixel budget: uint8[H, W, 3] RGB on the 28-px grid, with its labels.

    ``is_odd``: it shows another disease than the rest of the visit.
    """

    pixels: NDArray[np.uint8]
    shot: str
    labels: dict[str, Any]
    is_odd: bool = False


@dataclass(frozen=True, slots=True)
class PoolCase:
    """One case of the pool; the labels are those of the renderer."""

    case_id: str
    tone: int
    views: tuple[PoolView, ...]
    intake: dict[str, Any]
    representation: dict[str, Any]
    reasoning: dict[str, Any]
    signs: Any
    in_scope: bool
    record: Any = None
    previous: dict[str, str] | None = None
    odd_view: int | None = None


def reduce_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to the model's pixel budget exactly as the device does.

    Args:
        pixels: uint8[H, W, 3], RGB.
    """
    from edge_agent.inference.preprocessing import resize, smart_resize

    height, width = smart_resize(*pixels.shape[:2], factor=28, min_pixels=56 * 56, max_pixels=PIXELS)
    return resize(pixels, height=height, width=width)


def drawing_digest() -> str:
    """Return the sha256 of the code that decides what a case shows, so that stale drawings can be told from new ones."""
    folder = Path(__file__).resolve().parent
    files = [
        folder / "cases.py",
        folder / "intake_draw.py",
        *folder.glob("drawing*.py"),
        folder / "labels.py",
        *folder.glob("signs*.py"),
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()


def pool_case(split: str, index: int) -> PoolCase:
    """Draw one case as the pool keeps it."""
    from calibration.reference.cases import case

    drawn = case(split, index)
    views = tuple(
        PoolView(reduce_picture(v.pixels), v.shot, dict(v.labels), is_odd=n == drawn.odd_view)
        for n, v in enumerate(drawn.views)
    )
    return PoolCase(
        drawn.case_id,
        drawn.tone,
        views,
        dict(drawn.intake),
        dict(drawn.representation),
        dict(drawn.reasoning),
        drawn.signs,
        drawn.in_scope,
        drawn.record,
        None if drawn.previous is None else dict(drawn.previous),
        drawn.odd_view,
    )


def _draw_shard(job: tuple[str, int, int, str]) -> str:
    split, first, count, path = job
    rows = [pool_case(split, index) for index in range(first, first + count)]
    temporary = Path(f"{path}.tmp")
    temporary.write_bytes(pickle.dumps(rows, protocol=5))
    temporary.replace(path)
    return path


def _shard_name(split: str, number: int, count: int) -> str:
    """Name a shard; a short last one carries its length, so that a larger pool never takes it for a whole one."""
    return f"{split}-{number:04d}" + ("" if count == SHARD_CASES else f"-first-{count}") + ".pkl"


def draw_pool(
    folder: Path, *, split: str, cases: int, processes: int, on_progress: Callable[[int, int], None]
) -> list[Path]:
    """Draw what is missing of a pool and return its shards in order.

    Args:
        folder: where ``<split>-<number>.pkl`` stand; finished shards are kept.
        on_progress: called with shards done and shards in all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = [min(SHARD_CASES, cases - first) for first in range(0, cases, SHARD_CASES)]
    shards = [folder / _shard_name(split, number, count) for number, count in enumerate(counts)]
    jobs = [
        (split, number * SHARD_CASES, count, str(path))
        for number, (path, count) in enumerate(zip(shards, counts, strict=True))
        if not path.exists()
    ]
    done = len(shards) - len(jobs)
    on_progress(done, len(shards))
    if jobs:
        with multiprocessing.get_context("spawn").Pool(processes) as workers:
            for _ in workers.imap_unordered(_draw_shard, jobs):
                done += 1
                on_progress(done, len(shards))
    return shards


def read_pool(shards: list[Path]) -> Iterator[PoolCase]:
    """Yield the cases of the shards in order. The files are this command's own; never load foreign ones."""
    for path in shards:
        with path.open("rb") as file:
            yield from pickle.load(file)  # noqa: S301 - written by draw_pool on this machine
