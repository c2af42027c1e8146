"""A clock that a test moves by hand; waiting costs no time."""

from __future__ import annotations

import threading
from datetime import time


class ManualClock:
    """Tell a time that passes only when somebody waits.

    ``waits_s`` lists every wait asked for, in order. ``time_of_day`` stands still until a test sets it.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits_s: list[float] = []
        self.time_of_day = time(12, 0)

    def monotonic(self) -> float:
        """Return the present time in seconds."""
        return self.now_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let ``timeout_s`` pass at once, unless the event is set."""
        if not event.is_set():
            self.waits_s.append(timeout_s)
            self.now_s += timeout_s
        return event.is_set()

    def local_time(self) -> time:
        """Return the time of day that was set."""
        return self.time_of_day
