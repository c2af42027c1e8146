"""Write the section on the engine of docs/benchmarks.md from the JSON lines that ``scripts/bench`` left."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks_table import table
from scripts.speed.contender import PHASES
from scripts.speed.contenders import SAID
from scripts.speed.growth import AXES, slope
from scripts.speed.interleave import Series
from scripts.speed.targets import Target

RESULTS = Path(__file__).with_name("results")
PICTURE = "pictures/growth.png"
HEADING = "## Engine"
_INTRO = f"""{HEADING}

The engine beside what one would take instead, on random weights of real shapes: the same files, prompts, schemas, pictures and
length of every answer (`scripts/speed/workload.toml`), processes of their own, run in turns on one machine. *case*: median
seconds of one case (least – most). *vision*, *prefill* (up to an answer's first token) and *decode* are medians of their
own. *peak* is the largest resident memory of the process, loading included.

- **paper**: DERM-Rec sees one view and its prompt, DERM-Rep all views in two steps, DERM-Reason text; adapters are on for all
  tokens.
- **shared**: every agent begins with the system's words and all views, and its adapter is on only behind them. Here GenAI
  runs the same adapters as plain LoRA, on all tokens: *not the same function*.

*ours* writes under the schemas, as devices do, and passes over tokens that a schema leaves no choice about. GenAI, optimum and
PyTorch write as many tokens freely: no mask costs them anything. *ours-free* writes freely too. transformers' `generate` does
not part vision from prefill: for optimum-intel and PyTorch *prefill* holds both, and *vision* is only cutting the patches.

The limits are measured in the same run: matrix products of the model's sizes in floats, in the plugin's own precision, and
plain reading of memory. A share above 1 is no mistake: INT4 and INT8 weights meet activations that are rounded to 8 bits, and
integer products are faster than float ones. An *aim* is a wish beside the bound; why one is missed stands in
[ADR 0017](adr/0017-memory-bounded-and-given-back.md) (memory) and [ADR 0018](adr/0018-compared-with-peers.md) (tokens).

Made by `scripts/bench case --shape SHAPE`, `scripts/bench growth` and `scripts/bench doc`.
"""


def engine_section(results: Path = RESULTS) -> str:
    """Return the section; without results it says so."""
    files = sorted(results.glob("case-*.jsonl"))
    growth = results / "growth.jsonl"
    if not files and not growth.is_file():
        return _INTRO + "\nNot measured.\n"
    parts = [_INTRO, *(_case(_read(path)) for path in files)]
    if growth.is_file():
        parts.append(_growth(_read(growth)))
    return "\n".join(parts)


def replace_section(text: str, section: str) -> str:
    """Return a document whose last section is the engine's."""
    before = text.split(f"\n{HEADING}\n", maxsplit=1)[0].rstrip("\n")
    return f"{before}\n\n{section}"


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _of(records: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in records if one["kind"] == kind]


def _case(records: Sequence[Mapping[str, Any]]) -> str:
    """Write one shape and size: machine, contenders, parity, targets."""
    machine, parity, limits = (_of(records, kind)[0] for kind in ("machine", "parity", "limits"))
    head = (
        f"### {machine['shape']}, {machine['views']} view{'' if machine['views'] == 1 else 's'} of {machine['side_px']} px\n\n{machine['date']}, "
        f"{machine['cores']} CPU cores ({', '.join(machine['flags'])}"
        + (f"; used up to {machine['isa_limit']}" if machine["isa_limit"] else "")
        + f"). Limits of this machine: {limits['language_flops_per_s'] / 1e9:.0f} GFLOP/s at the decoder's products, "
        f"{limits['vision_flops_per_s'] / 1e9:.0f} at the vision tower's, {limits['read_bytes_per_s'] / 1e9:.1f} GB/s read.\n"
    )
    remark = [f"{machine['remark']}\n"] if machine.get("remark") else []
    lines = [head, *remark, _parity(parity), *(_switch(one) for one in _of(records, "tokens"))]
    for workload in ("paper", "shared"):
        found = [one for one in _of(records, "case") if one["workload"] == workload]
        if found:
            columns = [f"{workload}: engine", "case, s", "vision", "prefill", "decode", "load, s", "peak, GB", "remark"]
            lines.append(table(columns, [_row(one) for one in found]))
    lines.append(table(["target", "measured", "bound", "aim", ""], [_target(one) for one in _of(records, "target")]))
    return "\n".join(lines)


def _parity(parity: Mapping[str, Any]) -> str:
    said = []
    if "answers" in parity:
        said.append(
            f"{parity['equal_answers']} of {parity['answers']} greedy answers are token for token GenAI's on the same bare "
            "files (strict f32; a chat's second turn left out, since GenAI reads its own words anew)"
        )
    if "max_logit_difference" in parity:
        said.append(f"FP32 logits, grafted against merged: at most {parity['max_logit_difference']:.1e} apart")
    return f"Same function: {'; '.join(said) if said else 'not checked at this shape'}.\n"


def _switch(tokens: Mapping[str, Any]) -> str:
    """Write what the first token behind a change of the adapter costs beside one without a change."""
    more = 1000 * tokens["switch"]
    return (
        f"Adapter switch: a token behind another agent's took {more:+.1f} ms beside {1000 * tokens['with_adapters']:.1f} ms; the gate "
        "is an input, and nothing is loaded.\n"
    )


def _row(one: Mapping[str, Any]) -> list[str]:
    if not one["runs"]:
        return [SAID[one["name"]], "–", "", "", "", "", "", one["error"]]
    series = Series.of(one)
    least, most = series.spread()
    return [
        SAID[one["name"]], f"{series.median():.2f} ({least:.2f}–{most:.2f})",
        *(f"{series.median(phase):.2f}" for phase in PHASES), f"{series.load_s:.1f}", f"{series.peak_bytes / 1e9:.2f}",
        series.note,
    ]  # fmt: skip


def _target(row: Mapping[str, Any]) -> list[str]:
    value = math.inf if row["value"] is None else row["value"]
    target = Target(row["name"], value, row["bound"], row["aim"], row["is_share"])
    sign = "≥" if target.is_share else "≤"
    bound = "" if target.bound is None else f"{sign} {target.bound:g}"
    aim = "" if target.aim is None else f"{sign} {target.aim:g}"
    judged = target.verdict.replace("NOT MET", "**not met**")
    return [target.name, f"{target.value:.3f}" if math.isfinite(target.value) else "–", bound, aim, judged]


def _growth(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the tables of growth and the picture."""
    found = [dict(row) for row in rows if row["kind"] == "growth"]
    together = list(dict.fromkeys(row["shape"] for row in found if not row.get("is_alone")))
    lines = [
        (
            f"### Growth\n\n![seconds by phase and peak memory over views, pixels and length]({PICTURE})\n\n"
            "One case with the paper's inputs, text written freely; medians. The other two stand at 3 views of 448 px and the usual "
            f"length. {_processes(together)} Three views of 896 px are more than 2,048 tokens: such a prompt takes several passes "
            "(`prefill_chunk`), which bounds memory and costs time. 3b takes minutes per case on such a machine and has fewer "
            "points: one to three views, two sizes, the usual length.\n"
        )
    ]
    lines += [_fitted(row) for row in _of(rows, "fit")]
    for shape in dict.fromkeys(row["shape"] for row in found):
        _, per_view, off = slope(found, axis="views", shape=shape)
        lines.append(
            f"**{shape}**: {per_view:.2f} s per further view; a straight line is at most {100 * off:.0f} % off.\n"
        )
        body = [
            _growth_row(row) for axis in AXES for row in found if row["shape"] == shape and row["axis"] == axis.name
        ]
        columns = ["views", "px", "length", "vision, s", "prefill, s", "decode, s", "case, s", "peak, GB"]
        lines.append(table(columns, body))
    return "\n".join(lines)


def _processes(together: Sequence[str]) -> str:
    """Say of what *peak* is the peak; ``together`` are the shapes whose points were measured in one process."""
    if not together:
        return "Every point has a process of its own, so that *peak* is its own too."
    return (
        f"The points of {', '.join(together)} ran in this order in one process, and buffers once taken stay: there *peak* is that of "
        "the largest point so far."
    )


def _fitted(row: Mapping[str, Any]) -> str:
    return (
        "The cost model that `derm-edge profile explain` uses, fitted to all of these points: "
        f"{row['gemm_flops_per_s'] / 1e9:.0f} GFLOP/s, {row['read_bytes_per_s'] / 1e9:.1f} GB/s, "
        f"{1000 * row['call_s']:.1f} ms per call. A whole case is off by {100 * row['median_off']:.0f} % in the median and "
        f"{100 * row['most_off']:.0f} % at most. `scripts/bench growth` prints these lines for a profile's `[rates]`.\n"
    )


def _growth_row(row: Mapping[str, Any]) -> list[str]:
    phases = [f"{row[name]:.2f}" for name in ("vision", "prefill", "decode", "total")]
    return [f"{row['views']:g}", f"{row['side_px']:g}", f"{row['length']:g}", *phases, f"{row['peak_bytes'] / 1e9:.2f}"]
