"""Draw growth: time by phase and peak memory over views, pixels and length of the answers, one column per shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_AXES = {
    "views": "views of 448 px",
    "side_px": "px of a view's side, 3 views",
    "length": "length of the answers, 1 = usual",
}
_PHASES = {"vision": "#4477aa", "prefill": "#ee6677", "decode": "#228833"}
GIGA = 1e9


def draw_growth(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Write a PNG: one row of panels per shape, one column per axis; stacked seconds, and memory as a line.

    Args:
        rows: records of kind ``growth``.
        out: the file.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    figure, panels = plt.subplots(len(shapes), len(_AXES), figsize=(13, 3.6 * len(shapes)), squeeze=False)
    for line, shape in zip(panels, shapes, strict=True):
        for panel, (axis, title) in zip(line, _AXES.items(), strict=True):
            _panel(panel, [row for row in rows if row["shape"] == shape and row["axis"] == axis], axis)
            panel.set_title(f"{shape}: {title}", fontsize=10)
    panels[0][0].legend(loc="upper left", fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _panel(panel: Any, rows: Sequence[dict[str, Any]], axis: str) -> None:
    found = sorted(rows, key=lambda row: float(row[axis]))
    x = [row[axis] for row in found]
    panel.stackplot(x, *([row[phase] for row in found] for phase in _PHASES), colors=list(_PHASES.values()),
                    labels=list(_PHASES), alpha=0.85)  # fmt: skip
    panel.plot(x, [row["total"] for row in found], "k.", markersize=4)
    panel.set_xticks(x)
    panel.set_ylim(bottom=0)
    panel.set_ylabel("seconds of one case", fontsize=9)
    memory = panel.twinx()
    memory.plot(x, [row["peak_bytes"] / GIGA for row in found], color="#aa3377", marker="o", markersize=3, linewidth=1)
    memory.set_ylim(bottom=0)
    memory.set_ylabel("peak memory, GB (line)", fontsize=9, color="#aa3377")
