"""Decide by rule whether a case is one this program may read. No model decides its own scope.

In scope: at least one view shows a lesion of the papulosquamous family, both with a probability at or above its
threshold, and no view shows a danger family at or above the (lower) danger threshold. Everything else ends without
a syndrome: with an abstention when the pictures do not allow a reading, else out of scope. A view that was looked at
more than once counts with the mean of its looks; for danger with the higher of that mean and the first look.

Source: clinical-vocabulary section 2 "Scope decision".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from edge_agent.agents.abstention import Abstention
from edge_agent.contracts.case import AgentOutput, Finding
from edge_agent.contracts.manifest import Thresholds

DANGER_FAMILIES = frozenset({"bullous", "pustular", "purpuric", "pigmented_lesion", "nodule_tumour", "ulcer_erosion"})
IN_SCOPE_FAMILY = "papulosquamous"
UNREADABLE = {
    "not_skin": "not_skin",
    "normal_skin": "no_lesion_visible",
    "pigment_change_only": "no_lesion_visible",
}
SECTION = "scope"


@dataclass(frozen=True, slots=True)
class ScopeView:
    """One view's part in the decision: the first look's values and the probabilities that were compared (0..1)."""

    view: int
    applicability: str
    family: str
    lesion_visible: float
    in_scope_family: float
    danger_family: float
    not_skin: float
    looks: int


@dataclass(frozen=True, slots=True)
class Scope:
    """The decision, why, and what it rests on; ``readable`` are the views the next agents may see."""

    decision: Literal["in_scope", "out_of_scope", "abstained"]
    views: tuple[ScopeView, ...]
    readable: tuple[int, ...]
    abstentions: tuple[Abstention, ...]


def candidates(findings: Sequence[Finding], thresholds: Thresholds) -> tuple[int, ...]:
    """Return the indices of the views that seem to be ours at first look; none where any view shows danger."""
    rows = [read_view(finding) for finding in findings]
    if any(row.danger_family >= thresholds.danger_family for row in rows):
        return ()
    return tuple(
        row.view for row in rows if row.not_skin < thresholds.not_skin and seems_ours(row.applicability, row.family)
    )


def decide(
    findings: Sequence[Finding], thresholds: Thresholds, *, further: Mapping[int, Sequence[AgentOutput]] | None = None
) -> Scope:
    """Decide the scope of one case from Rec's independent findings (one per view).

    A view that is not skin is set aside and named; the danger families count in every view.

    Args:
        findings: the first look at every view.
        thresholds: the bundle's.
        further: per view index, what Rec said of the same picture turned (``second_look``).
    """
    rows = tuple(read_view(finding, (further or {}).get(finding.view_index, ())) for finding in findings)
    aside = [row.view for row in rows if row.not_skin >= thresholds.not_skin]
    readable = tuple(row.view for row in rows if row.view not in aside)
    abstentions = [Abstention("not_skin", SECTION, view) for view in aside]
    left = [row for row in rows if row.view in readable]
    if not left:
        return Scope("abstained", rows, (), tuple(abstentions))
    if any(row.danger_family >= thresholds.danger_family for row in rows):
        return Scope("out_of_scope", rows, readable, (*abstentions, Abstention("out_of_scope_condition", SECTION)))
    if any(_is_ours(row, thresholds) for row in left):
        return Scope("in_scope", rows, readable, tuple(abstentions))
    reason = _why_not(left)
    decision: Literal["out_of_scope", "abstained"] = (
        "out_of_scope" if reason == "out_of_scope_condition" else "abstained"
    )
    return Scope(decision, rows, readable, (*abstentions, Abstention(reason, SECTION)))


def probability_of(output: AgentOutput, field: str, wanted: Collection[str]) -> float:
    """Return the probability (0..1) that a field of one look has one of the wanted values.

    It is the sum over the candidates; where the model gave no candidates, the decided value counts fully or not.
    """
    decided = output.fields.get(field)
    if decided is None or not decided.alternatives:
        return 1.0 if output.value.get(field) in wanted else 0.0
    return float(sum(p for value, p in decided.alternatives.items() if value in wanted))


def read_view(finding: Finding, further: Sequence[AgentOutput] = ()) -> ScopeView:
    """Return what the decision compares of one view: the mean of its looks, for danger at least the first look."""
    value, looks = finding.output.value, (finding.output, *further)

    def mean(field: str, wanted: Collection[str]) -> float:
        return fmean(probability_of(look, field, wanted) for look in looks)

    return ScopeView(
        view=finding.view_index,
        applicability=str(value.get("applicability", "cannot_tell")),
        family=str(value.get("family", "cannot_tell")),
        lesion_visible=mean("applicability", {"lesion_visible"}),
        in_scope_family=mean("family", {IN_SCOPE_FAMILY}),
        danger_family=max(probability_of(finding.output, "family", DANGER_FAMILIES), mean("family", DANGER_FAMILIES)),
        not_skin=probability_of(finding.output, "applicability", {"not_skin"}),
        looks=len(looks),
    )


def seems_ours(applicability: str, family: str) -> bool:
    """Say whether the values of the first look are those of a case in scope, whatever their probabilities."""
    return applicability == "lesion_visible" and family == IN_SCOPE_FAMILY


def _is_ours(row: ScopeView, thresholds: Thresholds) -> bool:
    return (
        seems_ours(row.applicability, row.family)
        and row.lesion_visible >= thresholds.lesion_visible
        and row.in_scope_family >= thresholds.in_scope_family
    )


def _why_not(rows: Sequence[ScopeView]) -> str:
    """Name the reason: another family, nothing to see, or not sure enough."""
    visible = [row for row in rows if row.applicability == "lesion_visible"]
    if any(row.family not in {IN_SCOPE_FAMILY, "cannot_tell"} for row in visible):
        return "out_of_scope_condition"
    if visible:
        return "low_confidence"
    reasons = [UNREADABLE.get(row.applicability, "low_confidence") for row in rows]
    return reasons[0] if len(set(reasons)) == 1 else "low_confidence"
