"""Draw a pool of cases once and keep the pictures as the model will see them.

Drawing a picture costs as much as a training step on it, so each split is drawn once, by several processes,
in numbered shards that survive an interruption.
"""

from __future__ import annotations

import multiprocessing
import os
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
    """One picture, reduced to the pixel budget: uint8[H, W, 3] RGB on the 28-px grid, with its labels."""

    pixels: NDArray[np.uint8]
    shot: str
    labels: dict[str, Any]


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


def reduce_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to the model's pixel budget exactly as the device does.

    Args:
        pixels: uint8[H, W, 3], RGB.
    """
    from edge_agent.inference.preprocessing import resize, smart_resize

    height, width = smart_resize(*pixels.shape[:2], factor=28, min_pixels=56 * 56, max_pixels=PIXELS)
    return resize(pixels, height=height, width=width)


def _draw_shard(job: tuple[str, int, int, str]) -> str:
    from calibration.reference.cases import case

    split, first, count, path = job
    rows = []
    for index in range(first, first + count):
        drawn = case(split, index)
        views = tuple(PoolView(reduce_picture(v.pixels), v.shot, dict(v.labels)) for v in drawn.views)
        rows.append(
            PoolCase(
                drawn.case_id,
                drawn.tone,
                views,
                dict(drawn.intake),
                dict(drawn.representation),
                dict(drawn.reasoning),
                drawn.signs,
                drawn.in_scope,
            )
        )
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        pickle.dump(rows, file, protocol=5)
    os.replace(temporary, path)
    return path


def draw_pool(
    folder: Path, *, split: str, cases: int, processes: int, on_progress: Callable[[int, int], None]
) -> list[Path]:
    """Draw what is missing of a pool and return its shards in order.

    Args:
        folder: where ``<split>-<number>.pkl`` stand; finished shards are kept.
        on_progress: called with shards done and shards in all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = [folder / f"{split}-{number:04d}.pkl" for number in range((cases + SHARD_CASES - 1) // SHARD_CASES)]
    jobs = [
        (split, number * SHARD_CASES, min(SHARD_CASES, cases - number * SHARD_CASES), str(path))
        for number, path in enumerate(shards)
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
