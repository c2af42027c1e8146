"""An episode's visits as a chart: where each point stands, which ones a line joins, and where a line would mislead.

Under the measures each treatment has a lane of its own: a mark where the plan of a visit holds it, a bar between two visits in
a row that both do. It is what was planned; what the person took stands in no report.

Pure geometry; the page draws it. Points that bundles of different lineage answered are never joined: a step between them
may come from the program and not from the skin. Does not read the store and puts no words to ids.

Source: clinical-vocabulary section 4 (``minimal_change``, comparable within one lineage); issue "Follow-up visits".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

Measure = Literal["bsa", "pasi", "pga"]
MEASURES: Final[tuple[Measure, ...]] = ("bsa", "pasi", "pga")
WIDTH, PANEL, LEFT, RIGHT, TOP = 800, 150, 60, 40, 34  # px of the drawing; the page scales it
LANE = 40  # px: the words, and under them the marks
_STEPS: Final = (4, 10, 20, 50, 72, 100)  # the first that holds every value is the top of a panel


@dataclass(frozen=True, slots=True)
class VisitPoint:
    """One visit as its report tells it: surface in %, PASI 0-72, PGA 0-4; None was not known.

    ``lineage`` of the bundle that answered; None where the rules alone spoke. ``tier`` counts after the decisions;
    None where it was rejected. ``treatments`` are ids of ``plan_object``. ``has_severity``: no clinician found it wrong.
    """

    case_id: str
    created: datetime
    lineage: str | None
    bsa: float | None
    pasi: float | None
    pga: int | None
    tier: str | None
    treatments: tuple[str, ...]
    has_severity: bool = True


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a panel: which visit (from 1), where it stands, its value."""

    visit: int
    x: float
    y: float
    value: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure over time: its dots, lines that join comparable ones (x1, y1, x2, y2), and the tops of its axis."""

    measure: Measure
    top: float
    bottom: float
    highest: float
    dots: tuple[Dot, ...]
    runs: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One treatment over time: its id of ``plan_object``, y of its words and of its marks, their x, and bars (x1, x2)."""

    treatment: str
    title: float
    y: float
    marks: tuple[float, ...]
    bars: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole drawing; ``gaps`` are the x at which the lineage changes, ``marks`` the x of every visit.

    ``lanes`` lie between ``lanes_top`` and ``lanes_bottom``, in the order in which the treatments first came.
    """

    height: int
    panels: tuple[Panel, ...]
    marks: tuple[float, ...]
    gaps: tuple[float, ...]
    lanes: tuple[Lane, ...]
    lanes_top: int
    lanes_bottom: int


def chart(visits: Sequence[VisitPoint]) -> Chart | None:
    """Return the drawing of an episode, oldest visit first; None where no visit has a number or a treatment to draw."""
    rows = sorted(visits, key=lambda visit: visit.created)
    known = [name for name in MEASURES if any(getattr(visit, name) is not None for visit in rows)]
    given = tuple(dict.fromkeys(one for visit in rows for one in visit.treatments))
    if not known and not given:
        return None
    marks = _places(rows)
    gaps = tuple(
        (marks[n] + marks[n + 1]) / 2 for n, pair in enumerate(pairwise(rows)) if pair[0].lineage != pair[1].lineage
    )
    panels = tuple(_panel(name, rows, marks, top=TOP + n * PANEL) for n, name in enumerate(known))
    top = TOP + len(known) * PANEL
    lanes = tuple(_lane(name, rows, marks, top=top + n * LANE) for n, name in enumerate(given))
    bottom = top + len(lanes) * LANE
    return Chart(bottom + 30 if lanes else top, panels, marks, gaps, lanes, top, bottom)


def _places(rows: Sequence[VisitPoint]) -> tuple[float, ...]:
    """Return the x of every visit, by date, but never nearer than a label is wide."""
    first, span = rows[0].created, (rows[-1].created - rows[0].created).total_seconds()
    width = WIDTH - LEFT - RIGHT
    by_date = [(row.created - first).total_seconds() / span if span else 0.5 for row in rows]
    evenly = [n / (len(rows) - 1) if len(rows) > 1 else 0.5 for n in range(len(rows))]
    is_crowded = any((after - before) * width < 40 for before, after in pairwise(by_date))
    return tuple(round(LEFT + part * width, 1) for part in (evenly if is_crowded else by_date))


def _panel(name: Measure, rows: Sequence[VisitPoint], marks: Sequence[float], *, top: float) -> Panel:
    bottom = top + PANEL - 70
    values: list[float | None] = [getattr(row, name) for row in rows]
    most = max(value for value in values if value is not None)
    highest = next((step for step in _STEPS if most <= step), most)

    def height(value: float) -> float:
        return round(bottom - (bottom - top) * value / highest, 1)

    dots = tuple(
        Dot(n + 1, x, height(value), value)
        for n, (x, value) in enumerate(zip(marks, values, strict=True))
        if value is not None
    )
    return Panel(name, top, bottom, highest, dots, _runs(dots, lambda dot: rows[dot.visit - 1].lineage))


def _runs(dots: Sequence[Dot], lineage: Callable[[Dot], str | None]) -> tuple[tuple[float, float, float, float], ...]:
    """Join neighbours of one lineage."""
    return tuple((a.x, a.y, b.x, b.y) for a, b in pairwise(dots) if lineage(a) == lineage(b))


def _lane(name: str, rows: Sequence[VisitPoint], marks: Sequence[float], *, top: float) -> Lane:
    has = [name in row.treatments for row in rows]
    bars = tuple((marks[n], marks[n + 1]) for n, pair in enumerate(pairwise(has)) if all(pair))
    return Lane(name, top + 13, top + 28, tuple(x for x, is_there in zip(marks, has, strict=True) if is_there), bars)
