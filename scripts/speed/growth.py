"""How time and memory of one case grow: over views, pixels, length of the answers, and the size of the backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.cost import ModelFacts
from edge_agent.workload import model_facts
from scripts.speed.interleave import Process, Tell
from scripts.speed.machine import machine_facts
from scripts.speed.ours import read_bundle
from scripts.speed.shapes import parts_of

LARGEST_SIDE = 896
BASE = {"views": 3, "side_px": 448, "length": 1.0}


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that grows, the rest standing at ``BASE``."""

    name: str
    values: tuple[float, ...]


AXES = (
    Axis("views", (1, 2, 3, 4, 6, 8)),
    Axis("side_px", (224, 336, 448, 672, 896)),
    Axis("length", (0.5, 1.0, 2.0, 4.0)),
)
FEW = (Axis("views", (1, 2, 3)), Axis("side_px", (224, 448)), Axis("length", (1.0,)))
FEW_SHAPES = ("3b",)


def measure_growth(shape: str, work: Path, *, repeats: int, tell: Tell) -> list[dict[str, Any]]:
    """Run every point of every axis, ``repeats`` times each, and return the medians.

    Every point has a process of its own: buffers once taken stay, so a point behind a larger one would show that one's peak.
    One case warms each engine up. A shape of minutes per case (``FEW``) has fewer points.

    Raises:
        EdgeError: the shape cannot be made.
        RuntimeError: the engine ended.
    """
    parts = parts_of(shape, work, side_px=LARGEST_SIDE, tell=tell)
    points = list(_points(FEW if shape in FEW_SHAPES else AXES))
    rows: list[dict[str, Any]] = []
    loaded: dict[str, Any] = {}
    known: dict[tuple[float, ...], dict[str, float]] = {}  # the axes meet in BASE
    for number, (axis, size) in enumerate(points, start=1):
        point = tuple(size.values())
        if point not in known:
            tell(f"{shape}: {number} of {len(points)}: {axis} {size[axis]:g}")
            with Process("ours-free", parts) as process:
                loaded = process.ask({"do": "load"})
                _run(process, {**BASE, "views": 1, "side_px": 224}, repeats)
                known[point] = _medians([_run(process, size, case) for case in range(repeats)])
        rows.append({"kind": "growth", "shape": shape, "axis": axis, "is_alone": True, **size, **known[point]})
    head = {"kind": "machine", "shape": shape, **machine_facts(), "loaded": loaded}
    return [head, *rows]


def model_of(shape: str, work: Path) -> ModelFacts:
    """Return the sizes of a shape that was measured, as the cost model takes them."""
    parts = parts_of(shape, work, side_px=LARGEST_SIDE, tell=print)
    return model_facts(read_bundle(parts.bundle, side_px=LARGEST_SIDE).manifest)


def slope(rows: list[dict[str, Any]], *, axis: str, shape: str) -> tuple[float, float, float]:
    """Fit total seconds = a + b x over an axis and return (a, b, largest deviation as a share of the fitted value)."""
    found = [(row[axis], row["total"]) for row in rows if row.get("axis") == axis and row["shape"] == shape]
    x, y = (np.array(values, dtype=np.float64) for values in zip(*found, strict=True))
    b, a = np.polyfit(x, y, 1)
    return float(a), float(b), float(np.abs((y - a - b * x) / (a + b * x)).max())


def _points(axes: Sequence[Axis]) -> Iterator[tuple[str, dict[str, float]]]:
    for axis in axes:
        for value in axis.values:
            yield axis.name, {**BASE, axis.name: value}


def _run(process: Process, size: Mapping[str, float], case: int) -> dict[str, Any]:
    whole = {"views": int(size["views"]), "side_px": int(size["side_px"]), "length": size["length"]}
    return process.ask({"do": "run", "workload": "paper", "size": whole, "case": case})


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return medians of the phases; tokens and calls are the same in every run."""
    middle = {phase: float(np.median([run["seconds"][phase] for run in runs])) for phase in runs[0]["seconds"]}
    return {
        **middle,
        "total": float(np.median([run["total"] for run in runs])),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "prefill_tokens": runs[0]["tokens"]["prefill"],
        "decode_tokens": runs[0]["tokens"]["decode"],
        "decode_calls": runs[0]["calls"]["decode"],
    }
