"""An earlier visit as it stands after what clinicians decided about it: for the next visit, and for the course of an episode.

What fell is not known any more, and a clinician's own value stands in its place. Numbers that people entered stand whatever
was decided on the rest. Does not read the store and does not change the report.

Source: clinical-vocabulary sections 4, 5.1 and 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_agent.agents.report.review import Review
from edge_agent.contracts.previous import GRADES, NOTHING, PreviousVisit

PGA_GRADES: Final = ("clear", "almost_clear", "mild", "moderate", "severe")  # ids of `pga`; the place is the grade
_CONCLUSIONS: Final = (("representation", "stage"), ("representation", "phenotype"), ("reasoning", "syndrome"))
_UNKNOWN: Final = dict.fromkeys(GRADES)


def earlier_visit(report: Mapping[str, Any], review: Review) -> PreviousVisit:
    """Return an earlier visit from its stored report, without what a clinician found wrong.

    Args:
        report: as stored, of any version that ``PreviousVisit.from_report`` reads.
        review: what was decided about it; before the signature nothing of a clinician's own is told yet.

    Raises:
        CaseError: not a report that this program can read; choose another or go without.
    """
    visit = PreviousVisit.from_report(report)
    stands: dict[str, Any] = {
        field: _known(review.value(part, field)) for part, field in _CONCLUSIONS if not review.stands(part)
    }
    if not review.stands("findings"):
        stands["sites"] = ()
    if not review.stands("severity"):
        stands |= {"pasi": None, "severity_band": None, "pga": _assessed(visit, review)}
        stands["regions"] = tuple(row.model_copy(update=_UNKNOWN) for row in visit.regions)
    return visit.model_copy(update=stands)


def _assessed(visit: PreviousVisit, review: Review) -> int | None:
    """Return the clinician's global assessment; the entered one where they named none, none before their signature."""
    own = review.value("severity", "pga")
    if own is not None:
        return PGA_GRADES.index(own)
    return None if any(one.field == "pga" for one in review.rulings["severity"].corrections) else visit.pga


def _known(value: str | None) -> str | None:
    return None if value in NOTHING else value
