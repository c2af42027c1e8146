"""Bring Rec's grades of single views together per PASI region, and say what a region still lacks.

A view counts when Rec saw a lesion of the family that the index is made for, decided and above the thresholds. Per
sign the highest grade of the near views stands, an overview only where no nearer view tells the sign; thickness is
read from near views alone. The published index asks for the average of a region: the maximum reads the same for one
representative plaque and higher for mixed ones, never lower. Does not read pictures and does not compute the index.

Source: clinical-vocabulary sections 2 (fields 7-9) and 3 (``dominant``: maximum for grades).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_agent.agents.abstention import Kept
from edge_agent.agents.representation import Described
from edge_agent.agents.scope import seems_ours
from edge_agent.agents.severity.pasi import GRADES, MAX_GRADE, REGION_OF_SITE, REGIONS, RegionScore, area_score
from edge_agent.contracts.intake_values import AffectedRegion

# Section 2, field 9. How far away a follow-up picture was taken is not known, nor one without a note: thickness read
# from too far away is too low, and would look like healing.
THICKNESS_SHOTS = frozenset({"regional", "close_up"})
FAR_SHOT = "overview"
NOT_A_LESION_SHOT = frozenset({"tongue", "nail"})


@dataclass(frozen=True, slots=True)
class GradedView:
    """One view that counts: where it was taken, by the form, and its grades 0-4; None is not graded."""

    view: int
    shot: str | None
    body_site: str | None
    laterality: str | None
    erythema: int | None
    induration: int | None
    scale_amount: int | None

    @property
    def region(self) -> AffectedRegion | None:
        """Return the PASI region of the body site, or None: no site was entered, or it lies in no region."""
        return None if self.body_site is None else REGION_OF_SITE.get(self.body_site)

    @property
    def is_graded(self) -> bool:
        """Say whether at least one sign has a grade."""
        return any(getattr(self, name) is not None for name in GRADES)


def lesion_views(described: Sequence[Described]) -> tuple[GradedView, ...]:
    """Return the views that show a lesion of the family that the index is made for, graded or not, in order."""
    rows = []
    for one in described:
        if one.view.shot in NOT_A_LESION_SHOT or not _is_ours(one):
            continue
        grades = {name: _grade(one.fields.get(name)) for name in GRADES}
        if one.view.shot not in THICKNESS_SHOTS:
            grades["induration"] = None
        view = one.view
        rows.append(GradedView(view.index, view.shot, view.body_site, view.laterality, **grades))
    return tuple(rows)


def region_scores(areas: Mapping[AffectedRegion, float], views: Sequence[GradedView]) -> tuple[RegionScore, ...]:
    """Return the four regions with their entered area (% of the region) and the grades of their views."""
    return tuple(_region_score(region, areas.get(region), views) for region in REGIONS)


def missing_of(score: RegionScore, views: Sequence[GradedView]) -> tuple[str, ...]:
    """Name what a region lacks for the index (ids of ``pasi_missing``); nothing for a complete one.

    A region without an entered area may be affected, so it is never taken as clear: 0 has to be entered.
    """
    if score.area_score == 0:
        return ()
    is_seen = any(view.region == score.region for view in views)
    if score.area_score is None and not is_seen:
        return ("area_not_entered",)  # it comes first: with 0 no picture is needed
    if not is_seen:
        return ("region_not_seen",)
    rows = ["area_not_entered"] if score.area_score is None else []
    rows += [f"{name}_not_graded" for name in GRADES if getattr(score, name) is None]
    return tuple(rows)


def _region_score(region: AffectedRegion, area: float | None, views: Sequence[GradedView]) -> RegionScore:
    here = [view for view in views if view.region == region]
    grades = {name: _highest(name, here) for name in GRADES}
    return RegionScore(region, area, None if area is None else area_score(area), **grades)


def _highest(name: str, views: Sequence[GradedView]) -> int | None:
    near: list[int | None] = [getattr(view, name) for view in views if view.shot != FAR_SHOT]
    far: list[int | None] = [getattr(view, name) for view in views if view.shot == FAR_SHOT]
    for grades in (near, far):
        if known := [grade for grade in grades if grade is not None]:
            return max(known)
    return None


def _is_ours(one: Described) -> bool:
    told = [one.fields.get(name) for name in ("applicability", "family")]
    applicability, family = ("cannot_tell" if row is None else str(row.value) for row in told)
    return seems_ours(applicability, family)


def _grade(row: Kept | None) -> int | None:
    """Return a grade that a model decided and kept, or None; a value that the grammar fixed was looked at by nobody."""
    if row is None or not row.is_decided or row.is_withheld:
        return None
    value = row.value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_GRADE:
        return None
    return value
