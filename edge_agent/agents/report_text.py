"""Write a report for a terminal, in Chinese or English, in the fixed order of sections.

Does not decide anything: every line stands in the report or the vocabulary. Sections: danger signs and what was not
assessed, triage, the worker's impression, findings per picture, integrated description and severity, TCM block, plan,
limitations, signatures.

Source: clinical-vocabulary section 10.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge_agent.agents.report_words import Words
from edge_agent.contracts.terms import Language, Vocabulary

WIDTH = 96
TIER_STYLE = {"T1_emergency": "bold white on red", "T2_same_day": "bold black on yellow", "T3_urgent": "bold magenta"}


def render_text(
    report: Mapping[str, Any], vocabulary: Vocabulary, lang: Language, *, width: int = WIDTH, colour: bool = False
) -> str:
    """Return the report as text.

    Args:
        report: what ``CasePipeline.run`` returned.
        vocabulary: the words for its ids.
        lang: ``zh`` or ``en``.
        width: columns.
        colour: write ANSI colours (a terminal) or none (a file).
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
    console.print(build_text(report, vocabulary, lang))
    return target.getvalue()


def build_text(report: Mapping[str, Any], vocabulary: Vocabulary, lang: Language) -> Group:
    """Return the report as a rich renderable, for a console of the caller's own."""
    words = Words(vocabulary, lang)
    parts: list[RenderableType] = [_head(report, words)]
    parts += _red_flags(report, words)
    parts += _triage(report, words)
    parts += _section(words.word("section_worker"), [words.worker(report["worker"])])
    parts += _findings(report, words)
    parts += _integrated(report, words)
    parts += _section(words.word("section_tcm"), words.tcm(report))
    parts += _section(words.word("section_plan"), words.plan(report["plan"]))
    parts += _section(words.word("section_limits"), words.limits(report))
    parts += _section(words.word("section_signatures"), [words.signatures()])
    return Group(*parts)


def _section(title: str, rows: list[str]) -> list[RenderableType]:
    body: list[RenderableType] = [Text(""), Text(title, style="bold underline")]
    return body + [_line(row) for row in rows]


def _line(row: str, *, style: str = "", indent: int = 2) -> RenderableType:
    return Padding(Text(row, style=style), (0, 0, 0, indent))


def _head(report: Mapping[str, Any], words: Words) -> Panel:
    notices = [words.text(name) for name in words.banner(report)]
    body = "\n".join([f"{words.word('case')} {report['case_id']}   {words.time(report['created'])}", *notices])
    return Panel(Text(body), title=words.word("title"), expand=True)


def _red_flags(report: Mapping[str, Any], words: Words) -> list[RenderableType]:
    rows = _section(words.word("section_red_flags"), [])
    for flag in report["red_flags"]:
        rows.append(_line(f"!! {words.flag(flag)}", style=TIER_STYLE.get(flag["tier"], "bold")))
        rows.append(_line(words.because(flag), indent=5))
    if not report["red_flags"]:
        rows.append(_line(words.no_flags(report)))
    return rows + [_line(f"?  {line}", style="yellow") for line in words.not_assessed(report["not_assessed"])]


def _triage(report: Mapping[str, Any], words: Words) -> list[RenderableType]:
    triage = report["triage"]
    style = TIER_STYLE.get(triage["final"], "bold")
    return [
        *_section(words.word("section_triage"), []),
        _line(words.tier(triage["final"]), style=style),
        *[_line(line) for line in words.triage(triage)],
    ]


def _findings(report: Mapping[str, Any], words: Words) -> list[RenderableType]:
    views = report["recognition"]
    rows = _section(words.word("section_findings"), [words.scope(report["scope"])])
    if not views:
        return rows
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="bold")
    table.add_column("")
    for view in views:
        table.add_column(words.view_name(view))
    for field in words.decided_fields(views):
        table.add_row(words.field(field), *[words.value(field, view["fields"].get(field)) for view in views])
    return [*rows, table]


def _integrated(report: Mapping[str, Any], words: Words) -> list[RenderableType]:
    return _section(words.word("section_integrated"), [*words.integrated(report), words.severity(report["severity"])])
