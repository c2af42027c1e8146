"""Write what ``scale_main`` measured: a Markdown section for docs/benchmarks.md, and a table for the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmarks_table import table

Data = Mapping[str, Any]
PARTS = ("language_model", "text_embeddings", "vision_merger", "vision_embeddings", "adapter", "tokenizer")
SCALE = """## Scale

Random checkpoints of real shapes (`derm-calibrate shape`), built to INT4 with three INT8 adapters of rank 16, and one case of
one view of 448 px through all three agents: what size costs, and nothing about answers. *anonymous* is the largest sum
of memory that no file stands behind, over all processes; *resident* counts mapped files too, which the system can take
back at any time. *ratio* is anonymous memory over the weights in bf16. *estimate* is what the preflight says before the work.
*optimum-cli* is the plain INT4 export alone, without adapters, expected values or gates.

Made by `python -m scripts.scale_main --shape 3b --work DIR` (`7b` likewise).
"""


def scale(shapes: Sequence[Data]) -> str:
    """Return the section; without any measured shape it says so."""
    if not shapes:
        return SCALE + "\nNot measured.\n"
    return SCALE + "\n" + "\n".join(_shape(figures) for figures in shapes)


def printed(figures: Data) -> str:
    """Return the figures of one shape as Markdown, which a screen shows as well."""
    return _shape(figures)


def _shape(figures: Data) -> str:
    weights = figures["bf16_bytes"]
    lines = [
        (
            f"### {figures['shape']}\n\n{figures['date']}, {figures['cpu_count']} CPU cores, {_size(figures['memory_bytes'])} "
            f"of memory. Weights in bf16: {_size(weights)}. Estimate: {_size(figures['estimate']['memory_bytes'])} "
            f"({figures['estimate']['memory_stage']}), {figures['estimate']['seconds']:.0f} s.\n"
        )
    ]
    if "remark" in figures:
        lines.append(f"{figures['remark']}\n")
    rows = [_row(step, usage, weights) for step, usage in figures["steps"].items()]
    plain = figures.get("plain")
    if plain:
        rows.append(_row("optimum-cli", plain, weights))
    lines.append(table(["step", "seconds", "anonymous", "resident", "ratio"], rows))
    stages = figures["stages"].get("build", {})
    lines.append(
        table(
            ["stage of the build", "seconds", "anonymous", "resident", "ratio"],
            [_row(stage, usage, weights) for stage, usage in stages.items()],
        )
    )
    if "sizes" in figures:
        sizes = figures["sizes"]
        named = [[part, _size(sizes[part])] for part in PARTS if part in sizes]
        lines.append(table(["files", "bytes"], [*named, ["**bundle**", _size(sum(sizes.values()))]]))
    if "case" in figures:
        case = figures["case"]
        lines.append(
            f"Case: loaded in {case['load_s']} s, view encoded in {case['encode_s']} s, all in {case['case_s']} s; "
            f"{case['tokens_sampled']:.0f} tokens sampled, {case['tokens_forced']:.0f} forced.\n"
        )
    if "failed" in figures:
        lines.append(f"**Not finished**: {figures['failed']}\n")
    return "\n".join(lines)


def _row(name: str, usage: Data, weights: int) -> list[str]:
    anonymous = usage["anonymous_bytes"]
    ratio = "–" if anonymous is None else f"{anonymous / weights:.2f}"
    held = "–" if anonymous is None else _size(anonymous)
    return [name, f"{usage['seconds']:.0f}", held, _size(usage["resident_bytes"]), ratio]


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"
