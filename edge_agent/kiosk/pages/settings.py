"""The language and the look of this screen, for anybody at it; kept with the session."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.kiosk.access import session_of
from edge_agent.kiosk.rendering import language_of, local_path, page
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions

router = Room()


@router.get("/settings")
def settings(request: Request) -> Response:
    """Show the switches."""
    return page(request, "settings/settings.html")


@router.post("/settings/language")
def change_language(
    request: Request,
    language: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/",  # noqa: A002  (the field's name)
) -> Response:
    """Change the language and come back; one that the device does not offer changes nothing."""
    sessions: Sessions = request.app.state.sessions
    offered = request.app.state.stationery.languages
    sessions.change(session_of(request), language=language if language in offered else language_of(request).code)
    return RedirectResponse(local_path(next), status_code=303)


@router.post("/settings/look")
def change_look(
    request: Request,
    large: Annotated[str, Form()] = "",
    still: Annotated[str, Form()] = "",
    dark: Annotated[str, Form()] = "",
) -> Response:
    """Change print size, movement and brightness."""
    sessions: Sessions = request.app.state.sessions
    sessions.change(session_of(request), is_large_print=large == "yes", is_still=still == "yes", is_dark=dark == "yes")
    return RedirectResponse("/settings", status_code=303)
