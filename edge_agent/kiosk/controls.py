"""What stands below each part of a report: the decision so far, and for whoever decides the fields of a correction.

A worker reads that a part was decided and why; what a clinician wrote of syndrome and formula he reads only where the
practice shows it. Does not take a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request

from edge_agent.agents.report.reading import is_tcm_seen
from edge_agent.contracts.result import Section
from edge_agent.kiosk.case_rooms import name_of, reader_of, term_of
from edge_agent.kiosk.rendering import parts_of
from edge_agent.review.decisions import Decision, may_decide, standing
from edge_agent.review.sections import CORRECTABLE, SHOWN_IN, decidable
from edge_agent.store.accounts import Person


@dataclass(frozen=True, slots=True)
class Control:
    """What stands below a part: the decision so far in words, and for the person who decides the fields of a correction."""

    section: Section
    title: str
    decided: Decision | None
    told: tuple[str, ...]  # reason, corrected values, note
    fields: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]  # field, its words, (id, words) to choose from
    may_decide: bool


def controls(
    request: Request, told: dict[str, Any], decisions: tuple[Decision, ...], person: Person
) -> dict[str, list[Control]]:
    """Return the decisions to take by the section of the page that they stand in."""
    lists, done = parts_of(request).vocabulary.lists, standing(decisions)
    found: dict[str, list[Control]] = {}
    is_whole = is_tcm_seen(told, reader_of(person))
    for section in decidable(told):
        fields = tuple(
            (name, name_of(request, of), tuple((one, term_of(request, of, one)) for one in lists[of].terms))
            for name, of in CORRECTABLE[section].items()
        )  # fmt: skip
        title = term_of(request, "decided_section", section)
        control = Control(
            section,
            title,
            done.get(section),
            told=_said(request, done[section], is_whole=is_whole or section != "reasoning") if section in done else (),
            fields=fields,
            may_decide=may_decide(section, person.roles),
        )
        found.setdefault(SHOWN_IN[section], []).append(control)
    return found


def _said(request: Request, decision: Decision, *, is_whole: bool) -> tuple[str, ...]:
    """Return why a part was corrected or rejected, what is right, and the note; not ``is_whole`` without what is of TCM."""
    if decision.verdict == "accepted":
        return ()
    lists = CORRECTABLE[decision.section]
    right = [
        f"{name_of(request, lists[name])}: {term_of(request, lists[name], value)}"
        for name, value in decision.values.items()
        if is_whole or name != "syndrome"
    ]
    note = decision.note if is_whole else ""  # free words on the reasoning may name syndrome and formula
    return (term_of(request, "decision_reason", decision.reason), *right, *filter(None, [note]))
