"""Every reason for saying nothing, in one table: what it withholds and whether a person must read the case.

``field``: one value of one output. ``view``: one picture is not read on. ``syndrome``: Rec and Rep stay in the report,
Reason does not run or names nothing. ``case``: no reading at all, only the rules' part. Whatever the reason, an
abstention for a whole section always forces a human reading: then the program has no answer where one was asked for.

Source: clinical-vocabulary sections 2, 5 and 11. Not clinically reviewed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from edge_agent.agents.abstention import Abstention, Kept
from edge_agent.agents.evidence_limits import person_outside, sites_outside
from edge_agent.contracts.case import Case, Finding, View, Written
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.manifest import Evidence, Manifest

Extent = Literal["field", "view", "syndrome", "case"]
SCOPE, REPRESENTATION, REASONING = "scope", "representation", "reasoning"  # sections of the report
REFUSED = "refused"  # of the list view_quality
REMISSION = "remission"  # of the list stage
RUNAWAY = "runaway_text"
SCOPE_FIELDS = ("recognition.applicability", "recognition.family")  # the scope decision compares their probabilities


@dataclass(frozen=True, slots=True)
class Effect:
    """What one reason withholds at least, and whether it alone forces a human reading."""

    withholds: Extent
    needs_human_reading: bool


EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "image_quality": Effect("view", needs_human_reading=False),  # a new picture helps, not a reader
        "not_skin": Effect("view", needs_human_reading=False),
        "no_lesion_visible": Effect("case", needs_human_reading=True),
        "out_of_scope_condition": Effect("case", needs_human_reading=True),
        "low_confidence": Effect("field", needs_human_reading=False),
        "views_disagree": Effect("case", needs_human_reading=True),
        "tone_outside_evidence": Effect("syndrome", needs_human_reading=True),
        "age_outside_evidence": Effect("syndrome", needs_human_reading=True),
        "site_outside_evidence": Effect("view", needs_human_reading=True),
        "remission_stage": Effect("syndrome", needs_human_reading=True),
        "insufficient_history": Effect("syndrome", needs_human_reading=True),
        "red_flag_active": Effect("syndrome", needs_human_reading=True),
        "no_calibration": Effect("field", needs_human_reading=False),
        "runaway_text": Effect("view", needs_human_reading=True),
        "text_not_coded": Effect("field", needs_human_reading=False),
        "engine_failure": Effect("case", needs_human_reading=True),
    }
)


def effect_of(abstention: Abstention) -> Effect:
    """Return what one abstention withholds: at least its reason's part, and as much as it was given for.

    Raises:
        KeyError: no reason of the list ``abstain_reason``.
    """
    effect = EFFECTS[abstention.reason]
    is_whole = abstention.field is None and abstention.view is None
    if abstention.field == "syndrome" or (is_whole and abstention.section in (REPRESENTATION, REASONING)):
        return Effect("syndrome", needs_human_reading=True)
    if is_whole and abstention.section == SCOPE:
        return Effect("case", needs_human_reading=True)
    return Effect(effect.withholds, effect.needs_human_reading or is_whole)


def needs_human_reading(abstentions: Iterable[Abstention]) -> bool:
    """Say whether any of the abstentions asks for a person."""
    return any(effect_of(abstention).needs_human_reading for abstention in abstentions)


def to_report(abstentions: Sequence[Abstention]) -> list[dict[str, Any]]:
    """Return the report's rows.

    Keys: ``reason`` (list ``abstain_reason``), ``section``, ``view`` (index from 0 or null), ``field`` (or null),
    ``withholds`` (list ``withholds``), ``needs_human_reading`` (boolean).
    """
    rows = []
    for abstention in abstentions:
        effect = effect_of(abstention)
        rows.append(
            {
                "reason": abstention.reason,
                "section": abstention.section,
                "view": abstention.view,
                "field": abstention.field,
                "withholds": effect.withholds,
                "needs_human_reading": effect.needs_human_reading,
            }
        )
    return rows


def set_aside(case: Case, evidence: Evidence | None) -> dict[int, str]:
    """Return per view index why it is not read on: refused for its quality, or a site outside the evidence.

    Args:
        case: a view whose quality the form does not tell is not refused.
        evidence: the bundle's.
    """
    refused = {view.index: "image_quality" for view in case.views if _quality(case.intake, view) == REFUSED}
    return {**sites_outside(evidence, case.views), **refused}


def _quality(intake: Intake, view: View) -> str | None:
    """Return what the form's note of this view says; notes stand in the order of the pictures."""
    return intake.views[view.index].quality if view.index < len(intake.views) else None


def before_reasoning(
    representation: Mapping[str, Kept], *, intake: Intake, evidence: Evidence | None, is_emergency: bool
) -> tuple[Abstention, ...]:
    """Return every reason for which Reason must not run on a case in scope; none when it may.

    Args:
        representation: Rep's fields after the thresholds. A stage that the bundle does not decide stops nothing.
        intake: the form.
        evidence: the bundle's.
        is_emergency: an emergency sign is active.
    """
    stage = representation.get("stage")
    reasons = [
        *(("red_flag_active",) if is_emergency else ()),
        *(("remission_stage",) if stage is not None and stage.is_decided and stage.value == REMISSION else ()),
        *person_outside(evidence, intake),
    ]
    return tuple(Abstention(reason, REASONING) for reason in reasons)


def uncalibrated_fields(manifest: Manifest) -> frozenset[str]:
    """Return the ``<agent>.<field>`` names that a bundle decides without calibration although it claims to have one.

    Empty for a bundle that claims none: its confidences are shown as they are and its report says so.
    """
    if manifest.calibration is None:
        return frozenset()
    decided = {
        f"{name}.{field}"
        for name, spec in manifest.agents.items()
        for step in spec.steps
        for field in step.decided_fields
    }
    return frozenset(decided - set(manifest.thresholds.fields))


def uncalibrated_scope(manifest: Manifest) -> tuple[Abstention, ...]:
    """Return the abstention for a bundle whose Rec decides the scope fields without calibration although it claims one.

    There is then no scope decision, so it is for the whole case and nobody is asked. Free text is no such case: Rec
    writes, and the scope rule decides what its words may do (``agents.scope``).
    """
    is_missing = uncalibrated_fields(manifest).intersection(SCOPE_FIELDS)
    return (Abstention("no_calibration", SCOPE),) if is_missing else ()


def runaway_views(found: Iterable[Finding]) -> dict[int, str]:
    """Return per view index the reason for not reading on a view whose text ran in a loop."""
    return {
        finding.view_index: RUNAWAY
        for finding in found
        if any(text.finish == "loop" for text in finding.output.written)
    }


def runaway_texts(written: Iterable[Written]) -> tuple[Abstention, ...]:
    """Return the abstention that stops before Reason where a text of Rep ran in a loop."""
    is_runaway = any(text.finish == "loop" for text in written)
    return (Abstention(RUNAWAY, REPRESENTATION),) if is_runaway else ()
