"""Say how far the computer's clock is to be believed: deadlines, ages and signatures hang on it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge_agent.store.audit import ClockTrust

EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)  # nothing of this program is older
LATEST: Final = datetime(2036, 1, 1, tzinfo=UTC)  # a device is replaced before; a battery that died shows the other end
SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")


def clock_trust(now: datetime, *, marker: Path = SYNCHRONISED) -> ClockTrust:
    """Return how far a moment that the clock shows is to be believed.

    Args:
        now: what the clock shows; aware.
        marker: made by systemd-timesyncd once a time server has answered since the start.

    Source: systemd-timesyncd.service(8), file /run/systemd/timesync/synchronized.
    """
    if not EARLIEST <= now < LATEST:
        return ClockTrust.WRONG
    return ClockTrust.SYNCHRONISED if marker.exists() else ClockTrust.PLAUSIBLE
