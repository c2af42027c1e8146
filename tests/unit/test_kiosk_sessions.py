"""Rules of the browser sessions: what is written down of them never holds up another page."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from edge_agent.kiosk.sessions import Look, Sessions


def _sessions(on_change: object) -> Sessions:
    return Sessions(
        language="en",
        monotonic=lambda: 1000.0,
        blank_after_s=60.0,
        sign_out_after_s=600.0,
        on_change=on_change,  # type: ignore[arg-type]
    )


def test_a_slow_disk_at_one_sign_in_stops_no_other_page() -> None:
    """While the fingerprints of a new session are being written, every other request finds its own session."""
    is_writing, may_end = threading.Event(), threading.Event()
    told: list[Collection[str]] = []

    def slow(ids: Collection[str]) -> None:
        told.append(tuple(ids))
        if len(told) > 1:
            is_writing.set()
            may_end.wait(30)

    sessions = _sessions(slow)
    mine = sessions.open()
    signing_in = threading.Thread(target=sessions.open, daemon=True)
    signing_in.start()
    assert is_writing.wait(30)
    found: list[object] = []
    asking = threading.Thread(target=lambda: found.append(sessions.touch(sessions.find(mine.id) or mine)), daemon=True)
    asking.start()
    asking.join(5)
    is_held_up = asking.is_alive()
    may_end.set()
    signing_in.join(30)
    assert not is_held_up
    assert [getattr(one, "id", None) for one in found] == [mine.id]


def test_what_is_told_last_is_what_is_open() -> None:
    """Of two sign-ins at once the slower writing must not win with an older list."""
    told: list[frozenset[str]] = []
    sessions = _sessions(lambda ids: told.append(frozenset(ids)))
    opened: list[str] = []
    threads = [threading.Thread(target=lambda: opened.append(sessions.open().id)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert told[-1] == frozenset(opened)


def test_a_look_is_told_and_a_touch_is_not() -> None:
    """Language and print are written down when they change; a touch comes with every page and must cost no writing."""
    told: list[Mapping[str, Look]] = []
    sessions = _sessions(told.append)
    session = sessions.touch(sessions.open())
    assert len(told) == 1
    sessions.change(session, language="es", is_dark=True)
    assert told[1:] == [{session.id: Look(language="es", is_dark=True)}]
