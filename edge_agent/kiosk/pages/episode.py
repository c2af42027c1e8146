"""The visits of one person's episode: a drawing and a table of severity and treatment, what changed, pictures then and now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request, Response

from edge_agent.agents.report.earlier import earlier_visit
from edge_agent.agents.report.findings import changed
from edge_agent.agents.report.parts import Block
from edge_agent.agents.report.reading import is_item_told, readable
from edge_agent.agents.report.standing import after_review
from edge_agent.agents.report.terms import Terms
from edge_agent.errors import CaseError
from edge_agent.interop.stored import review_of
from edge_agent.kiosk.case_rooms import (
    Carer,
    Shown,
    episodes_of,
    is_foreign,
    listed_case,
    reader_of,
    row_of,
    shown_pictures,
    speech_of,
    term_of,
    visit_here,
)
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.report import kind
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.review.timeline import LEFT, RIGHT, WIDTH, VisitPoint, chart
from edge_agent.store.accounts import Person
from edge_agent.store.audit import Action

router = Room()
MEASURE_WORDS: Final[dict[str, Text]] = {
    "bsa": _("Skin surface, %%"),
    "pasi": _("PASI, 0 to 72"),
    "pga": _("Physician's global assessment, 0 to 4"),
}


@dataclass(frozen=True, slots=True)
class ThenNow:
    """Two pictures of one site and one kind of shot: of an earlier visit and of this one."""

    site: str
    shot: str
    then_case: str
    then_seen: datetime
    then: Shown
    now: Shown


@router.get("/cases/{case_id}/episode")
def episode(request: Request, case_id: str, person: Carer) -> Response:
    """Show the visits up to the newest, with what changed since the one before this."""
    parts = parts_of(request)
    row = row_of(listed_case(request, case_id), parts)
    visit = visit_here(parts, case_id)
    known = episodes_of(parts).visits(visit.episode_id) if visit else []
    seen = {one.case_id: one.handed_over for one in known} or {case_id: row.created}
    visits = [point for one in seen if (point := _point(parts, one, person)) is not None]
    parts.audit.note(person.name, Action.CASE_OPENED, case_ref=case_id, detail="episode")
    return page(
        request,
        "cases/episode.html",
        row=row,
        visits=visits,
        treatments={one.case_id: [term_of(request, "plan_object", t) for t in one.treatments] for one in visits},
        chart=chart(visits) if visits else None,
        lane_words={t: term_of(request, "plan_object", t) for one in visits for t in one.treatments},
        frame=(LEFT, WIDTH - RIGHT, WIDTH),
        measures=MEASURE_WORDS,
        has_other_lineage=len({one.lineage for one in visits}) > 1,
        change=_change(parts, case_id, visits, Terms(parts.vocabulary, speech_of(request), dates=language_of(request))),
        is_foreign=is_foreign(request),
        kind=kind,
        pairs=_pairs(request, case_id, seen, person),
        follow_up=visit.follow_up_due if visit else None,
    )


def _point(parts: KioskParts, case_id: str, person: Person) -> VisitPoint | None:
    """Return what stands of one visit's report, for this reader; None without a report that this program can read."""
    told = parts.cases.report(case_id)
    if told is None:
        return None
    with suppress(CaseError):
        review = review_of(parts.database, cases=parts.cases, case_id=case_id)
        found = earlier_visit(told, review)
        after = after_review(readable(told), review, parts.vocabulary)
        plan = after.report["plan"]["items"] if review.stands("plan") else []
        return VisitPoint(
            case_id,
            found.created,
            found.lineage,
            bsa=found.bsa_percent,
            pasi=found.pasi,
            pga=found.pga,
            tier=after.tier,
            treatments=tuple(
                item["object"] for item in plan if item["action"] == "treat" and is_item_told(item, reader_of(person))
            ),
            has_severity=review.stands("severity"),
        )
    return None


def _change(parts: KioskParts, case_id: str, visits: Sequence[VisitPoint], words: Terms) -> list[Block]:
    """Return what changed since the visit before; of a severity that did not stand, then or now, the surface alone."""
    told = parts.cases.report(case_id)
    change = None if told is None else readable(told)["change"]
    if change is None:
        return []
    then = datetime.fromisoformat(change["previous"]["created"])
    compared = [one for one in visits if one.case_id == case_id or one.created == then]
    return (
        changed(change, words)
        if all(one.has_severity for one in compared)
        else changed(change, words, measures=("bsa",))
    )


def _pairs(request: Request, case_id: str, seen: dict[str, datetime], person: Person) -> list[ThenNow]:
    """Return this visit's pictures beside the newest earlier ones of the same site, side and shot."""
    ids = list(seen)
    earlier = [(one, shown_pictures(request, one, person)) for one in reversed(ids[: ids.index(case_id)])]
    found = []
    for now in shown_pictures(request, case_id, person).values():
        where = _where(now)
        then = next(
            ((one, old) for one, pictures in earlier for old in pictures.values() if _where(old) == where), None
        )
        if then is not None and now.view.body_site is not None:
            site = term_of(request, "body_site", now.view.body_site)
            shot = term_of(request, "shot", now.view.shot) if now.view.shot else ""
            found.append(ThenNow(site, shot, then[0], seen[then[0]], then[1], now))
    return found


def _where(shown: Shown) -> tuple[str | None, str | None, str | None]:
    return shown.view.body_site, shown.view.laterality, shown.view.shot
