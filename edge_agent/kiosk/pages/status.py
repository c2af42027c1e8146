"""How the device is, in plain words."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from edge_agent.kiosk.access import requires
from edge_agent.kiosk.rendering import page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.store.accounts import Person

router = Room()


@router.get("/status")
def device(request: Request, person: Annotated[Person, Depends(requires(in_emergency=True))]) -> Response:  # noqa: ARG001
    """Show the processes, the camera, the storage and the connection."""
    parts = parts_of(request)
    return page(request, "status/status.html", status=parts.desk.status())
