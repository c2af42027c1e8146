"""The list of cases, and one case's pictures: what is due first stands first, every look at a picture is logged by name."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from fastapi import HTTPException, Request, Response
from PIL import Image

from edge_agent.contracts.case import Frame
from edge_agent.errors import ImageGone
from edge_agent.kiosk.case_rooms import CARERS, Carer, episodes_of, listed_case, look, row_of, vault_of
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import page, parts_of
from edge_agent.kiosk.room import Room, Tile
from edge_agent.review.worklist import Due, Row, due, in_order
from edge_agent.store.accounts import Person
from edge_agent.store.audit import Action
from edge_agent.store.case_list import CaseList
from edge_agent.store.pictures import decode_png
from edge_agent.store.sent_files import SentFiles, SentTo
from edge_agent.store.views import StoredView

MAX_PICTURE_PX: Final = 1024
SHOWS: Final = ("open", "second", "due", "asked", "all")


def _rows(parts: KioskParts) -> list[Row]:
    return in_order(row_of(one, parts) for one in CaseList(parts.database).newest())


def _tiles(parts: KioskParts, who: Person) -> Sequence[Tile]:
    if who.is_emergency or not who.roles & {*CARERS}:
        return ()
    rows, now = _rows(parts), parts.clock()
    overdue = sum(due(row, now) is Due.OVERDUE for row in rows)
    note = _n("One case is overdue.", "%(n)s cases are overdue.", overdue) if overdue else None
    tiles = [Tile(_("Cases"), "/cases", "report", note, sum(not row.is_signed for row in rows))]
    come_back = len(episodes_of(parts).due_follow_ups(now.date()))
    if come_back:
        tiles.append(Tile(_("Follow-ups that are due"), "/cases?show=due", "calendar", None, come_back))
    asked = len(SentFiles(parts.database).open())
    if asked:
        tiles.append(Tile(_("Deletions to confirm"), "/cases?show=asked", "sync", None, asked))
    return tiles


router = Room(tiles=_tiles)


@router.get("/cases")
def cases(request: Request, person: Carer, show: str = "open") -> Response:  # noqa: ARG001  (the guard)
    """Show the cases of this device: open ones, those that wait for a second reader, follow-ups due, or all."""
    parts = parts_of(request)
    rows, now = _rows(parts), parts.clock()
    waiting = [row for row in rows if row.needs_second_reading]
    opened = [row for row in rows if not row.is_signed]
    follow_ups = episodes_of(parts).due_follow_ups(now.date())
    asked = _asked(parts)
    shown = {"second": waiting, "all": rows, "due": [], "asked": []}.get(show, opened)
    return page(
        request,
        "cases/cases.html",
        rows=[(row, due(row, now)) for row in shown],
        follow_ups=follow_ups if show == "due" else [],
        asked=asked if show == "asked" else [],
        show=show if show in SHOWS else "open",
        counts={
            "open": len(opened),
            "second": len(waiting),
            "due": len(follow_ups),
            "asked": len(asked),
            "all": len(rows),
        },
        overdue=sum(due(row, now) is Due.OVERDUE for row in rows),
    )


def _asked(parts: KioskParts) -> list[tuple[Row, SentTo]]:
    """Return whose receiver still has to confirm a deletion, with the case; one whose record is gone is left out."""
    listed = CaseList(parts.database)
    found = [(listed.one(one.case_id), one) for one in SentFiles(parts.database).open()]
    return [(case.row, one) for case, one in found if case is not None]


@router.get("/cases/{case_id}/pictures/{index}")
def picture(request: Request, case_id: str, index: int, person: Carer) -> Response:
    """Give one picture, reduced, and log who looked (policy R13). Intimate ones are for clinicians only (R5)."""
    parts = parts_of(request)
    listed_case(request, case_id)
    view = next((one for one in parts.cases.views(case_id) if one.index == index), None)
    if view is None:
        raise HTTPException(404)
    if not look(view, person).is_allowed:
        raise HTTPException(403)
    try:
        frame = _frame(parts, case_id, view)
    except ImageGone as exc:
        raise HTTPException(404) from exc
    parts.audit.note(person.name, Action.PICTURE_VIEWED, case_ref=case_id, detail=f"view-{index}")
    return Response(_jpeg(frame), media_type="image/jpeg", headers={"cache-control": "no-store"})


def _frame(parts: KioskParts, case_id: str, view: StoredView) -> Frame:
    """Open one picture: from the vault, or from the record of a case that is older than the vault."""
    if view.image_id is not None:
        return decode_png(vault_of(parts).get(view.image_id))
    kept = next((one for one in parts.cases.load(case_id).views if one.index == view.index), None)
    if kept is None:
        raise ImageGone("the picture was deleted")
    return kept.frame


def _jpeg(frame: Frame) -> bytes:
    """Return a picture as JPEG without metadata, at most ``MAX_PICTURE_PX`` on its longer edge."""
    image = Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))
    image.thumbnail((MAX_PICTURE_PX, MAX_PICTURE_PX))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=88)
    return target.getvalue()
