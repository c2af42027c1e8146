"""Draw the report's pictures as inline SVG: no scripts, no fonts from elsewhere, the same bytes for the same figures."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.evaluation.comparison import Estimate
from calibration.evaluation.gates import GateResult

# Colours of Okabe & Ito (2008): told apart by people with colour-blindness, and in grey by their lightness.
REFERENCE, CANDIDATE, BAD, LINE = "#999999", "#0072b2", "#d55e00", "#333333"
_FONT = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"}


@dataclass(frozen=True, slots=True)
class Point:
    """One bundle in the picture of trade-offs: mean field accuracy (0..1), bytes, median milliseconds of a case."""

    name: str
    accuracy: float
    size_bytes: int
    case_ms: float | None


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other one beats: not less accurate, not larger, not slower, and better in one.

    Where one of two was not timed, their speed is not compared.
    """
    return [one for one in points if not any(_beats(other, one) for other in points)]


def _beats(one: Point, other: Point) -> bool:
    pairs = [(one.accuracy, other.accuracy), (-one.size_bytes, -other.size_bytes)]
    if one.case_ms is not None and other.case_ms is not None:
        pairs.append((-one.case_ms, -other.case_ms))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def pareto_svg(points: Sequence[Point]) -> str:
    """Draw size against accuracy, each bundle with its latency in words; those on the front are filled and joined."""
    front = {point.name for point in pareto_front(points)}

    def draw(axes: Any) -> None:
        ordered = sorted((p for p in points if p.name in front), key=lambda p: p.size_bytes)
        axes.plot(
            [p.size_bytes / 1e6 for p in ordered], [100 * p.accuracy for p in ordered], color=LINE, lw=1, zorder=1
        )
        for point in points:
            x, y = point.size_bytes / 1e6, 100 * point.accuracy
            is_best = point.name in front
            axes.scatter(x, y, s=60, color=CANDIDATE if is_best else "white", edgecolor=CANDIDATE, zorder=2)
            spent = "not timed" if point.case_ms is None else f"{point.case_ms:.0f} ms per case"
            axes.annotate(f"{point.name}\n{spent}", (x, y), xytext=(7, -4), textcoords="offset points", va="top")
        axes.margins(x=0.35, y=0.35)
        axes.set_xlabel("size of the bundle (MB)")
        axes.set_ylabel("mean field accuracy (%)")

    return _svg(draw, name="pareto", size=(6.2, 3.6))


def reliability_svg(rows: Mapping[str, Sequence[tuple[float, float, int]]]) -> str:
    """Draw stated confidence against the share that was right; the area of a dot is the number of answers.

    Args:
        rows: per bundle (mean confidence, share right, count) of every bin; the last bundle is the candidate.
    """

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=LINE, lw=0.8, ls="--")
        axes.annotate("as sure as right", (0.62, 0.62), rotation=45, ha="center", va="bottom", color=LINE)
        for (name, bins), colour in zip(rows.items(), _colours(len(rows)), strict=True):
            most = max((count for *_, count in bins), default=1)
            axes.plot([c for c, *_ in bins], [r for _, r, _ in bins], color=colour, lw=1)
            sizes = [12 + 110 * count / most for *_, count in bins]
            axes.scatter([c for c, *_ in bins], [r for _, r, _ in bins], s=sizes, color=colour, alpha=0.8, label=name)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="stated confidence", ylabel="share right", aspect="equal")
        legend = axes.legend(loc="upper left", frameon=False)
        for handle in legend.legend_handles:
            handle.set_sizes([40])

    return _svg(draw, name="reliability", size=(4.4, 4.2))


def bars_svg(groups: Sequence[str], rows: Mapping[str, Sequence[float]]) -> str:
    """Draw mean field accuracy per group, one bar per bundle, each with its figure.

    Args:
        groups: names, ``tone 1`` and so on.
        rows: per bundle one accuracy (0..1) per group; the last bundle is the candidate.
    """

    def draw(axes: Any) -> None:
        height = 0.8 / len(rows)
        for number, ((name, values), colour) in enumerate(zip(rows.items(), _colours(len(rows)), strict=True)):
            places = [place + number * height for place in range(len(groups))]
            axes.barh(places, [100 * value for value in values], height=height * 0.92, color=colour, label=name)
            for place, value in zip(places, values, strict=True):
                axes.annotate(
                    f"{100 * value:.1f}", (100 * value, place), xytext=(3, 0), textcoords="offset points", va="center"
                )
        axes.set_yticks([place + 0.4 - height / 2 for place in range(len(groups))], groups)
        axes.invert_yaxis()
        axes.set_xlim(0, 112)
        axes.set_xlabel("mean field accuracy (%)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(rows), frameon=False)

    return _svg(draw, name="bars", size=(6.2, 1.0 + 0.27 * len(groups) * len(rows)))


def gates_svg(gates: Sequence[GateResult]) -> str:
    """Draw every computed gate as a share of its limit: a dot for the sample, a line to its bound, the limit at 100 %."""
    rows = [(gate, gate.result) for gate in gates if isinstance(gate.result, Estimate)]

    def draw(axes: Any) -> None:
        for place, (gate, result) in enumerate(rows):
            colour = CANDIDATE if gate.is_met else BAD
            value, bound = (100 * max(-1.0, min(3.0, one / gate.limit)) for one in (result.value, result.bound))
            axes.plot([value, bound], [place, place], color=colour, lw=2)
            axes.scatter(value, place, s=22, color=colour, zorder=3)
            axes.plot([bound, bound], [place - 0.25, place + 0.25], color=colour, lw=2)
        axes.axvline(100, color=LINE, lw=1)
        axes.axvline(0, color=LINE, lw=0.5, ls=":")
        axes.set_yticks(range(len(rows)), [gate.where for gate, _ in rows], fontsize=7.5)
        for label, (gate, _) in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_color("black" if gate.is_met else BAD)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(-105, 305)
        axes.set_xlabel("loss in % of the limit; 300 and more is cut")

    return _svg(draw, name="gates", size=(7.6, 1.0 + 0.19 * max(3, len(rows))))


def _colours(count: int) -> Sequence[str]:
    return (CANDIDATE,) if count == 1 else (REFERENCE, CANDIDATE)


def _svg(draw: Callable[[Any], None], *, name: str, size: tuple[float, float]) -> str:
    """Return one figure as an SVG element that can stand in HTML: no prologue, ids that no other figure has."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_FONT, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = stream.getvalue()
    element = text[text.index("<svg") :].strip()
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", element)
    return element.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
