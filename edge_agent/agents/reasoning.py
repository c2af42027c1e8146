"""DERM-Reason: propose syndrome, principle and formula id from texts; a proposal for a prescriber, never an order.

The formula is an id of a closed table; there is no place for a dose. The deterministic herb check withholds it
(``agents.herbs``: pregnancy, age, illness, drugs, incompatible herbs, another syndrome's formula). Does not run out of
scope, after an abstention or while an emergency sign is active: the pipeline sees to that.

Source: clinical-vocabulary sections 5.3 and 5.4 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.agents.abstention import NO_SYNDROME, Abstention, Kept, nothing_of
from edge_agent.agents.prompts import render_intake, render_representation
from edge_agent.agents.recognition import AgentEngine
from edge_agent.agents.representation import Merge
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.tcm.herbs import Asked, HerbBook, HerbCheck
from edge_agent.contracts.case import AgentOutput, Request
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.manifest import AgentSpec

SECTION = "reasoning"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Reason's fields after thresholds and herb check; the rules that withheld the formula, or could not check it.

    ``herbs`` is the whole check, None where no formula was named.
    """

    fields: Mapping[str, Kept]
    abstentions: tuple[Abstention, ...]
    withheld_by: tuple[str, ...]
    unchecked: tuple[str, ...]
    herbs: HerbCheck | None = None


def reason(
    engine: AgentEngine,
    encoded: Sequence[Any],
    *,
    spec: AgentSpec,
    merged: Merge,
    representation: Mapping[str, Any],
    intake: Intake,
    record: str = "",
) -> AgentOutput:
    """Run Reason once; it reads the texts that its manifest names and no other.

    Args:
        engine: the engine that holds the reasoning adapter.
        encoded: the encoded views; used only if the manifest gives Reason pictures.
        spec: the manifest's declaration.
        merged: Rec's merged signs.
        representation: ``distribution``, ``symmetry`` and ``mechanism`` after the thresholds.
        intake: the form; what it does not say is rendered ``not_examined``.
        record: the rendered record (``evidence_record.render``).
    """
    texts = {
        "record": record,
        "representation": render_representation(merged.leading, representation, representation.get("mechanism")),
        "intake": render_intake(intake.model_dump(mode="json")),
    }
    request = Request(
        views=tuple(encoded) if spec.inputs.images == "all" else (),
        texts={name: texts[name] for name in spec.inputs.text if name in texts},
    )
    return engine.run("reasoning", [request])[0][0]


def propose(
    kept: Mapping[str, Kept], *, rules: HerbBook, facts: Mapping[str, Fact], text_names_banned: bool = False
) -> Proposal:
    """Apply what code decides: no syndrome, no plan; and the herb check, which may withhold the formula.

    Args:
        kept: Reason's fields after the thresholds; a bundle may decide fewer.
        rules: the tables and rules of the herb check.
        facts: the form's facts (``facts.facts_of``).
        text_names_banned: whether the agent's free text names a banned substance (``free_text.TextScreen``).
    """
    fields = dict(kept)
    if fields["syndrome"].value == NO_SYNDROME:
        for name in (name for name in ("principle", "formula") if name in fields):
            fields[name] = replace(fields[name], value=nothing_of(name))
        # A withheld syndrome has its low_confidence abstention already; this one the model did not want to name.
        named = (
            () if fields["syndrome"].is_withheld else (Abstention("insufficient_history", SECTION, None, "syndrome"),)
        )
        return Proposal(_with_changes(fields, ()), named, (), ())
    formula = fields["formula"].value if "formula" in fields else "cannot_tell"
    if formula == "cannot_tell":
        return Proposal(_with_changes(fields, ()), (), (), ())
    asked = Asked(
        formula=formula,
        syndrome=fields["syndrome"].value,
        secondary=_value(fields, "secondary_syndrome"),
        changes=_value(fields, "modification"),
        text_names_banned=text_names_banned,
    )
    check = rules.check(asked, facts=facts)
    if not check.is_shown:
        fields["formula"] = replace(fields["formula"], value="cannot_tell", is_withheld=True)
    taken = check.changes if check.is_shown else ()
    fields = _with_changes(fields, [{"action": change.action, "herb": change.herb} for change in taken])
    return Proposal(fields, (), check.blocked_by, check.unchecked, check)


def without_plan(proposal: Proposal) -> Proposal:
    """Return a proposal without principle, formula and changes: where no TCM block stands, none stands elsewhere."""
    fields = dict(proposal.fields)
    for name in (name for name in ("principle", "formula") if name in fields):
        row = fields[name]
        fields[name] = replace(row, value=nothing_of(name), is_withheld=row.is_decided)
    return replace(proposal, fields=_with_changes(fields, ()))


def _value(fields: Mapping[str, Kept], name: str) -> Any:
    return fields[name].value if name in fields else None


def _with_changes(fields: Mapping[str, Kept], changes: Sequence[Mapping[str, Any]]) -> dict[str, Kept]:
    """Leave in ``modification`` only what was taken over; a bundle without the field stays without it."""
    if "modification" not in fields:
        return dict(fields)
    return {**fields, "modification": replace(fields["modification"], value=list(changes))}
