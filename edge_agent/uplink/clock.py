"""Time as the uplink needs it; a test brings its own."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tell how much time has passed, and let some pass."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set or the time is over; return whether it is set."""
        ...

    def local_time(self) -> dt.time:
        """Return the time of day where the device stands."""
        ...


class SystemClock:
    """The machine's clocks: the monotonic one, and the wall's in the device's time zone."""

    def monotonic(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait on the event itself, so that setting it ends the wait at once."""
        return event.wait(timeout_s)

    def local_time(self) -> dt.time:
        """Return the wall clock's time of day in the system's time zone, as it is now."""
        return dt.datetime.now().astimezone().time()
