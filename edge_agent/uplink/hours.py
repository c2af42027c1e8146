"""The hours in which results leave by themselves, in the device's local time. A withdrawal may leave at any time.

Source: this project's own rule; a rural post's mobile connection is left to people in working hours (device profiles).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from typing import Final

ALL_DAY: Final = ("00:00-24:00",)


def is_within(windows: Sequence[str], now: time) -> bool:
    """Say whether a moment of the day lies in one of the windows; each holds its beginning and not its end.

    Args:
        windows: ``HH:MM-HH:MM``; one whose end is before its beginning passes midnight.
        now: local time of day.
    """
    minute = f"{now:%H:%M}"
    return any(_holds(window[:5], window[6:], minute) for window in windows)


def _holds(begin: str, end: str, minute: str) -> bool:
    if begin < end:
        return begin <= minute < end
    return minute >= begin or minute < end
