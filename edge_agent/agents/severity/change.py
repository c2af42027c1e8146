"""Say what changed since an earlier visit, and only where the two visits can be compared.

PASI is compared over the regions that both visits know completely, and only when one bundle lineage graded both:
two models may read the same plaque differently, and that difference would look like healing. Surface (BSA) and PGA
are people's numbers without any model in them, so they are compared across lineages. Where nothing can be compared
there is no number at all, so none can be plotted. Does not name a cause and does not judge a treatment.

Source: clinical-vocabulary section 4 ``minimal_change``; "PASI 50/75/90 only if the baseline is 5 or more" [K, V].
The smallest differences that count are ours [V] (``BSA_STEP_PERCENT``, ``_one_grade_tenths``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge_agent.agents.severity.assess import Severity
from edge_agent.agents.severity.pasi import REGIONS, WEIGHT_TENTHS, RegionScore, total_tenths
from edge_agent.contracts.case import Case
from edge_agent.contracts.previous import PreviousRegion, PreviousVisit

Direction = Literal["better", "worse", "same", "not_comparable"]

RESPONSE_BASELINE_TENTHS = 50  # a PASI of 5
RESPONSES = ((90, "pasi_90"), (75, "pasi_75"), (50, "pasi_50"))  # improvement in %, at least
BSA_STEP_PERCENT = 1.0  # one palm: the surface is counted in palms


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure at both visits; ``before``, ``now`` and ``difference`` (now - before) are None if not comparable.

    ``regions`` are those that a PASI part was summed over. ``response`` is the PASI 50/75/90 class, only where all
    four regions stand in both visits and the earlier PASI is 5 or more; else ``response_reason`` says why not.
    """

    direction: Direction
    reason: str | None = None
    before: float | None = None
    now: float | None = None
    difference: float | None = None
    regions: tuple[str, ...] = ()
    response: str | None = None
    response_reason: str | None = None

    def as_report(self) -> dict[str, Any]:
        """Return the comparison as ids and numbers: direction, reason, before, now, difference."""
        return {
            "direction": self.direction,
            "reason": self.reason,
            "before": self.before,
            "now": self.now,
            "difference": self.difference,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What changed since the earlier visit; ``days`` is None where the two dates cannot be ordered."""

    previous: PreviousVisit
    days: int | None
    pasi: Comparison
    bsa: Comparison
    pga: Comparison

    def to_report(self) -> dict[str, Any]:
        """Return the report's ``change`` section: ids and numbers.

        Keys: ``previous`` {created, lineage, release}; ``days``; ``pasi``, ``bsa`` (%), ``pga`` (0-4), each
        {direction, reason, before, now, difference}. ``pasi`` has also ``regions`` (where they are fewer than four,
        before and now are parts of the index over these regions alone), ``response`` and ``response_reason``.
        """
        return {
            "previous": {
                "created": self.previous.created.isoformat(),
                "lineage": self.previous.lineage,
                "release": self.previous.release,
            },
            "days": self.days,
            "pasi": {
                **self.pasi.as_report(),
                "regions": list(self.pasi.regions),
                "response": self.pasi.response,
                "response_reason": self.pasi.response_reason,
            },
            "bsa": self.bsa.as_report(),
            "pga": self.pga.as_report(),
        }


def change(case: Case, severity: Severity, *, lineage: str | None) -> Change | None:
    """Compare this visit with the one attached to it.

    Args:
        case: this visit; without an attached earlier visit there is nothing to compare.
        severity: of this visit.
        lineage: of the bundle that graded this visit; None where the rules alone spoke.

    Returns:
        None without an earlier visit. An earlier visit that is not dated before this one is compared in nothing.
    """
    if case.previous is None:
        return None
    before = case.earlier_visit
    if before is None:
        refused = Comparison("not_comparable", "previous_not_earlier")
        return Change(case.previous, None, refused, refused, refused)
    return Change(
        previous=before,
        days=(case.created - before.created).days,
        pasi=_pasi(before, severity, lineage=lineage),
        bsa=_entered(before.bsa_percent, severity.bsa_percent, step=BSA_STEP_PERCENT),
        pga=_entered(before.pga, severity.pga, step=1),
    )


def _entered(before: float | None, now: float | None, *, step: float) -> Comparison:
    if before is None:
        return Comparison("not_comparable", "not_known_then")
    if now is None:
        return Comparison("not_comparable", "not_known_now")
    difference = round(now - before, 1)
    return Comparison(_direction(before, now, step=step), None, before, now, difference)


def _pasi(visit: PreviousVisit, severity: Severity, *, lineage: str | None) -> Comparison:
    if visit.lineage is None or lineage is None:
        return Comparison("not_comparable", "no_lineage")
    if visit.lineage != lineage:
        return Comparison("not_comparable", "other_lineage")
    then = {row.region: row for row in map(_score_of, visit.regions) if row.is_complete}
    today = {row.region: row for row in severity.pasi.regions if row.is_complete}
    if not then:
        return Comparison("not_comparable", "not_known_then")
    if not today:
        return Comparison("not_comparable", severity.pasi.reason or "not_known_now")
    common = [region for region in REGIONS if region in then and region in today]
    if not common:
        return Comparison("not_comparable", "no_common_region")
    return _common_pasi([then[region] for region in common], [today[region] for region in common])


def _common_pasi(then: Sequence[RegionScore], today: Sequence[RegionScore]) -> Comparison:
    before, now = total_tenths(then), total_tenths(today)
    if before is None or now is None:
        raise RuntimeError("only complete regions are compared")
    response, response_reason = _response(before, now, is_whole=len(then) == len(REGIONS))
    return Comparison(
        direction=_direction(before, now, step=_one_grade_tenths([*then, *today]) + 1),
        before=before / 10,
        now=now / 10,
        difference=(now - before) / 10,
        regions=tuple(row.region for row in then),
        response=response,
        response_reason=response_reason,
    )


def _response(before: int, now: int, *, is_whole: bool) -> tuple[str | None, str | None]:
    """Return the class of improvement against the earlier visit, in whole tenths, or why there is none."""
    if not is_whole:
        return None, "regions_incomplete"
    if before < RESPONSE_BASELINE_TENTHS:
        return None, "baseline_below_5"
    reached = [name for percent, name in RESPONSES if (before - now) * 100 >= percent * before]
    return (reached[0] if reached else "below_pasi_50"), None


def _one_grade_tenths(rows: Sequence[RegionScore]) -> int:
    """Return what one grade of one sign in one region can move: a difference up to this names no direction."""
    return max(WEIGHT_TENTHS[row.region] * (row.area_score or 0) for row in rows)


def _direction(before: float, now: float, *, step: float) -> Direction:
    """Name the direction of a measure for which less is better.

    Below one step nothing has changed, except that a cleared skin and a relapse on a clear one are always named.
    """
    if before == now or (abs(now - before) < step and 0 not in {before, now}):
        return "same"
    return "better" if now < before else "worse"


def _score_of(row: PreviousRegion) -> RegionScore:
    return RegionScore(row.region, row.area_percent, row.area_score, row.erythema, row.induration, row.scale_amount)
