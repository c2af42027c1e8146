"""Print what ``evaluate`` measured: a table of fields, the answers by tone, every floor. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from calibration.reference.floors import CHANCE_Z, floors


def print_result(name: str, result: Mapping[str, Mapping[str, Any]]) -> None:
    """Print one table of fields, the answers by tone, and every floor with its figures."""
    console = Console(width=150)
    others = {mode: figures for mode, figures in result.items() if mode != "own"}
    own = result["own"]
    table = Table(title=f"{name}: {own['cases']} drawn cases - not for clinical use")
    for column in ("field", "own", "95 %", "constant", "worst tone", "ECE", "kept", "right of kept", *others):
        table.add_column(column)
    for field, row in own["fields"].items():
        low, high = row["interval"]
        tone, worst = min(row["per_tone"].items(), key=lambda item: float(item[1]))
        rest = [_figure(figures["fields"].get(field, {}).get("accuracy")) for figures in others.values()]
        table.add_row(
            field,
            _figure(row["accuracy"]),
            f"{low:.3f}-{high:.3f}",
            _figure(row["constant"]),
            f"{worst:.3f} ({tone})",
            *(_figure(row.get(name)) for name in ("ece", "kept", "kept_precision")),
            *rest,
        )
    for agent, value in own["means"].items():
        rest = [_figure(figures["means"][agent]) for figures in others.values()]
        table.add_row(f"mean {agent}", _figure(value), *[""] * 6, *rest)
    console.print(table)
    _print_tones(own["tone_to_syndrome"], console=console)
    judged = floors(own, others=others)
    console.print(f"floors: {sum(f.is_met for f in judged)} of {len(judged)} met", highlight=False)
    for floor in judged:
        console.print(f"  {floor.line()}", highlight=False)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _print_tones(test: Mapping[str, Any], *, console: Console) -> None:
    table = Table(title=f"syndrome by tone (cascade): chi2 {test['chi2']}, z {test['z']}; below {CHANCE_Z} is chance")
    answers = list(next(iter(test["answers"].values()), {}))
    for column in ("tone", *answers):
        table.add_column(column)
    for tone, counts in test["answers"].items():
        table.add_row(tone, *(f"{counts[a] / max(1, sum(counts.values())):.3f}" for a in answers))
    console.print(table)
