"""A clock that a test moves by hand; waiting costs no time."""

from __future__ import annotations

import threading


class ManualClock:
    """Tell a time that passes only when somebody waits.

    ``waits_s`` lists every wait asked for, in order.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits_s: list[float] = []

    def monotonic(self) -> float:
        """Return the present time in seconds."""
        return self.now_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let ``timeout_s`` pass at once, unless the event is set."""
        if not event.is_set():
            self.waits_s.append(timeout_s)
            self.now_s += timeout_s
        return event.is_set()
