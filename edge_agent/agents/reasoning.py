"""DERM-Reason: propose syndrome, principle and formula id from texts; a proposal for a prescriber, never an order.

The formula is an id of a closed table; there is no place for a dose. Deterministic rules withhold it (pregnancy,
breastfeeding, age, another syndrome's formula). Does not run out of scope, after an abstention or while an emergency sign is active: the
pipeline sees to that.

Source: clinical-vocabulary sections 5.3 and 5.4 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.agents.abstention import NO_SYNDROME, Abstention, Kept, nothing_of
from edge_agent.agents.expressions import Fact
from edge_agent.agents.prompts import render_intake, render_representation
from edge_agent.agents.recognition import AgentEngine
from edge_agent.agents.red_flags import RuleBook
from edge_agent.agents.representation import Merge
from edge_agent.contracts.case import AgentOutput, Request
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.manifest import AgentSpec

SECTION = "reasoning"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Reason's fields after thresholds and formula rules; the rules that withheld the formula, or could not check it."""

    fields: Mapping[str, Kept]
    abstentions: tuple[Abstention, ...]
    withheld_by: tuple[str, ...]
    unchecked: tuple[str, ...]


def reason(
    engine: AgentEngine,
    encoded: Sequence[Any],
    *,
    spec: AgentSpec,
    merged: Merge,
    representation: Mapping[str, Any],
    intake: Intake,
) -> AgentOutput:
    """Run Reason once.

    Args:
        engine: the engine that holds the reasoning adapter.
        encoded: the encoded views; used only if the manifest gives Reason pictures.
        spec: the manifest's declaration.
        merged: Rec's merged signs.
        representation: ``distribution``, ``symmetry`` and ``mechanism`` after the thresholds.
        intake: the form; what it does not say is rendered ``not_examined``.
    """
    texts = {
        "representation": render_representation(merged.leading, representation, representation.get("mechanism")),
        "intake": render_intake(intake.model_dump(mode="json")),
    }
    request = Request(
        views=tuple(encoded) if spec.inputs.images == "all" else (),
        texts={name: texts[name] for name in spec.inputs.text if name in texts},
    )
    return engine.run("reasoning", [request])[0][0]


def propose(kept: Mapping[str, Kept], *, rules: RuleBook, facts: Mapping[str, Fact]) -> Proposal:
    """Apply what code decides: no syndrome, no plan; and the rules that withhold a formula.

    Args:
        kept: Reason's fields after the thresholds.
        rules: the formula rules.
        facts: the form's facts (``facts.facts_of``).
    """
    fields = dict(kept)
    if fields["syndrome"].value == NO_SYNDROME:
        for name in ("principle", "formula"):
            fields[name] = replace(fields[name], value=nothing_of(name))
        # A withheld syndrome has its low_confidence abstention already; this one the model did not want to name.
        named = (
            () if fields["syndrome"].is_withheld else (Abstention("insufficient_history", SECTION, None, "syndrome"),)
        )
        return Proposal(fields, named, (), ())
    formula = fields["formula"].value
    if formula == "cannot_tell":
        return Proposal(fields, (), (), ())
    verdicts = rules.evaluate({**facts, "syndrome": fields["syndrome"].value, "formula": formula})
    blocking = tuple(
        v.rule.id for v in verdicts if v.outcome == "fires" or (v.outcome == "unknown" and v.rule.withhold_unknown)
    )
    unchecked = tuple(v.rule.id for v in verdicts if v.outcome == "unknown" and not v.rule.withhold_unknown)
    if blocking:
        fields["formula"] = replace(fields["formula"], value="cannot_tell", is_withheld=True)
    return Proposal(fields, (), blocking, unchecked)
