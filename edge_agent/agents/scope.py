"""Decide by rule whether a case is one this program may read. No model decides its own scope.

In scope: at least one view shows a lesion of the papulosquamous family, both with a probability at or above its
threshold, no view shows a danger family at or above the (lower) danger threshold, and no near view shows another
family with confidence. Everything else ends without a syndrome: with an abstention when the pictures do not allow a
reading or contradict each other, else out of scope. A view that was looked at more than once counts with the mean of
its looks; for danger with the higher of that mean and the first look.

Values that were coded from an agent's free text have no probability, so no threshold can let them pass. Words may
always close a case: a danger family that a text names and does not deny counts fully. They open one only where every
look says ours firmly and the bundle declares ``thresholds.text_scope``: figures that no danger picture was described
as ours. Otherwise a text that seems ours ends as not calibrated.

Source: clinical-vocabulary section 2 "Scope decision".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from edge_agent.agents.abstention import Abstention
from edge_agent.contracts.case import AgentOutput, Coded, Finding
from edge_agent.contracts.manifest import Thresholds

DANGER_FAMILIES = frozenset({"bullous", "pustular", "purpuric", "pigmented_lesion", "nodule_tumour", "ulcer_erosion"})
IN_SCOPE_FAMILY = "papulosquamous"
UNREADABLE = {
    "not_skin": "not_skin",
    "normal_skin": "no_lesion_visible",
    "pigment_change_only": "no_lesion_visible",
}
UNSEEN = frozenset({"image_quality", "not_skin"})  # nothing but such pictures: nothing was seen, no danger either
NOT_NEAR = frozenset({"overview", "tongue"})  # what such a picture shows has no family to contradict another with
SECTION = "scope"


@dataclass(frozen=True, slots=True)
class ScopeView:
    """One view's part in the decision: the first look's values and the probabilities that were compared (0..1).

    ``named_family`` is the probability of ``family`` itself; ``dangers`` holds the danger families one by one.
    ``is_coded``: read from words; the two probabilities of "ours" are then 0 and the others 0 or 1. ``is_firm``: the
    words of every look say ours without a doubt.
    """

    view: int
    applicability: str
    family: str
    lesion_visible: float
    in_scope_family: float
    danger_family: float
    not_skin: float
    looks: int
    named_family: float = 0.0
    dangers: Mapping[str, float] = field(default_factory=dict)
    is_coded: bool = False
    is_firm: bool = False


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
    if any(_is_danger(row, thresholds) for row in rows):
        return ()
    return tuple(
        row.view for row in rows if row.not_skin < thresholds.not_skin and seems_ours(row.applicability, row.family)
    )


def decide(
    findings: Sequence[Finding],
    thresholds: Thresholds,
    *,
    further: Mapping[int, Sequence[AgentOutput]] | None = None,
    aside: Mapping[int, str] | None = None,
    shots: Mapping[int, str | None] | None = None,
) -> Scope:
    """Decide the scope of one case from Rec's independent findings (one per view).

    A view that is not skin, or that was set aside before, is named and not read on. The danger families count in every
    view all the same: a picture that is too poor to read from can still show what must not be called psoriasis.

    Args:
        findings: the first look at every view.
        thresholds: the bundle's.
        further: per view index, what Rec said of the same picture turned (``second_look``).
        aside: per view index the abstain reason for not reading it (``withholding.set_aside``).
        shots: per view index its distance; a view without one counts as near.
    """
    rows = tuple(read_view(finding, (further or {}).get(finding.view_index, ())) for finding in findings)
    named = {row.view: "not_skin" for row in rows if row.not_skin >= thresholds.not_skin} | dict(aside or {})
    readable = tuple(row.view for row in rows if row.view not in named)
    abstentions = tuple(Abstention(named[row.view], SECTION, row.view) for row in rows if row.view in named)
    left = [row for row in rows if row.view in readable]
    if not left and UNSEEN.issuperset(named.values()):
        return Scope("abstained", rows, (), abstentions)
    if any(_is_danger(row, thresholds) for row in rows):
        return Scope("out_of_scope", rows, readable, (*abstentions, Abstention("out_of_scope_condition", SECTION)))
    if not left:
        return Scope("abstained", rows, (), abstentions)
    reason = _why_not(left, thresholds, far={view for view, shot in (shots or {}).items() if shot in NOT_NEAR})
    if reason is None:
        return Scope("in_scope", rows, readable, abstentions)
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
    family = str(value.get("family", "cannot_tell"))

    def mean(field: str, wanted: Collection[str]) -> float:
        return fmean(probability_of(look, field, wanted) for look in looks)

    def danger(wanted: frozenset[str]) -> float:
        if any(not wanted.isdisjoint(_mentioned(look)) for look in looks):
            return 1.0  # one text that names it is enough, in whatever look
        return max(probability_of(finding.output, "family", wanted), mean("family", wanted))

    is_coded = any(_coded(look, name) is not None for look in looks for name in ("applicability", "family"))

    return ScopeView(
        view=finding.view_index,
        applicability=str(value.get("applicability", "cannot_tell")),
        family=family,
        lesion_visible=0.0 if is_coded else mean("applicability", {"lesion_visible"}),
        in_scope_family=0.0 if is_coded else mean("family", {IN_SCOPE_FAMILY}),
        danger_family=danger(DANGER_FAMILIES),
        not_skin=probability_of(finding.output, "applicability", {"not_skin"}),
        looks=len(looks),
        named_family=mean("family", {family}),
        dangers={name: danger(frozenset({name})) for name in sorted(DANGER_FAMILIES)},
        is_coded=is_coded,
        is_firm=all(_says_ours_firmly(look) for look in looks),
    )


def _coded(look: AgentOutput, name: str) -> Coded | None:
    decided = look.fields.get(name)
    return None if decided is None else decided.coded


def _mentioned(look: AgentOutput) -> tuple[str, ...]:
    coded = _coded(look, "family")
    return () if coded is None else coded.mentioned


def _says_ours_firmly(look: AgentOutput) -> bool:
    coded = [_coded(look, name) for name in ("applicability", "family")]
    values = (str(look.value.get("applicability")), str(look.value.get("family")))
    return seems_ours(*values) and all(one is not None and one.is_firm for one in coded)


def seems_ours(applicability: str, family: str) -> bool:
    """Say whether the values of the first look are those of a case in scope, whatever their probabilities."""
    return applicability == "lesion_visible" and family == IN_SCOPE_FAMILY


def names_another(applicability: str, family: str) -> bool:
    """Say whether the values of the first look name a visible lesion of a family that is not ours."""
    return applicability == "lesion_visible" and family not in {IN_SCOPE_FAMILY, "cannot_tell"}


def _is_ours(row: ScopeView, thresholds: Thresholds) -> bool:
    if row.is_coded:  # no threshold can be applied to words
        return row.is_firm and thresholds.text_scope is not None
    return (
        seems_ours(row.applicability, row.family)
        and row.lesion_visible >= thresholds.lesion_visible
        and row.in_scope_family >= thresholds.in_scope_family
    )


def _is_danger(row: ScopeView, thresholds: Thresholds) -> bool:
    """Say whether the danger families together, or one that has its own bound, reach their threshold."""
    return row.danger_family >= thresholds.danger_family or any(
        row.dangers.get(name, 0.0) >= bound for name, bound in thresholds.danger_families.items()
    )


def _is_foreign(row: ScopeView, thresholds: Thresholds) -> bool:
    """Say whether a view shows, with confidence, a lesion of another family."""
    return names_another(row.applicability, row.family) and row.named_family >= thresholds.views_disagree


def _why_not(rows: Sequence[ScopeView], thresholds: Thresholds, *, far: Collection[int]) -> str | None:
    """Name the reason: the views disagree, another family, nothing to see, or not sure enough; None: it is ours."""
    if any(_is_ours(row, thresholds) for row in rows):
        disagree = any(_is_foreign(row, thresholds) for row in rows if row.view not in far)
        return "views_disagree" if disagree else None
    visible = [row for row in rows if row.applicability == "lesion_visible"]
    if any(names_another(row.applicability, row.family) for row in visible):
        return "out_of_scope_condition"
    reasons = [_unsure(row) for row in visible] or [UNREADABLE.get(row.applicability, _unsure(row)) for row in rows]
    return reasons[0] if len(set(reasons)) == 1 else "low_confidence"


def _unsure(row: ScopeView) -> str:
    """Name why a view that is not plainly another's is not ours."""
    if not row.is_coded:
        return "low_confidence"
    return "no_calibration" if row.is_firm else "text_not_coded"
