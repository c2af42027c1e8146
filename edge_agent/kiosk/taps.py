"""One tap, one deed: a form that was sent twice is done once, and both get the same answer.

Each form that is shown carries a token of its own. A finger that taps twice, or a browser that sends again, brings the
same token: the second waits for the first and gets its answer. In memory only, like the sessions whose forms these are: after
a restart no form of before is taken any more.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from fastapi import Response

MOST: Final = 32  # answers that are remembered: more forms than are open at one device
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Taps:
    """Remember which forms were sent, and what was answered. Does not know what a form asks for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], Future[Response]] = {}

    def once(self, token: object, work: Callable[[], Response], *, session_id: str) -> Response | None:
        """Do the work of a form, or return what was answered when it was sent before.

        What could not be done is forgotten: the same form may be sent again then.

        Args:
            token: as ``new_token`` gave it to the shown form.
            work: what the form asks for.
            session_id: whose form it is; nobody else is given its answer.

        Returns:
            None where the form carries no token: nothing was done.
        """
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return None
        place = (session_id, token)
        with self._lock:
            before = self._answers.get(place)
            mine: Future[Response] = before or Future()
            if before is None:
                self._answers[place] = mine
                self._trim()
        if before is not None:
            return before.result()
        try:
            mine.set_result(work())
        except BaseException as exc:
            with self._lock:
                self._answers.pop(place, None)
            mine.set_exception(exc)
            raise
        return mine.result()

    def _trim(self) -> None:
        """Forget the oldest answers; what is still being done is never forgotten."""
        done = [place for place, answer in self._answers.items() if answer.done()]
        for place in done[: max(0, len(self._answers) - MOST)]:
            del self._answers[place]


def new_token() -> str:
    """Return a token for one form that is shown."""
    return secrets.token_urlsafe(16)
