"""How much one request may bring, and how many may come: checked before anything is parsed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MAX_FORM_BYTES: Final = 256 * 1024  # a form without files
MAX_UPLOAD_BYTES: Final = 96 * 1024 * 1024  # twelve pictures of 8 MB
MAX_FIELD_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 400
MAX_FILES: Final = 12
PER_MINUTE: Final = 1200  # a preview asks about five times a second
STRANGERS_PER_MINUTE: Final = 120  # without a session: the start page, its styles, and guesses
MAX_KEYS: Final = 64


class Rate:
    """Allow so many requests per minute for each key, in a bucket that fills again evenly.

    Args:
        per_minute: how many.
        monotonic: seconds, never going back.
    """

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float]) -> None:
        self._full = float(per_minute)
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}  # key: (tokens left, when); used by the server's one loop

    def admits(self, key: str) -> bool:
        """Count one request and say whether it may come in."""
        now = self._monotonic()
        left, then = self._buckets.get(key, (self._full, now))
        left = min(self._full, left + (now - then) * self._full / 60.0)
        if len(self._buckets) >= MAX_KEYS and key not in self._buckets:
            self._buckets.clear()  # sessions are few; forgetting all of them is generous, never strict
        self._buckets[key] = (max(0.0, left - 1.0), now)
        return left >= 1.0
