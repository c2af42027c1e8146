"""What a form sent. Only this part of a handler awaits: whatever touches the store runs in a thread of its own."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData


async def sent_form(request: Request) -> FormData:
    """Return the form that was sent."""
    return await request.form()


Sent = Annotated[FormData, Depends(sent_form)]
