"""The router that every room uses: it checks the CSRF token and the size of a form before the room sees it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from edge_agent.kiosk.language import Text
from edge_agent.kiosk.limits import MAX_FIELD_BYTES, MAX_FIELDS, MAX_FILES, MAX_UPLOAD_BYTES
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Person

SAFE: Final = frozenset({"GET", "HEAD"})
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"


class _InMemoryParser(MultiPartParser):
    spool_max_size = MAX_UPLOAD_BYTES + 1  # a picture never reaches a temporary folder


class KioskRequest(Request):
    """Read forms within the kiosk's limits, files in memory only."""

    async def _get_form(self, **_: object) -> FormData:
        if self._form is None:
            self._form = await self._parsed()
        return self._form

    async def _parsed(self) -> FormData:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        limits: dict[str, Any] = {"max_fields": MAX_FIELDS, "max_part_size": MAX_FIELD_BYTES}
        try:
            async with aclosing(self.stream()) as stream:
                if kind == "multipart/form-data":
                    return await _InMemoryParser(self.headers, stream, max_files=MAX_FILES, **limits).parse()
                if kind == "application/x-www-form-urlencoded":
                    return await FormParser(self.headers, stream, **limits).parse()
        except MultiPartException as exc:
            raise HTTPException(413) from exc
        return FormData()


class KioskRoute(APIRoute):
    """Refuse every changing request without the session's CSRF token, before anything else of the room runs."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the room's handler behind the check."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            guarded = KioskRequest(request.scope, request.receive)
            if guarded.method not in SAFE:
                await _check_csrf(guarded)
            return await handle(guarded)

        return checked


async def _check_csrf(request: KioskRequest) -> None:
    offered = request.headers.get(CSRF_HEADER) or (await request.form()).get(CSRF_FIELD)
    expected = request.state.session.csrf
    if not isinstance(offered, str) or not secrets.compare_digest(offered.encode(), expected.encode()):
        raise HTTPException(403)


@dataclass(frozen=True, slots=True)
class Tile:
    """Hold one way to go from the start page: words, where to, an icon of ``static/icons.svg``, and what waits there.

    ``is_first`` makes it the one large tile on top.
    """

    name: Text
    href: str
    icon: str
    note: Text | None = None
    count: int | None = None
    is_first: bool = False


def _no_tiles(_: KioskParts, __: Person) -> Sequence[Tile]:
    return ()


class Room(APIRouter):
    """Collect the pages of one room. Use it in place of ``APIRouter``; ``create_app`` refuses any other.

    Args:
        tiles: what this room puts on the start page of a person; decides by itself who sees it.
    """

    def __init__(self, *, tiles: Callable[[KioskParts, Person], Sequence[Tile]] = _no_tiles) -> None:
        super().__init__(route_class=KioskRoute, include_in_schema=False)
        self.tiles = tiles
