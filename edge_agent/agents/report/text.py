"""Write a report for a terminal or a text file.

Draws the parts of ``report_words.page_of``; chooses no words of its own.

Source: clinical-vocabulary section 10.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from edge_agent.agents.report.parts import Block, Boxes, Line, Listing, Page, Section, Table
from edge_agent.agents.report.reading import ReportAudience
from edge_agent.agents.report.words import page_of
from edge_agent.contracts.terms import Language, Vocabulary

WIDTH = 96
BLANK = "______________"
TIER_STYLE = {"T1_emergency": "bold white on red", "T2_same_day": "bold black on yellow", "T3_urgent": "bold magenta"}
MARK_STYLE = {
    "alert": "bold",
    "strong": "bold",
    "tier": "bold",
    "unknown": "yellow",
    "quiet": "dim",
    "struck": "strike",
}


def render_text(
    report: Mapping[str, Any],
    vocabulary: Vocabulary,
    lang: Language,
    *,
    audience: ReportAudience = "clinician",
    width: int = WIDTH,
    colour: bool = False,
) -> str:
    """Return the report as text.

    Args:
        report: what ``CasePipeline.run`` returned.
        vocabulary: the words for its ids.
        lang: ``zh`` or ``en``.
        audience: ``person`` for the copy that the person takes home.
        width: columns.
        colour: write ANSI colours (a terminal) or none (a file).

    Raises:
        CaseError: the report has a version that this program cannot read.
    """
    target = io.StringIO()
    console = Console(
        file=target,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
    )
    console.print(build_text(page_of(report, vocabulary, lang, audience=audience)))
    # The console fills every line with spaces up to its width; a file does not need them.
    return "".join(f"{line.rstrip()}\n" for line in target.getvalue().splitlines())


def build_text(page: Page) -> Group:
    """Return a page as a rich renderable, for a console of the caller's own."""
    head = Text("\n").join([Text(page.meta), *(Text(line, style="bold") for line in page.banners), _text(page.tier)])
    parts: list[RenderableType] = [Panel(head, title=page.title, expand=True)]
    for section in page.sections:
        parts += _section(section)
    return Group(*parts)


def _section(section: Section) -> list[RenderableType]:
    title = Text(f"{section.number} {section.title}", style="bold underline")
    return [Text(""), title, *(Padding(_block(block), (0, 0, 0, 2)) for block in section.blocks)]


def _block(block: Block) -> RenderableType:
    if isinstance(block, Line):
        return _line(block)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Listing):
        return Group(Text(block.title, style="bold"), *(Text(f"- {line}", style="dim") for line in block.lines))
    return Columns([Text(f"{label} {BLANK}") for label in block.labels]) if isinstance(block, Boxes) else Text("")


def _line(line: Line) -> RenderableType:
    """Hang the text behind its sign, so that the signs stand in one column."""
    if not line.sign:
        return _text(line)
    grid = Grid.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    grid.add_row(Text(line.sign, style=_style(line)), _text(line, with_sign=False))
    return grid


def _text(line: Line, *, with_sign: bool = True) -> Text:
    text = Text(f"{line.sign} " if with_sign and line.sign else "")
    text.append(line.text, style=_style(line))
    if line.note:
        text.append(f" — {line.note}", style="bold" if line.mark in {"tier", "alert", "strong"} else "")
    return text


def _style(line: Line) -> str:
    return TIER_STYLE.get(line.tier or "", MARK_STYLE.get(line.mark, ""))


def _table(table: Table) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in table.head:
        grid.add_column(title, overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(cell, style="strike" if table.is_struck else "") for cell in row))
    return grid
