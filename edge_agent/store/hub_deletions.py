"""Whether the hub has taken a withdrawn result back: nothing to take back, waiting, refused, or confirmed and when.

The outbox forgets a tombstone once the hub has it; that it was confirmed is kept here. Sends nothing.

Source: policy R11 (a tombstone, acknowledged by the hub).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge_agent.store.database import Connection, Database
from edge_agent.store.states import RowState


class HubAnswer(StrEnum):
    """How the calling back of a result stands."""

    NOTHING_SENT = "nothing_sent"
    WAITING = "waiting"
    REFUSED = "refused"  # so often that it was put aside: a technician is needed
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class HubDeletion:
    """How it stands for one case; ``confirmed`` is the moment of the hub's acknowledgement, by this device's clock."""

    answer: HubAnswer
    confirmed: datetime | None = None


def note_hub_deletions(connection: Connection, *, now: datetime) -> None:
    """Keep that the hub has acknowledged tombstones, inside the transaction that takes its word."""
    connection.execute(
        "INSERT OR IGNORE INTO hub_deletions (record_id, confirmed)"
        " SELECT record_id, ? FROM outbox WHERE kind = 'tombstone' AND state = ?",
        (now.isoformat(), RowState.STORED),
    )


def hub_deletion(database: Database, case_id: str) -> HubDeletion:
    """Return how it stands for a case whose result was taken back."""
    rows = database.rows(
        "SELECT d.confirmed, o.state FROM cases c LEFT JOIN hub_deletions d USING (record_id)"
        " LEFT JOIN outbox o ON o.record_id = c.record_id AND o.kind = 'tombstone' WHERE c.case_id = ?",
        (case_id,),
    )
    confirmed, state = rows[0] if rows else (None, None)
    if confirmed is not None:
        return HubDeletion(HubAnswer.CONFIRMED, datetime.fromisoformat(confirmed))
    if state is None:
        return HubDeletion(HubAnswer.NOTHING_SENT)
    return HubDeletion(HubAnswer.REFUSED if state == RowState.QUARANTINED else HubAnswer.WAITING)
