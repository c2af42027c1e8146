"""docs/states.md: its diagrams are the tables, all of them, and nothing but them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_agent.consultation.steps import QUESTIONS
from scripts.clinical_doc_main import filled
from scripts.states_doc_diagrams import blocks, diagram, machines
from scripts.states_doc_main import PAGE

_EDGE = re.compile(r"^\s*(\w+) --> (\w+): (.+)$", re.MULTILINE)
MACHINES = machines()


def _moves(text: str, frame: str, group: tuple[str, ...]) -> set[tuple[str, str, str]]:
    """Read the moves out of a diagram, each (from, event, to); one from the frame is one from every state in it."""
    found = set()
    for here, there, events in _EDGE.findall(text):
        for one in group if frame and here == frame else (here,):
            found |= {(one, event, there) for event in events.split(", ")}
    return found


def test_the_committed_page_is_the_generated_one() -> None:
    """Whoever changes a table of states runs scripts/states_doc."""
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text, blocks()) == text


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_diagram_has_every_move_and_no_other(name: str) -> None:
    """What is drawn, frames taken apart again, is exactly the table."""
    machine = MACHINES[name]
    asked = {
        (str(here), str(event), machine.frame if there is None else str(there))
        for (here, event), there in machine.table.items()
    }
    assert _moves(diagram(machine), machine.frame, tuple(map(str, machine.group))) == asked


def test_every_table_of_the_device_is_drawn() -> None:
    """A module with a table of moves that nobody draws fails here."""
    package = Path(__file__).resolve().parents[2] / "edge_agent"
    tables = [
        (path.relative_to(package).as_posix(), name)
        for path in sorted(package.rglob("*.py"))
        for name in re.findall(r"^(\w*TRANSITIONS)\b.*[:=]", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    page = PAGE.read_text(encoding="utf-8")
    assert len(tables) == len(MACHINES)
    assert all(f"`edge_agent/{path}`" in page for path, _ in tables)


def test_an_emergency_interrupts_every_question_in_one_line() -> None:
    """Ten arrows that say the same are one, from the frame around the questions."""
    text = diagram(MACHINES["consultation"])
    assert text.count("--> emergency: alert") == 1
    assert "asking --> emergency: alert" in text
    assert len(QUESTIONS) > 1
