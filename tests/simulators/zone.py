"""A device somewhere else in the world: the zone that its operating system is set to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def device_in(zone: str) -> Iterator[None]:
    """Let this process stand in a time zone, e.g. ``Asia/Shanghai``, and bring it back afterwards."""
    before = os.environ.get("TZ")
    set_zone(zone)
    try:
        yield
    finally:
        set_zone(before)


def set_zone(zone: str | None) -> None:
    """Put this process, and those that it starts, into a zone; None: the computer's own."""
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()
