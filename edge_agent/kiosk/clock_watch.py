"""Whether the clock is wrong, for the banner on every page: asked of the store now and then, not for each page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from edge_agent.errors import StoreError
from edge_agent.store.audit import ClockTrust

AGAIN_S: Final = 10.0


class ClockWatch:
    """Remember for a few seconds what is thought of the clock. Never waits for whoever asks the store just now.

    Args:
        trust: asks the store (``AuditTrail.clock_trust``).
        monotonic: seconds, never going back.
    """

    def __init__(self, trust: Callable[[], ClockTrust], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._trust = trust
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._next_s: float | None = None
        self._is_wrong = False

    def is_wrong(self) -> bool:
        """Return what was found last. Where the store cannot be read, a page that says so must still be drawn."""
        if self._is_due() and self._asking.acquire(blocking=False):
            try:
                self._is_wrong = self._trust() is ClockTrust.WRONG
            except StoreError:
                pass
            finally:
                self._next_s = self._monotonic() + AGAIN_S
                self._asking.release()
        return self._is_wrong

    def _is_due(self) -> bool:
        return self._next_s is None or self._monotonic() >= self._next_s
