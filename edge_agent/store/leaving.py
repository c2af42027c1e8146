"""Which result of a case may leave, and how one that left is called back, inside the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from edge_agent.contracts.intake import Consent
from edge_agent.contracts.result import Result
from edge_agent.store.case_rows import state_of
from edge_agent.store.database import Connection
from edge_agent.store.outbox import withdraw_record
from edge_agent.store.states import CaseState


def check_may_leave(result: Result, *, record_id: str, consent: str | None) -> None:
    """Stop a result that nobody consented to, whatever the caller thought.

    Args:
        result: what would be queued.
        record_id: the case's own.
        consent: the case's consent record as JSON; None for a test case.

    Raises:
        RuntimeError: it may not leave, or is another case's (a programmer's mistake).
    """
    if not _is_sync_allowed(consent):
        raise RuntimeError("a result came for a case without consent to sync")
    if result.record_id != record_id:
        raise RuntimeError("the result carries another case's record id")


def withdraw_result(connection: Connection, case_id: str, *, now: datetime) -> None:
    """Withdraw a case's result; twice is once. A result that was not signed yet never left.

    Raises:
        CaseError: no such case.
    """
    is_reported = state_of(connection, case_id) is CaseState.REPORTED
    record_id, consent, withdrawn, pending = connection.execute(
        "SELECT record_id, consent, withdrawn, pending_result FROM cases WHERE case_id = ?", (case_id,)
    ).fetchone()
    has_left = is_reported and pending is None and _may_have_left(consent)
    connection.execute("UPDATE cases SET withdrawn = 1, pending_result = NULL WHERE case_id = ?", (case_id,))
    if has_left and not withdrawn:
        withdraw_record(connection, record_id, created=now)


def _may_have_left(consent: str | None) -> bool:
    """Say whether the hub may hold the result; a record that nobody can read any more is called back to be sure."""
    try:
        return _is_sync_allowed(consent)
    except ValidationError:
        return True


def _is_sync_allowed(consent: str | None) -> bool:
    return consent is not None and Consent.model_validate_json(consent).is_sync_allowed
