"""Looks at pictures while a consultation is open: its own, and the last visit's; each look is logged by name (R13).

Source: policy.md R5, R13.
"""

from __future__ import annotations

from fastapi import HTTPException, Request, Response

from edge_agent.kiosk.pages.consultation.desk import Worker, turn_of
from edge_agent.kiosk.room import Room
from edge_agent.store.vault import ImageKind

router = Room()


@router.get("/consultation/{case_id}/pictures/{image_id}.png")
def picture(request: Request, case_id: str, image_id: str, person: Worker) -> Response:
    """Show one picture of this draft; the look is logged by name (R13)."""
    turn = turn_of(request, case_id, person)
    view = next((one for one in turn.draft.views if one.image_id == image_id), None)
    if view is not None and view.kind == "intimate" and turn.clinician is None:
        raise HTTPException(403)  # R5: also for the worker who began the visit
    data = turn.room.consultations.picture(case_id, image_id)
    turn.parts.audit.note(person.name, "picture_viewed", case_ref=case_id, detail=image_id)
    return Response(data, media_type="image/png")


@router.get("/consultation/{case_id}/earlier/{place}/{shot}.png")
def earlier(request: Request, case_id: str, place: int, shot: str, person: Worker) -> Response:
    """Show the last visit's picture of the same site, to frame the new one like it; the look is logged by name."""
    turn = turn_of(request, case_id, person)
    draft = turn.draft
    if draft.episode_id is None or place not in range(len(draft.sites)):
        raise HTTPException(404)
    site = draft.sites[place]
    permit = turn.room.course.camera(draft, site, clinician=turn.clinician)
    found = turn.room.episodes.earlier_picture(draft.episode_id, body_site=site.body_site, shot=shot)
    if found is None:
        raise HTTPException(404)
    if not permit.is_allowed or (found.kind is ImageKind.INTIMATE and turn.clinician is None):
        raise HTTPException(403)
    turn.parts.audit.note(person.name, "picture_viewed", case_ref=found.case_id, detail=found.image_id)
    return Response(turn.room.vault.get(found.image_id), media_type="image/png")
