"""Put the kiosk together: rooms, guard, sessions, templates. Builds no part of the device and binds no port."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException as PlainHTTPException
from starlette.staticfiles import StaticFiles

from edge_agent.errors import EdgeError, StoreCorrupt
from edge_agent.kiosk.access import PinChangeNeeded, SignInNeeded
from edge_agent.kiosk.door import Door
from edge_agent.kiosk.guard import METRICS, Guard
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.pages import (
    about,
    accounts,
    answers,
    audit,
    cases,
    episode,
    home,
    print_out,
    receivers,
    report,
    second_reading,
    set_up,
    settings,
    sign_in,
    status,
    withdraw,
)
from edge_agent.kiosk.pages.consultation.rooms import CONSULTATION
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.passes import Passes
from edge_agent.kiosk.refusals import told_of
from edge_agent.kiosk.rendering import Stationery, here, page, parts_of, refusal
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions

STATIC: Final = Path(__file__).parent / "static"
ROOMS: Final = (
    *CONSULTATION,
    cases.router,
    report.router,
    second_reading.router,
    print_out.router,
    episode.router,
    answers.router,
    withdraw.router,
    receivers.router,
    home.router,
    sign_in.router,
    set_up.router,
    settings.router,
    accounts.router,
    audit.router,
    status.router,
    about.router,
)  # the order of their tiles on the start page


def create_app(
    parts: KioskParts,
    *,
    port: int | None = None,
    on_token: Callable[[str], None] | None = None,
    passes: Passes | None = None,
) -> FastAPI:
    """Build the application for one start of the web server.

    Args:
        parts: what the rooms work with.
        port: that it is served on, for the Host check; None for a Unix socket or a test.
        on_token: told each start token (``Door``).
        passes: of the browsers that were open before this start; None knows none.

    Raises:
        ConfigError: a translation cannot be read.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    kiosk = parts.config.kiosk
    sessions = Sessions(
        language=parts.config.language,
        monotonic=parts.monotonic,
        blank_after_s=kiosk.blank_after_s,
        sign_out_after_s=kiosk.sign_out_after_s,
        on_change=(lambda _looks: None) if passes is None else partial(passes.note, port=port),
    )
    app.state.parts = parts
    app.state.sessions = sessions
    app.state.door = Door(on_token=on_token)
    app.state.stationery = Stationery(load_languages(kiosk.languages), default=parts.config.language)
    app.state.rooms = ROOMS
    app.state.is_damaged = False
    for room in ROOMS:
        if not isinstance(room, Room):
            raise RuntimeError("every room uses edge_agent.kiosk.room.Room: it checks the CSRF token")
        app.include_router(room)
    if (metrics := parts.metrics) is not None:
        app.add_route(METRICS, lambda _request: Response(metrics(), media_type="text/plain; version=0.0.4"))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _add_error_pages(app)
    app.add_middleware(Guard, parts=parts, sessions=sessions, port=port, passes=passes)
    return app


def _add_error_pages(app: FastAPI) -> None:
    app.add_exception_handler(SignInNeeded, _ask_to_sign_in)
    app.add_exception_handler(PinChangeNeeded, _ask_for_own_pin)
    app.add_exception_handler(PlainHTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_values)
    app.add_exception_handler(EdgeError, _tell)


def _ask_to_sign_in(request: Request, _: Exception) -> Response:
    if not _wants_page(request):
        return refusal(request, 401)
    return RedirectResponse(f"/sign-in?next={quote(here(request), safe='')}", status_code=303)


def _ask_for_own_pin(request: Request, _: Exception) -> Response:
    return RedirectResponse("/pin", status_code=303) if _wants_page(request) else refusal(request, 403)


def _wants_page(request: Request) -> bool:
    return request.headers.get("sec-fetch-dest", "document") == "document"


def _refuse(request: Request, error: Exception) -> Response:
    return refusal(request, error.status_code if isinstance(error, HTTPException | PlainHTTPException) else 500)


def _refuse_values(request: Request, _: Exception) -> Response:
    return refusal(request, 422)


def _tell(request: Request, error: Exception) -> Response:
    if not isinstance(error, EdgeError):
        raise RuntimeError("only for our own errors") from error
    log = parts_of(request).log
    if log is not None:
        log.warning("kiosk.refused", **error.diagnostics())
    if isinstance(error, StoreCorrupt):
        request.app.state.is_damaged = True  # from now on every page says so, not only the one that hit it
    code, told = told_of(error)
    return page(request, "error/refused.html", status_code=code, told=told, code=f"{type(error).__name__}")
