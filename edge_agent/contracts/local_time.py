"""The time as people read it: kept in UTC, told by the clock on the wall of the post.

The device's zone is the operating system's (``timedatectl set-timezone``). One rule for every page, sheet and line of the
terminal: a moment is brought into that zone before it is written, and "today" is the day there. What programs exchange
(store, records, FHIR) stays in UTC and is not written here. Knows no language.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

LINK: Final = Path("/etc/localtime")  # tzset(3), localtime(5): a link into the zone files
_ZONES: Final = "zoneinfo/"


class Dates(Protocol):
    """How a page or a sheet writes days and moments."""

    def date(self, value: date) -> str:
        """Return a day."""

    def time(self, value: datetime) -> str:
        """Return a moment to the minute, by the device's clock."""


class PlainDates:
    """Write days and moments as paper and terminal do: year first, a moment with its offset, the same in every language."""

    def date(self, value: date) -> str:
        """Return a day as ``2026-11-22``; a moment's day is the device's."""
        return (day_of(value) if isinstance(value, datetime) else value).isoformat()

    def time(self, value: datetime) -> str:
        """Return a moment as ``2026-11-22 18:00 UTC+08:00``."""
        local = here(value)
        return f"{local:%Y-%m-%d %H:%M} {offset(local)}"


PLAIN: Final = PlainDates()


def here(moment: datetime) -> datetime:
    """Return a moment by the device's clock; one at the end of all time, from a clock gone wrong, stays as it is.

    Args:
        moment: aware; one without a zone would be taken for local already.
    """
    try:
        return moment.astimezone()
    except OverflowError:
        return moment


def day_of(moment: datetime) -> date:
    """Return the day on which a moment falls at the device; of the present moment it is "today"."""
    return here(moment).date()


def offset(moment: datetime) -> str:
    """Return the offset that a moment carries, e.g. ``UTC+08:00``; ``UTC`` where there is none."""
    away = moment.utcoffset() or timedelta()
    sign, minutes = "-" if away < timedelta() else "+", abs(away) // timedelta(minutes=1)
    return f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}" if minutes else "UTC"


def zone_name(*, link: Path = LINK) -> str | None:
    """Return the name of the device's zone as its setting tells it, e.g. ``Asia/Shanghai``; None where it tells none."""
    try:
        target = str(link.readlink())
    except OSError:
        return None
    return target.partition(_ZONES)[2] or None
