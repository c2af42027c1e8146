"""Who comes in without an account: each entry under a name of its own, which tells when it was."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from edge_agent.store.accounts import EMERGENCY, Person, Role

_NAME = re.compile(r"\(emergency access (\S+) [0-9a-f]{6}\)")


def emergency_person(now: datetime) -> Person:
    """Return somebody without a name here, who may help a person now and see nobody's earlier record.

    Each entry has a name of its own, so that nobody who comes in like this sees what another one began.

    Args:
        now: aware; the name tells the minute.
    """
    minute = now.astimezone(UTC).isoformat(timespec="minutes")
    name = f"{EMERGENCY[:-1]} {minute} {secrets.token_hex(3)})"
    return Person(None, name, "", frozenset({Role.WORKER}), is_emergency=True)


def emergency_entry(name: str) -> datetime | None:
    """Return when the emergency access with this name began; None for the name of an account."""
    found = _NAME.fullmatch(name)
    return None if found is None else datetime.fromisoformat(found[1])
