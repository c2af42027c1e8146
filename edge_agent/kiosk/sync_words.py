"""How sending to the centre is going, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_agent.kiosk.language import Language, Text
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.language import text as _


@dataclass(frozen=True, slots=True)
class SyncWords:
    """Hold the state (``good``, ``wait``), what is now, when it last worked, and what waits."""

    state: str
    now: Text
    last: Text
    waiting: Text


def sync_words(status: Mapping[str, Any], *, seen: datetime | None, now: datetime, language: Language) -> SyncWords:
    """Return the words for the status of the daemon.

    Args:
        status: ``CaseDesk.status()``.
        seen: the last exchange with the centre; None without one since the start.
        now: the present moment.
        language: for the time in words.
    """
    outbox = status.get("outbox", {})
    waits = int(outbox.get("queued", 0)) + int(outbox.get("sent", 0))
    is_connected = bool(status.get("hub_connected"))
    return SyncWords(
        state="good" if is_connected else "wait",
        now=_now(status, is_connected=is_connected),
        last=_("Not sent since the device was started.")
        if seen is None
        else _("Last sent %(ago)s.", ago=language.ago((now - seen).total_seconds())),
        waiting=_n("One record waits.", "%(n)s records wait.", waits) if waits else _("Nothing waits."),
    )


def _now(status: Mapping[str, Any], *, is_connected: bool) -> Text:
    """Say whether the centre can be reached, or that it is not the time for it."""
    if is_connected:
        return _("The centre can be reached.")
    sending = status.get("sending") or {"is_open": True}
    if not sending["is_open"]:
        return _("The device sends at set hours: %(hours)s.", hours=", ".join(sending["windows"]))
    return _("No connection now. Work goes on without it.")
