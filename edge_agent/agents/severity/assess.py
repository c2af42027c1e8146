"""Compute severity by code, from what people entered and from Rec's grades; never by the language model.

The surface, PGA and the 0-10 answers are copied as they were entered. PASI is shown only where every affected region
has an entered area and a graded view; else the grades of the single views and what is missing. A missing part is
never counted as normal: it cannot lower the band, and while one is open the band reads "at least".
Does not correct an answer: what contradicts another is named as a warning.

Source: clinical-vocabulary section 4 (not clinically reviewed); the tolerances of the warning are ours [V].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge_agent.agents.representation import Described
from edge_agent.agents.rules.facts import facts_of, is_dark
from edge_agent.agents.severity import pasi as formula
from edge_agent.agents.severity.pasi import GRADES, RegionScore
from edge_agent.agents.severity.region_grades import GradedView, lesion_views, missing_of, region_scores
from edge_agent.contracts.case import ADULT_YEARS, Case
from edge_agent.contracts.intake import Intake

Band = Literal["mild", "moderate", "severe"]

MODERATE_FROM_PERCENT = 3.0
SEVERE_ABOVE_PERCENT = 10.0
SEVERE_FROM_PASI = 10.0
HIGH_IMPACT_FROM_NRS = 7
NAIL_SITES = frozenset({"fingernail", "toenail"})  # section 4 names them beside the sites of the triage rule
# The entered surface and the one that the regions imply are called different when they are further apart than both:
# people's estimates scatter by a palm or two, and by a third of a large surface [V].
BSA_APART_PERCENT, BSA_APART_SHARE = 2.0, 1 / 3


@dataclass(frozen=True, slots=True)
class Pasi:
    """The index, or why there is none.

    ``value`` is 0-72 or None. ``reason`` is ``minor``, ``age_unknown`` or ``not_in_scope`` where it may not be shown,
    else None; ``missing`` are (id, region) of what it lacks. ``regions`` are its parts as far as they are known.
    """

    value: float | None
    reason: Literal["minor", "age_unknown", "not_in_scope"] | None
    missing: tuple[tuple[str, str], ...]
    regions: tuple[RegionScore, ...]


@dataclass(frozen=True, slots=True)
class Severity:
    """Severity of one visit.

    ``band`` is None where nothing known gives one; ``is_at_least`` says that an unknown part (``missing``) could
    raise it. ``bsa_percent`` is the entered surface, ``bsa_implied_percent`` the one that four entered regions give;
    the second never replaces the first. ``tone_caution`` is None where nobody entered a tone. ``local_score`` holds
    the graded views where PASI is not shown. ``warnings`` are (id, region or None).
    """

    band: Band | None
    is_at_least: bool
    missing: tuple[str, ...]
    bsa_percent: float | None
    bsa_implied_percent: float | None
    pga: int | None
    nrs: Mapping[str, int | None]
    pasi: Pasi
    local_score: tuple[GradedView, ...]
    tone_caution: bool | None
    warnings: tuple[tuple[str, str | None], ...]

    def to_report(self) -> dict[str, Any]:
        """Return the report's ``severity`` section: ids, numbers and booleans.

        Keys: ``band``; ``is_at_least``; ``missing`` (ids of ``severity_input``); ``bsa_percent``;
        ``bsa_implied_percent``; ``pga`` 0-4; ``nrs`` {itch, pain, sleep, impact} 0-10; ``pasi`` {value, reason,
        missing: [{id, region}], by_region: [{region, area_percent, area_score, erythema, induration, scale_amount,
        part}], tone_caution}, ``part`` being the region's share of the 72; ``local_score``: [{view, body_site,
        laterality, erythema, induration, scale_amount, tone_caution}]; ``warnings``: [{id, region}]. Each number may
        be null: not known.
        """
        return {
            "band": self.band,
            "is_at_least": self.is_at_least,
            "missing": list(self.missing),
            "bsa_percent": self.bsa_percent,
            "bsa_implied_percent": self.bsa_implied_percent,
            "pga": self.pga,
            "nrs": dict(self.nrs),
            "pasi": {
                "value": self.pasi.value,
                "reason": self.pasi.reason,
                "missing": [{"id": name, "region": region} for name, region in self.pasi.missing],
                "by_region": [_region_row(row) for row in self.pasi.regions],
                "tone_caution": self.tone_caution,
            },
            "local_score": [{**_view_row(row), "tone_caution": self.tone_caution} for row in self.local_score],
            "warnings": [{"id": name, "region": region} for name, region in self.warnings],
        }


def severity_of(case: Case, described: Sequence[Described] = (), *, is_in_scope: bool = True) -> Severity:
    """Compute the severity of a visit.

    Args:
        case: the visit; sites, areas, age and tone come from its form.
        described: its views after the thresholds; empty where the rules alone speak.
        is_in_scope: whether the scope decision is ``in_scope``; PASI is a score of psoriasis and stands for no other
            disease, so out of scope only a body that a person entered as clear has one (0).
    """
    intake = case.intake
    views = lesion_views(described)
    scores = region_scores(intake.region_area_percent, views)
    pasi = _pasi(intake, scores, views, is_in_scope=is_in_scope)
    band, open_parts = _band(case, pasi)
    low, high = _implied_bsa(intake)
    return Severity(
        band=band,
        is_at_least=band in {"mild", "moderate"} and bool(open_parts),
        missing=open_parts,
        bsa_percent=intake.bsa_percent,
        bsa_implied_percent=round(low, 1) if low == high else None,
        pga=intake.pga,
        nrs={"itch": intake.itch_nrs, "pain": intake.pain_nrs, "sleep": intake.sleep_nrs, "impact": intake.impact_nrs},
        pasi=pasi,
        local_score=tuple(v for v in views if v.is_graded) if pasi.value is None and pasi.reason is None else (),
        tone_caution=_tone_caution(intake),
        warnings=_warnings(intake, scores, views),
    )


def _band_of(surface: float) -> Band:
    if surface > SEVERE_ABOVE_PERCENT:
        return "severe"
    return "moderate" if surface >= MODERATE_FROM_PERCENT else "mild"


def _surface_band(intake: Intake) -> Band | None:
    """Return the band of the surface: the entered one, raised by the regions where it is absent or contradicted.

    The regions give a least surface, so they can say "moderate" and "severe" but never "mild".
    """
    entered, implied = intake.bsa_percent, _implied_bsa(intake)
    if entered is not None and not _is_apart(entered, implied):
        return _band_of(entered)
    known = [surface for surface in (entered, implied[0]) if surface is not None]
    least = max(known)
    return None if entered is None and least < MODERATE_FROM_PERCENT else _band_of(least)


def _implied_bsa(intake: Intake) -> tuple[float, float]:
    """Return the surface (%) that the regions allow; for a minor they say nothing: 10/20/30/40 are an adult's shares."""
    return formula.implied_bsa({} if _is_minor(intake) else intake.region_area_percent)


def _is_minor(intake: Intake) -> bool | None:
    """Say whether the person is under 18, or None where nobody entered an age; months are asked under two years."""
    if intake.age_years is None:
        return None if intake.age_months is None else True
    return intake.age_years < ADULT_YEARS


def _pasi(intake: Intake, scores: tuple[RegionScore, ...], views: Sequence[GradedView], *, is_in_scope: bool) -> Pasi:
    is_minor = _is_minor(intake)
    if is_minor is not False:
        return Pasi(None, "minor" if is_minor else "age_unknown", (), ())
    if not is_in_scope and any(row.area_score != 0 for row in scores):
        return Pasi(None, "not_in_scope", (), ())
    tenths = formula.total_tenths(scores)
    missing = tuple((name, row.region) for row in scores for name in missing_of(row, views))
    return Pasi(None if tenths is None else tenths / 10, None, missing, scores)


def _band(case: Case, pasi: Pasi) -> tuple[Band | None, tuple[str, ...]]:
    """Return the band of the known parts, and the unknown parts that could still raise it.

    A part that can never be known for this person (PASI of a minor or out of scope) is not called open.
    """
    band, impact = _surface_band(case.intake), case.intake.impact_nrs
    is_site = True if _shows_nail(case) else facts_of(case)["has_high_impact_site"]
    is_high_impact = impact is not None and impact >= HIGH_IMPACT_FROM_NRS
    is_high_pasi = pasi.value is not None and pasi.value >= SEVERE_FROM_PASI
    if band == "severe" or is_high_pasi or (is_site is True and is_high_impact):
        return "severe", ()
    is_open = {
        "bsa_percent": case.intake.bsa_percent is None,
        "pasi": pasi.value is None and pasi.reason in {None, "age_unknown"},
        "impact_nrs": impact is None and is_site is not False,
        "body_site": is_site is None and (is_high_impact or impact is None),
    }
    return band, tuple(name for name, holds in is_open.items() if holds)


def _shows_nail(case: Case) -> bool:
    return any(view.body_site in NAIL_SITES for view in case.views)


def _tone_caution(intake: Intake) -> bool | None:
    # Erythema is hard to see on dark tones, and PASI under-reads [S 8, 9].
    return is_dark(intake.fitzpatrick, intake.monk)


def _warnings(
    intake: Intake, scores: Sequence[RegionScore], views: Sequence[GradedView]
) -> tuple[tuple[str, str | None], ...]:
    """Name what contradicts itself; nothing is changed for it."""
    rows: list[tuple[str, str | None]] = []
    if _is_apart(intake.bsa_percent, _implied_bsa(intake)):
        rows.append(("bsa_differs_from_regions", None))
    seen = {view.region for view in views}
    for row in scores:
        if row.area_score == 0 and row.region in seen:
            rows.append(("lesion_seen_where_area_is_zero", row.region))
        if row.area_score and (row.erythema, row.induration, row.scale_amount) == (0, 0, 0):
            rows.append(("area_entered_but_graded_clear", row.region))
    return tuple(rows)


def _is_apart(entered: float | None, implied: tuple[float, float]) -> bool:
    """Say whether the entered surface lies far outside what the entered regions allow."""
    if entered is None:
        return False
    nearest = min(max(entered, implied[0]), implied[1])
    gap = abs(entered - nearest)
    return gap > BSA_APART_PERCENT and gap > BSA_APART_SHARE * max(entered, nearest)


def _region_row(row: RegionScore) -> dict[str, Any]:
    return {
        "region": row.region,
        "area_percent": row.area_percent,
        "area_score": row.area_score,
        **{name: getattr(row, name) for name in GRADES},
        "part": None if row.tenths is None else row.tenths / 10,
    }


def _view_row(row: GradedView) -> dict[str, Any]:
    place = {"view": row.view, "body_site": row.body_site, "laterality": row.laterality}
    return {**place, **{name: getattr(row, name) for name in GRADES}}
