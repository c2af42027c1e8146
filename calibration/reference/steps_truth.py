"""The reasoning steps that a reference case should be answered with, from the same record and table as the check.

They teach the form of checkable reasoning on drawn cases: what the table gives for the three core syndromes, one
pointer per step. They are no clinical argument, and no weight of one sign against another is in them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Any

from edge_agent.agents.evidence.record import REASON_FIELDS, Record, field_of, record_of
from edge_agent.agents.evidence.signs_table import INSUFFICIENT, STANCES, SignTable, says_nothing
from edge_agent.agents.representation import POINTED_FIELDS, Lead
from edge_agent.contracts.agent_schemas import MAX_STEPS, MIN_STEPS

CORE_SYNDROMES = ("blood_heat", "blood_dryness", "blood_stasis")
Step = dict[str, Any]  # {claim, stance, evidence: [pointer]}, as the agent writes it


def true_steps(record: Record, table: SignTable, *, fields: Collection[str] = REASON_FIELDS) -> list[Step]:
    """Return the steps that the record supports. Deterministic; every one of them passes ``evidence.check``.

    First everything that speaks for a core syndrome, then everything against one, each in the record's order, at
    most ``MAX_STEPS``. Below ``MIN_STEPS`` it is filled with what is missing, in the record's order; a record that
    tells everything and supports nothing stays below.

    Args:
        record: the case's evidence.
        table: the sign table.
        fields: what Reason reads; a step points at nothing else.
    """
    readable = [p for p in record.values if field_of(p) in fields and p not in record.disputed | record.silent]
    steps = [
        _step(claim, stance, pointer)
        for stance in STANCES
        for pointer in readable
        for claim in CORE_SYNDROMES
        if table.speaks(claim, stance, field=field_of(pointer), value=record.values[pointer])
    ]
    missing = [pointer for pointer in readable if says_nothing(record.values[pointer])]
    lacking = max(0, MIN_STEPS - len(steps))
    steps += [_step(INSUFFICIENT, "supports", pointer) for pointer in missing[:lacking]]
    return steps[:MAX_STEPS]


def true_record(
    views: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    representation: Mapping[str, Any],
    intake: Mapping[str, Any],
    previous: Mapping[str, Any] | None = None,
    rng: Random | None = None,
) -> Record:
    """Return the evidence of a drawn case, as the device would collect it from faultless answers.

    Args:
        views: (shot, Rec's labels) per picture, in order; a label may be a bare id or a list.
        representation: Rep's labels.
        intake: the drawn form.
        previous: the earlier visit's fields, or None.
        rng: chooses the leading view of every sign among the near ones that tell it, as confidence does on the
            device; None takes the first.
    """
    leads = {name: _lead(name, views, rng) for name in POINTED_FIELDS} if views else {}
    return record_of(leads, representation=representation, intake=intake, previous=previous)


def _lead(name: str, views: Sequence[tuple[str, Mapping[str, Any]]], rng: Random | None) -> Lead:
    told = [(i, shot) for i, (shot, labels) in enumerate(views) if not says_nothing(labels.get(name))]
    near = [row for row in told if row[1] != "overview"] or told
    if not near:
        return Lead(0, "cannot_tell")
    index = (rng.choice(near) if rng else near[0])[0]
    return Lead(index, views[index][1][name])


def _step(claim: str, stance: str, pointer: str) -> Step:
    return {"claim": claim, "stance": stance, "evidence": [pointer]}
