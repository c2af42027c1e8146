"""Write a sweep down: a table for the screen, one page with the picture of trade-offs, and every figure as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from calibration.evaluation.comparison import Group
from calibration.evaluation.figures import mean_accuracy
from calibration.evaluation.plots import Point, pareto_front, pareto_svg
from calibration.package import dump_json
from calibration.sweep import durable
from calibration.sweep.sweep import RecipeResult, SweepResult
from edge_agent.errors import CalibrationError

REPORT, SUMMARY = "report.html", "sweep.json"
_EVERYBODY = Group("all", "all").name  # as gates call it


@dataclass(frozen=True, slots=True)
class Loss:
    """Points of mean field accuracy lost against FP32 and their one-sided 95 % bound; None where it cannot be taken."""

    group: str
    points: float
    bound: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One recipe in the table. Accuracy is 0..1, losses are in points; ``on_front``: no other recipe beats it."""

    name: str
    state: str
    accuracy: float | None
    loss: Loss | None
    worst_tone: Loss | None
    size_bytes: int | None
    case_ms: float | None
    on_front: bool
    failure: str
    bundle: str
    report: str
    census: list[dict[str, Any]]


def write_sweep_report(result: SweepResult, out: Path) -> list[Row]:
    """Write ``report.html`` and ``sweep.json`` and return the table's rows.

    Args:
        result: what the sweep returned.
        out: the sweep's folder.

    Raises:
        CalibrationError: the folder cannot be written.
    """
    points = points_of(result)
    front = {point.name for point in pareto_front(points)}
    rows = [_row(one, on_front=one.name in front, out=out) for one in result.recipes]
    document = {
        "is_measured": result.is_measured,
        "exit_code": result.exit_code,
        "recipes": [asdict(row) for row in rows],
    }
    try:
        durable.write_whole(out / SUMMARY, dump_json(document))
        durable.write_whole(out / REPORT, _page(rows, points, result).encode("utf-8"))
    except OSError as exc:
        raise CalibrationError(f"cannot write the report to {out}: {exc.strerror}; free space and start again") from exc
    return rows


def points_of(result: SweepResult) -> list[Point]:
    """Return every measured recipe's place in the picture of trade-offs."""
    return [
        Point(one.name, mean_accuracy(one.measured["fields"]), one.built["size_bytes"], one.measured["case_ms"])
        for one in result.recipes
        if one.measured
    ]


def _row(one: RecipeResult, *, on_front: bool, out: Path) -> Row:
    fields = one.measured.get("fields")
    losses = _losses(one)
    tones = [loss for loss in losses if loss.group != _EVERYBODY]
    return Row(
        name=one.name,
        state=_state(one),
        accuracy=None if fields is None else mean_accuracy(fields),
        loss=next((loss for loss in losses if loss.group == _EVERYBODY), None),
        worst_tone=max(tones, key=lambda loss: loss.points, default=None),
        size_bytes=one.built.get("size_bytes"),
        case_ms=one.measured.get("case_ms"),
        on_front=on_front,
        failure="" if one.failure is None else str(one.failure),
        bundle="" if one.bundle is None else str(one.bundle.relative_to(out)),
        report="" if one.report is None else str(one.report.relative_to(out)),
        census=one.built.get("census", []),
    )


def _state(one: RecipeResult) -> str:
    if one.failure is not None:
        return "gates NOT met" if one.measured else "FAILED"
    if one.is_twin:
        return "reference"
    return "gates met" if one.measured else "built, not judged"


def _losses(one: RecipeResult) -> list[Loss]:
    """Return the losses over all cases and by tone, with the bounds that the cases give, enough for a gate or not."""
    return [
        Loss(row["group"], round(100 * row["value"], 2), None if row["bound"] is None else round(100 * row["bound"], 2))
        for row in one.measured.get("losses", [])
        if row["group"] == _EVERYBODY or row["group"].startswith("tone ")
    ]


def _page(rows: Sequence[Row], points: Sequence[Point], result: SweepResult) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    picture = Markup(pareto_svg(points)) if points else None  # noqa: S704 - our own SVG
    failed = [row for row in rows if row.failure]
    return environment.get_template("sweep.html.j2").render(
        rows=rows, picture=picture, failed=failed, is_measured=result.is_measured, words=loss_words
    )


def loss_words(loss: Loss | None) -> str:
    """Return a loss for a person: ``0.42 (≤ 0.80)`` points, the bound in brackets."""
    if loss is None:
        return "–"
    return f"{loss.points:+.2f}" + (f" (≤ {loss.bound:.2f})" if loss.bound is not None else " (no bound)")


def print_table(rows: Sequence[Row], *, console: Console) -> None:
    """Print the recipes side by side, then why some have no bundle."""
    table = Table("recipe", "state", "accuracy", "points lost (95 % bound)", "worst tone", "MB", "ms per case", "front",
                  "bundle", box=None)  # fmt: skip
    for row in rows:
        worst = "–" if row.worst_tone is None else f"{row.worst_tone.group}: {loss_words(row.worst_tone)}"
        table.add_row(
            escape(row.name),
            row.state,
            "–" if row.accuracy is None else f"{row.accuracy:.4f}",
            loss_words(row.loss),
            worst,
            "–" if row.size_bytes is None else f"{row.size_bytes / 1e6:.2f}",
            "–" if row.case_ms is None else f"{row.case_ms:.0f}",
            "yes" if row.on_front else "",
            escape(row.bundle or "none"),
        )
    console.print(table)
    for row in rows:
        if row.failure:
            console.print(f"[bold red]{escape(row.name)}:[/] {escape(row.failure)}", highlight=False, soft_wrap=True)
