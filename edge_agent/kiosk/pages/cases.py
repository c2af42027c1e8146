"""The list of cases, and one case's pictures: what is due first stands first, every look at a picture is logged by name."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request, Response
from PIL import Image

from edge_agent.contracts.case import View
from edge_agent.contracts.intake_values import INTIMATE_SITES
from edge_agent.kiosk.access import signed_in
from edge_agent.kiosk.rendering import page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.review.second_reading import reasons
from edge_agent.review.worklist import Due, Row, due, in_order
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import Action
from edge_agent.store.case_list import CaseList, Listed

SECOND_READER_REQUIRED: Final = ("dark_tone", "minor", "abstained", "T3", "remission")  # the strict default
READERS: Final = (Role.CLINICIAN, Role.PRESCRIBER, Role.TCM_PRACTITIONER)
MAX_PICTURE_PX: Final = 1024
router = Room()


def required_readings(request: Request) -> tuple[str, ...]:
    """Return the reasons for which policy asks for a second reader."""
    policy = parts_of(request).policy
    return SECOND_READER_REQUIRED if policy is None else tuple(policy.second_reader_required)


def row_of(listed: Listed, required: tuple[str, ...]) -> Row:
    """Return a case's row with the reasons why a second reading is still missing."""
    if listed.facts is None or listed.second_readings:
        return listed.row
    return replace(listed.row, needs_second_reading=reasons(listed.facts, required))


@router.get("/cases")
def cases(request: Request, person: Annotated[Person, Depends(signed_in)], show: str = "open") -> Response:
    """Show the cases of this device: open ones, those that wait for a second reader, or all."""
    parts = parts_of(request)
    required, now = required_readings(request), parts.clock()
    rows = in_order(row_of(one, required) for one in CaseList(parts.database).newest())
    waiting = [row for row in rows if row.needs_second_reading]
    shown = {"second": waiting, "all": rows}.get(show, [row for row in rows if not row.is_signed])
    return page(
        request,
        "cases/cases.html",
        rows=[(row, due(row, now)) for row in shown],
        show=show if show in {"second", "all"} else "open",
        counts={"open": sum(not row.is_signed for row in rows), "second": len(waiting), "all": len(rows)},
        overdue=sum(due(row, now) is Due.OVERDUE for row in rows),
        may_read=bool(person.roles & {*READERS}),
    )


@router.get("/cases/{case_id}/pictures/{index}")
def picture(request: Request, case_id: str, index: int, person: Annotated[Person, Depends(signed_in)]) -> Response:
    """Give one picture, reduced, and log who looked (policy R13). Intimate ones are for clinicians only (R5)."""
    parts = parts_of(request)
    view = _view(request, case_id, index)
    if view.body_site in INTIMATE_SITES and Role.CLINICIAN not in person.roles:
        raise HTTPException(403)
    parts.audit.note(person.name, Action.PICTURE_VIEWED, case_ref=case_id, detail=f"view-{index}")
    return Response(_jpeg(view), media_type="image/jpeg", headers={"cache-control": "no-store"})


def _view(request: Request, case_id: str, index: int) -> View:
    parts = parts_of(request)
    if CaseList(parts.database).one(case_id) is None:
        raise HTTPException(404)
    view = next((one for one in parts.cases.load(case_id).views if one.index == index), None)
    if view is None:
        raise HTTPException(404)
    return view


def _jpeg(view: View) -> bytes:
    """Return a view as JPEG without metadata, at most ``MAX_PICTURE_PX`` on its longer edge."""
    image = Image.fromarray(view.frame[:, :, ::-1])
    image.thumbnail((MAX_PICTURE_PX, MAX_PICTURE_PX))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=88)
    return target.getvalue()
