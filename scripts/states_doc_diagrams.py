"""Draw the tables of states as Mermaid diagrams, each with what the next start does in every state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from edge_agent import inference_child
from edge_agent.capture import live_states
from edge_agent.consultation import steps as consultation
from edge_agent.devices import verdict
from edge_agent.installation import steps as installation
from edge_agent.store import states as store
from edge_agent.supervision import governor, restarts

# Each table has enums of its own, and the key of a Mapping is invariant: (state, event) to the next state, or None.
Table = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """One table of states.

    ``start`` is the state of a new thing. ``group`` are states that are drawn inside one frame called ``frame``: an event
    that takes all of them to one place is drawn once, from the frame; a move to None leads back into the frame.
    """

    table: Table
    start: StrEnum
    resume: Mapping[Any, str] = field(default_factory=dict)
    group: Sequence[StrEnum] = ()
    frame: str = ""


def machines() -> dict[str, Machine]:
    """Return every machine by the name of its block in the page."""
    return {
        "consultation": Machine(
            consultation.TRANSITIONS,
            consultation.Step.DANGER_SIGNS,
            consultation.RESUME,
            group=consultation.QUESTIONS,
            frame="asking",
        ),
        "case": Machine(store.CASE_TRANSITIONS, store.CaseState.STORED, store.CASE_RESUME),
        "outbox": Machine(store.ROW_TRANSITIONS, store.RowState.QUEUED, store.ROW_RESUME),
        "installation": Machine(installation.TRANSITIONS, installation.Stage.IDLE, installation.RESUME),
        "part": Machine(restarts.TRANSITIONS, restarts.PartState.STOPPED),
        "inference": Machine(inference_child.TRANSITIONS, inference_child.State.STOPPED),
        "camera": Machine(live_states.TRANSITIONS, live_states.State.OFF),
        "governor": Machine(governor.TRANSITIONS, governor.Pace.WORKING),
        "device": Machine(
            {key: after for key, after in verdict.TRANSITIONS.items() if key[0] is not None},  # None: no verdict yet
            verdict.Standing.TESTING,
        ),
    }


def blocks() -> dict[str, str]:
    """Return every generated block of the page by its name."""
    return {name: drawn(machine) for name, machine in machines().items()}


def drawn(machine: Machine) -> str:
    """Return one machine as a diagram, and what the next start does as a table where it is told."""
    table = _table(machine.resume) if machine.resume else ""
    return f"{diagram(machine)}\n\n{table}" if table else diagram(machine)


def diagram(machine: Machine) -> str:
    """Return one machine in Mermaid's ``stateDiagram-v2``; moves between the same two states share a line."""
    shared = _shared(machine)
    inner: dict[tuple[str, str], list[str]] = {}
    outer: dict[tuple[str, str], list[str]] = {(machine.frame, after): [event] for event, after in shared.items()}
    for (here, event), there in machine.table.items():
        if here in machine.group and str(event) in shared:
            continue
        after = machine.frame if there is None else str(there)
        inside = here in machine.group and there in machine.group
        (inner if inside else outer).setdefault((str(here), after), []).append(str(event))
    first = machine.frame if machine.start in machine.group else str(machine.start)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    if machine.group:
        lines += [f"    state {machine.frame} {{", f"        [*] --> {machine.start}"]
        lines += [f"        {line}" for line in _edges(inner)] + ["    }"]
    return "\n".join([*lines, *(f"    {line}" for line in _edges(outer)), "```"])


def _shared(machine: Machine) -> dict[str, str]:
    """Return the events that take every state of the group to one place outside it."""
    if not machine.group:
        return {}
    found: dict[str, str] = {}
    for event in dict.fromkeys(event for _, event in machine.table):
        places = {machine.table.get((one, event)) for one in machine.group}
        there = next(iter(places))
        if len(places) == 1 and there is not None and there not in machine.group:
            found[str(event)] = str(there)
    return found


def _edges(moves: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    return [f"{here} --> {there}: {', '.join(events)}" for (here, there), events in moves.items()]


def _table(resume: Mapping[Any, str]) -> str:
    told: dict[str, list[str]] = {}
    for state, words in resume.items():
        told.setdefault(words, []).append(f"`{state}`")
    rows = [f"| {', '.join(states)} | {words} |" for words, states in told.items()]
    return "\n".join(["| After a power cut in | the next start does |", "|---|---|", *rows])
