"""Print what was measured, for a person in front of a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.speed.case import CaseResult
from scripts.speed.contender import PHASES
from scripts.speed.interleave import Series


def print_case(result: CaseResult) -> None:
    """Print contenders, limits, parity and the ratio lines."""
    console = Console(width=130)
    for workload in ("paper", "shared"):
        found = [one for one in result.records if one["kind"] == "case" and one["workload"] == workload]
        if found:
            console.print(_cases(workload, found))
    for record in result.records:
        if record["kind"] in ("parity", "limits", "tokens"):
            said = ", ".join(f"{name} {_short(value)}" for name, value in record.items() if name not in _HEAD)
            console.print(f"{record['kind']}: {said}", highlight=False)
    for target in result.targets:
        console.print(target.line, highlight=False)
    verdict = "parity holds and all targets are met" if result.is_good else "parity or a target does not hold"
    console.print(verdict, style="bold")


_HEAD = ("kind", "shape", "views", "side_px")


def _cases(workload: str, found: list[dict[str, Any]]) -> Table:
    table = Table(title=f"one case, {workload}: median seconds (least - most)")
    for name in ("contender", "case", "vision", "prefill", "decode", "load", "peak GB", "runs", "note"):
        table.add_column(name, justify="left" if name in ("contender", "note") else "right")
    for one in found:
        if not one["runs"]:
            table.add_row(one["name"], "-", "", "", "", "", "", "0", one["error"])
            continue
        series = Series.of(one)
        least, most = series.spread()
        case = f"{series.median():.2f} ({least:.2f} - {most:.2f})"
        middles = [f"{series.median(phase):.2f}" for phase in PHASES]
        peak = f"{series.peak_bytes / 1e9:.2f}"
        table.add_row(series.name, case, *middles, f"{series.load_s:.1f}", peak, str(len(series.runs)), series.note)
    return table


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value / 1e9:.1f}e9" if value > 1e8 else f"{value:.3g}"
