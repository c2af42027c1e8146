"""The rows of cases: what stands in one, and its state inside a transaction of ``CaseStore`` and its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.photography import Photography
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import CaseError, StoreCorrupt
from edge_agent.store.database import Connection, Database
from edge_agent.store.states import CaseState

_COLUMNS = "position, created, intake, consent, previous, photography"


def no_case(case_id: str) -> CaseError:
    """Return the error for an id that no case has."""
    return CaseError(f"there is no case {case_id} in the store")


def insert_case(connection: Connection, case: Case, *, record_id: str, language: str, awaits_sign_off: bool) -> int:
    """Write the row of a new case inside the caller's transaction; return its position. Its pictures are not in it.

    Raises:
        CaseError: there is a case with this id.
    """
    if connection.execute("SELECT 1 FROM cases WHERE case_id = ?", (case.case_id,)).fetchone():
        raise CaseError(f"the case {case.case_id} is stored already: use another case id")
    told = case.photography
    row = (
        case.case_id,
        record_id,
        case.created.isoformat(),
        language,
        case.intake.model_dump_json(),
        None if case.consent is None else case.consent.model_dump_json(),
        None if case.previous is None else case.previous.model_dump_json(),
        None if told == Photography() else told.model_dump_json(),
        int(awaits_sign_off),
        CaseState.STORED,
    )
    return int(
        connection.execute(
            "INSERT INTO cases"
            " (case_id, record_id, created, language, intake, consent, previous, photography, awaits_sign_off, state)"
            " VALUES (?,?,?,?,?,?,?,?,?,?) RETURNING position",
            row,
        ).fetchone()[0]
    )


def read_case(database: Database, case_id: str, *, views_at: Callable[[int], tuple[View, ...]]) -> Case:
    """Return a case with the pictures that ``views_at`` finds for its position.

    Raises:
        CaseError: no such case.
        StoreCorrupt: its record cannot be read.
    """
    found = database.rows(f"SELECT {_COLUMNS} FROM cases WHERE case_id = ?", (case_id,))  # noqa: S608  (our own names)
    if not found:
        raise no_case(case_id)
    position, created, intake, consent, previous, photography = found[0]
    try:
        return Case(
            case_id=case_id,
            views=views_at(position),
            intake=Intake.model_validate_json(intake),
            consent=read_consent(case_id, consent),
            created=datetime.fromisoformat(created),
            previous=None if previous is None else PreviousVisit.model_validate_json(previous),
            photography=Photography() if photography is None else Photography.model_validate_json(photography),
        )
    except ValidationError as exc:
        raise unreadable(case_id) from exc


def read_consent(case_id: str, text: str | None) -> Consent | None:
    """Return a case's consent record; None for a test case.

    Raises:
        StoreCorrupt: it cannot be read.
    """
    try:
        return None if text is None else Consent.model_validate_json(text)
    except ValidationError as exc:
        raise unreadable(case_id) from exc


def state_of(connection: Connection, case_id: str) -> CaseState:
    """Return the state of a case inside the caller's transaction.

    Raises:
        CaseError: no such case.
    """
    row = connection.execute("SELECT state FROM cases WHERE case_id = ?", (case_id,)).fetchone()
    if row is None:
        raise no_case(case_id)
    return CaseState(row[0])


def set_state(
    connection: Connection, case_id: str, state: CaseState, *, report: str | None = None, error: str | None = None
) -> None:
    """Write the state of a case, and its report or error where there is a new one."""
    connection.execute(
        "UPDATE cases SET state = ?, report = coalesce(?, report), error = coalesce(?, error) WHERE case_id = ?",
        (state, report, error, case_id),
    )


def unreadable(case_id: str) -> StoreCorrupt:
    """Return the error for a record that this program cannot read."""
    return StoreCorrupt(f"the record of case {case_id} cannot be read by this program")
