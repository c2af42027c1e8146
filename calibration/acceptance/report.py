"""Write an acceptance down: one page for people, one JSON document, and lines for the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.markup import escape

from calibration.acceptance.steps import QUESTIONS, Acceptance, State
from calibration.package import dump_json
from calibration.sweep import durable
from edge_agent.errors import CalibrationError

REPORT, SUMMARY = "acceptance.html", "acceptance.json"
_STYLES = {State.PASSED: "green", State.FAILED: "bold red", State.NOT_RUN: "yellow"}


def write_acceptance(found: Acceptance, out: Path) -> None:
    """Write ``acceptance.html`` and ``acceptance.json``.

    Raises:
        CalibrationError: the folder cannot be written.
    """
    document = document_of(found)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template("acceptance.html.j2").render(**document)
    try:
        out.mkdir(parents=True, exist_ok=True)
        durable.write_whole(out / SUMMARY, dump_json(document))
        durable.write_whole(out / REPORT, page.encode("utf-8"))
    except OSError as exc:
        raise CalibrationError(f"cannot write the report to {out}: {exc.strerror}; choose another --out") from exc


def document_of(found: Acceptance) -> dict[str, Any]:
    """Return everything as plain JSON values."""
    return {
        "checkpoint": found.checkpoint,
        "recipe": found.recipe,
        "headline": found.headline,
        "exit_code": found.exit_code,
        "known_base": found.known_base,
        "licences": [dict(row) for row in found.licences],
        "notes": list(found.notes),
        "parity": [dict(row) for row in found.parity],
        "links": dict(found.links),
        "steps": [
            {
                "step": one.step.value,
                "question": QUESTIONS[one.step],
                "state": one.state.value,
                "facts": list(one.facts),
                "failure": "" if one.failure is None else str(one.failure),
                "remedy": one.remedy,
            }
            for one in found.steps
        ],
        "details": dict(found.details),
    }


def print_acceptance(found: Acceptance, *, console: Console) -> None:
    """Print one line per step and what to do."""
    for one in found.steps:
        console.print(f"[{_STYLES[one.state]}]{one.state.value:<8}[/]{one.step.value:<10}{QUESTIONS[one.step]}")
        for fact in one.facts:
            console.print(f"                  {escape(fact)}", highlight=False, soft_wrap=True)
        if one.failure is not None:
            console.print(f"                  {escape(str(one.failure))}", highlight=False, soft_wrap=True)
            console.print(f"                  {escape(one.remedy)}", highlight=False, soft_wrap=True)
    if found.known_base is not None:
        console.print(f"base: {escape(found.known_base)}", highlight=False, soft_wrap=True)
    for note in found.notes:
        console.print(f"note: {escape(note)}", highlight=False, soft_wrap=True)
    console.print(f"[bold]{found.headline}[/]")
