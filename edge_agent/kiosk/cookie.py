"""The one cookie of the kiosk."""

from __future__ import annotations

from fastapi import Response

from edge_agent.kiosk.sessions import COOKIE, Session


def give_cookie(response: Response, session: Session) -> Response:
    """Let the browser carry the session's id: not readable for scripts, never sent with another page's requests.

    Not ``Secure``: the page is served on the loopback interface without TLS, and nothing leaves the machine.
    """
    response.set_cookie(COOKIE, session.id, httponly=True, samesite="strict", path="/")
    return response
