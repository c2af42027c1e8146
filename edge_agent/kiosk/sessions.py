"""Browser sessions, in memory only: a restart signs everybody out and loses nothing, for drafts stand in the store.

What is left of them for the next start is a fingerprint with the look (``passes``): it lets the same browser see the
sign-in page, as it was set.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.store.accounts import Person

COOKIE: Final = "derm_kiosk"
MAX_SESSIONS: Final = 8
TELLING_S: Final = 15.0  # a page tells the server of touches every ten seconds at most (static/blank.js)


class Look(BaseModel):
    """How one browser shows its pages; says nothing of who sits there. ``language``: None is the device's."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    language: str | None = Field(default=None, max_length=16)
    is_large_print: bool = False
    is_still: bool = False
    is_dark: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """Hold what one browser has chosen and who is signed in there; ``seen_s`` is the last touch of a person.

    ``is_returning``: it was open before the page was started again, and nobody has signed in since.
    """

    id: str
    csrf: str
    language: str
    opened_s: float
    seen_s: float
    person: Person | None = None
    is_large_print: bool = False
    is_still: bool = False  # reduced motion
    is_dark: bool = False
    is_returning: bool = False

    @property
    def look(self) -> Look:
        """Return what outlives the session."""
        return Look(
            language=self.language,
            is_large_print=self.is_large_print,
            is_still=self.is_still,
            is_dark=self.is_dark,
        )


class Sessions:
    """Keep the sessions of this start of the web server.

    Does not know cookies or pages. Every change makes a new frozen value, so a request sees one consistent state.

    Args:
        language: the language of a new session.
        monotonic: seconds, never going back.
        blank_after_s: after so long without a person's touch nothing of a patient is given any more.
        sign_out_after_s: after so long the person is signed out.
        on_change: told the ids of all open sessions with their looks when one begins, gets a new id or looks otherwise;
            may wait for a slow disk, and no other request waits with it.
    """

    def __init__(
        self,
        *,
        language: str,
        monotonic: Callable[[], float],
        blank_after_s: float,
        sign_out_after_s: float,
        on_change: Callable[[Mapping[str, Look]], None] = lambda _looks: None,
    ) -> None:
        self._language = language
        self._monotonic = monotonic
        self._blank_after_s = blank_after_s
        self._sign_out_after_s = sign_out_after_s
        self._on_change = on_change
        self._is_closed = False
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def open(self, *, returning: Look | None = None) -> Session:
        """Begin a session with a new random id; the oldest one ends when there are too many.

        ``returning``: the look of a browser that was open before the page was started again; None: of none.
        """
        now = self._monotonic()
        look = returning or Look()
        session = Session(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            look.language or self._language,
            now,
            now,
            is_large_print=look.is_large_print,
            is_still=look.is_still,
            is_dark=look.is_dark,
            is_returning=returning is not None,
        )
        with self._lock:
            if len(self._sessions) >= MAX_SESSIONS:
                del self._sessions[min(self._sessions.values(), key=lambda one: one.seen_s).id]
            self._sessions[session.id] = session
        self._tell()
        return session

    def close(self) -> None:
        """Give no session any more: streams that ask for theirs end by themselves."""
        with self._lock:
            self._is_closed = True

    def find(self, session_id: str | None) -> Session | None:
        """Return the session with this id, its person signed out if nobody touched it for too long; None without one."""
        with self._lock:
            session = None if self._is_closed else self._sessions.get(session_id or "")
            if session is not None and session.person and self._idle_s(session) >= self._sign_out_after_s:
                session = self._sessions[session.id] = replace(session, person=None)
            return session

    def touch(self, session: Session) -> Session:
        """Remember that a person touched the screen now."""
        return self.change(session, seen_s=self._monotonic())

    def change(self, session: Session, **changes: object) -> Session:
        """Change what a session has chosen and return it; one that has ended stays ended."""
        with self._lock:
            present = self._sessions.get(session.id)
            if present is None:
                return session
            changed = self._sessions[session.id] = replace(present, **changes)  # type: ignore[arg-type]
        if changed.look != present.look:  # a touch writes nothing: it comes with every page
            self._tell()
        return changed

    def sign_in(self, session: Session, person: Person) -> Session:
        """Put a person into a session under a NEW id and CSRF token, so that an id planted before is worth nothing."""
        return self._renewed(session, person)

    def sign_out(self, session: Session) -> Session:
        """Take the person out of a session, again under a new id; the language stays."""
        return self._renewed(session, None)

    def is_blank(self, session: Session) -> bool:
        """Say whether the screen is blank by now: previews and new streams are refused."""
        return self._idle_s(session) >= self._blank_after_s + TELLING_S

    def _idle_s(self, session: Session) -> float:
        return self._monotonic() - session.seen_s

    def _renewed(self, session: Session, person: Person | None) -> Session:
        now = self._monotonic()
        fresh = replace(
            session,
            id=secrets.token_urlsafe(32),
            csrf=secrets.token_urlsafe(32),
            opened_s=now,
            seen_s=now,
            person=person,
            is_returning=False,
        )
        with self._lock:
            self._sessions.pop(session.id, None)
            self._sessions[fresh.id] = fresh
        self._tell()
        return fresh

    def _tell(self) -> None:
        """Tell of the sessions as they are at this moment, one telling after the other: the last one is never an old one."""
        with self._telling:
            with self._lock:
                looks = {one.id: one.look for one in self._sessions.values()}
            self._on_change(looks)
