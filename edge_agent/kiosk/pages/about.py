"""What this program is, what it cannot do, and how to ask for a person (policy R16)."""

from __future__ import annotations

from fastapi import Request, Response

from edge_agent.config import PACKAGE
from edge_agent.kiosk.rendering import page, parts_of
from edge_agent.kiosk.room import Room

router = Room()


@router.get("/about")
def about(request: Request) -> Response:
    """Show it to anybody at the screen, signed in or not."""
    is_reference = parts_of(request).config.bundle_dir.is_relative_to(PACKAGE)
    return page(request, "about/about.html", is_reference=is_reference)
