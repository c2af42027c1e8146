"""The states that a case and an outbox row can be in, and every move between them, as two tables.

Both machines live in the database, so a power cut leaves a row in one of these states; ``CASE_RESUME`` and
``ROW_RESUME`` name what the next start does with each. Nothing here touches the database: ``CaseStore`` and
``Outbox`` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class CaseState(StrEnum):
    """Where a case stands: ``reported`` and ``failed`` are ends, though a failed case may be run again."""

    STORED = "stored"
    RUNNING = "running"
    REPORTED = "reported"
    FAILED = "failed"


class CaseEvent(StrEnum):
    """What happens to a case."""

    RUN = "run"
    FINISH = "finish"
    FAIL = "fail"
    RETRY = "retry"


class RowState(StrEnum):
    """Where an outbox row stands; a pruned row is deleted and only counted."""

    QUEUED = "queued"
    SENT = "sent"
    STORED = "stored"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


class RowEvent(StrEnum):
    """What happens to an outbox row."""

    TAKEN = "taken"  # the broker said Success: it has the row, the hub perhaps not yet
    RECONNECT = "reconnect"  # a new connection: what the broker had may be gone
    ACKNOWLEDGE = "acknowledge"  # the hub has committed it
    REJECT = "reject"  # the hub refused it
    GIVE_UP = "give_up"  # refused for the last time


CASE_TRANSITIONS: Mapping[tuple[CaseState, CaseEvent], CaseState] = {
    (CaseState.STORED, CaseEvent.RUN): CaseState.RUNNING,
    (CaseState.RUNNING, CaseEvent.RUN): CaseState.RUNNING,  # the process that ran it is gone
    (CaseState.STORED, CaseEvent.FINISH): CaseState.REPORTED,
    (CaseState.RUNNING, CaseEvent.FINISH): CaseState.REPORTED,
    (CaseState.STORED, CaseEvent.FAIL): CaseState.FAILED,
    (CaseState.RUNNING, CaseEvent.FAIL): CaseState.FAILED,
    (CaseState.FAILED, CaseEvent.RETRY): CaseState.STORED,
}

ROW_TRANSITIONS: Mapping[tuple[RowState, RowEvent], RowState] = {
    (RowState.QUEUED, RowEvent.TAKEN): RowState.SENT,
    (RowState.SENT, RowEvent.RECONNECT): RowState.QUEUED,
    (RowState.REJECTED, RowEvent.RECONNECT): RowState.QUEUED,
    (RowState.QUEUED, RowEvent.ACKNOWLEDGE): RowState.STORED,  # the broker's answer was lost, the hub's was not
    (RowState.SENT, RowEvent.ACKNOWLEDGE): RowState.STORED,
    (RowState.REJECTED, RowEvent.ACKNOWLEDGE): RowState.STORED,
    (RowState.SENT, RowEvent.REJECT): RowState.REJECTED,
    (RowState.SENT, RowEvent.GIVE_UP): RowState.QUARANTINED,
}

CASE_RESUME: Mapping[CaseState, str] = {
    CaseState.STORED: "run it",
    CaseState.RUNNING: "run it again, up to three times in all; then report it without the model",
    CaseState.REPORTED: "nothing",
    CaseState.FAILED: "nothing; a person may run it again",
}

ROW_RESUME: Mapping[RowState, str] = {
    RowState.QUEUED: "send it",
    RowState.SENT: "ask the hub; send it again unless stored there",
    RowState.STORED: "delete it",
    RowState.REJECTED: "send it again at the next connection",
    RowState.QUARANTINED: "keep it; a person decides",
}


def case_step(state: CaseState, event: CaseEvent) -> CaseState:
    """Return the case's next state.

    Raises:
        RuntimeError: the event cannot happen in this state (a programmer's mistake).
    """
    following = CASE_TRANSITIONS.get((state, event))
    if following is None:
        raise RuntimeError(f"a case that is {state} cannot {event}")
    return following


def row_sources(event: RowEvent) -> tuple[RowState, ...]:
    """Return the states in which an outbox row can take this event, for the WHERE of an update."""
    return tuple(state for state, happening in ROW_TRANSITIONS if happening is event)
