"""The reasoning steps that a reference case should be answered with, from the same record and table as the check.

They teach the form of checkable reasoning on drawn cases: what the table gives for the three core syndromes. They are no
clinical argument, and no weight of one sign against another is in them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Any

from edge_agent.agents.evidence.record import REASON_FIELDS, Record, field_of, record_of
from edge_agent.agents.evidence.signs_table import INSUFFICIENT, SignTable, says_nothing
from edge_agent.agents.representation import POINTED_FIELDS, Lead
from edge_agent.contracts.agent_schemas import MAX_EVIDENCE, MAX_STEPS, MIN_STEPS

CORE_SYNDROMES = ("blood_heat", "blood_dryness", "blood_stasis")
Step = dict[str, Any]  # {claim, stance, evidence: [pointers]}, as the agent writes it


def true_steps(record: Record, table: SignTable, *, fields: Collection[str] = REASON_FIELDS) -> list[Step]:
    """Return the steps that the record supports. Deterministic; every one of them passes ``evidence.check``.

    First what speaks for each core syndrome, at most ``MAX_EVIDENCE`` pointers per step, in the record's order. Below
    ``MIN_STEPS`` what speaks against one follows, then what is missing; a record that tells everything and supports
    nothing may stay below. Where a whole examination is missing, one step says so.

    Args:
        record: the case's evidence.
        table: the sign table.
        fields: what Reason reads; a step points at nothing else.
    """
    readable = [p for p in record.values if field_of(p) in fields and p not in record.disputed | record.silent]
    steps = _speaking(record, table, "supports", readable)[:MAX_STEPS]
    if len(steps) < MIN_STEPS:
        steps += _speaking(record, table, "against", readable)[: MIN_STEPS - len(steps)]
    missing = [pointer for pointer in readable if says_nothing(record.values[pointer])]
    lacking = max(0, MIN_STEPS - len(steps))
    steps += [_step(INSUFFICIENT, "supports", [pointer]) for pointer in missing[:lacking]]
    unseen = [pointer for pointer in missing if pointer.startswith("intake.")]
    if len(unseen) >= MAX_EVIDENCE and len(steps) < MAX_STEPS and not lacking:
        steps.append(_step(INSUFFICIENT, "supports", unseen[:MAX_EVIDENCE]))
    return steps


def _speaking(record: Record, table: SignTable, stance: str, readable: Sequence[str]) -> list[Step]:
    """Return the steps of every core syndrome for one stance, syndrome by syndrome."""
    steps = []
    for claim in CORE_SYNDROMES:
        found = [p for p in readable if table.speaks(claim, stance, field=field_of(p), value=record.values[p])]
        parts = [found[first : first + MAX_EVIDENCE] for first in range(0, len(found), MAX_EVIDENCE)]
        steps += [_step(claim, stance, part) for part in parts]
    return steps


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


def _step(claim: str, stance: str, evidence: list[str]) -> Step:
    return {"claim": claim, "stance": stance, "evidence": evidence}
