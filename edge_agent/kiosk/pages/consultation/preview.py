"""The live picture beside the shutter: for this browser only, never recorded, gone when nobody is there (R7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from edge_agent.consultation.steps import Step
from edge_agent.contracts.case import Frame
from edge_agent.kiosk.access import session_of
from edge_agent.kiosk.faults import camera_words
from edge_agent.kiosk.pages.consultation.desk import Turn, Worker, turn_of
from edge_agent.kiosk.parts import CameraPort
from edge_agent.kiosk.rendering import language_of
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions

router = Room()
PREVIEW_PX: Final = 720
PREVIEW_PAUSE_S: Final = 0.1
BOUNDARY: Final = "frame"


def _allowed(request: Request, case_id: str, place: int, person: Worker) -> tuple[Turn, CameraPort]:
    """Return the camera where the policy opens it for this site now.

    Raises:
        HTTPException: 403, not for this site; 404, no such site or no camera.
    """
    turn = turn_of(request, case_id, person)
    if place not in range(len(turn.draft.sites)) or turn.parts.camera is None:
        raise HTTPException(404)
    permit = turn.room.course.camera(turn.draft, turn.draft.sites[place], clinician=turn.clinician)
    sessions: Sessions = request.app.state.sessions
    if not permit.is_allowed or turn.draft.step is not Step.VIEWS or sessions.is_blank(session_of(request)):
        raise HTTPException(403)
    return turn, turn.parts.camera


@router.get("/consultation/{case_id}/preview/{place}.mjpeg")
def live(request: Request, case_id: str, place: int, person: Worker) -> Response:
    """Show what the camera sees now, until the page is left or the screen blanks."""
    _turn, camera = _allowed(request, case_id, place, person)
    kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    return StreamingResponse(_pictures(request, camera), media_type=kind)


@router.get("/consultation/{case_id}/hint/{place}/{shot}")
def hint(request: Request, case_id: str, place: int, shot: str, person: Worker) -> Response:
    """Say in words and with an arrow what to do next with the camera."""
    turn, camera = _allowed(request, case_id, place, person)
    newest = camera.latest()
    if (trouble := camera_words(turn.parts.faults())) is not None:
        say = language_of(request).gettext
        words = f"{say(trouble.what)} {say(trouble.do)}"
        return JSONResponse({"id": trouble.id, "words": words, "arrow": "", "has_picture": newest is not None})
    frames: list[Frame] = [] if newest is None else [newest.frame]
    advice = turn.room.gate.coach(frames, shot=shot)
    return JSONResponse(
        {
            "id": advice.id,
            "words": turn.term("coach_hint", advice.id),
            "arrow": advice.arrow or "",
            "has_picture": newest is not None,
        }
    )


async def _pictures(request: Request, camera: CameraPort) -> AsyncIterator[bytes]:
    """Yield the previews as parts of one answer; the session's rest ends it."""
    sessions: Sessions = request.app.state.sessions
    session_id = session_of(request).id
    while not await request.is_disconnected():
        session = sessions.find(session_id)
        if session is None or session.person is None or sessions.is_blank(session):
            return
        data = await asyncio.to_thread(camera.preview_jpeg, PREVIEW_PX)
        if data is not None:
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            yield head.encode() + data + b"\r\n"
        await asyncio.sleep(PREVIEW_PAUSE_S)
