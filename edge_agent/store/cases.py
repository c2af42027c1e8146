"""Cases in the encrypted store: kept before inference starts, resumed after any kill, reported once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Consent, ViewNote
from edge_agent.contracts.result import Result
from edge_agent.errors import EdgeError, StoreError
from edge_agent.review.corrections import with_corrections
from edge_agent.store.case_rows import insert_case, no_case, read_case, read_consent, set_state, state_of
from edge_agent.store.corrections import Corrections
from edge_agent.store.database import Database
from edge_agent.store.leaving import check_may_leave, withdraw_result
from edge_agent.store.outbox import append_record
from edge_agent.store.pictures import encode_png
from edge_agent.store.states import CaseEvent, CaseState, case_step
from edge_agent.store.vault import ImageVault
from edge_agent.store.views import StoredView, keep_views, list_views, load_views

MAX_ATTEMPTS = 3  # a case on which the engine failed so often is reported without the model; it may be the cause
ENGINE_FAILURE = "engine_failure"  # the abstention reason of a case that the engine could not finish


@dataclass(frozen=True, slots=True)
class CaseStatus:
    """Where a case stands; ``error`` holds the diagnostics of a failed one (never patient data)."""

    case_id: str
    state: CaseState
    attempts: int
    language: str
    error: Mapping[str, Any] | None


class CaseStore:
    """Keep cases with their pictures, and their reports. Every method is one durable transaction.

    Does not run anything and does not de-identify. Deletes nothing: retention and withdrawal do.

    Args:
        database: the encrypted store.
        vault: of the pictures; None is the one beside the database.
    """

    def __init__(self, database: Database, *, vault: ImageVault | None = None) -> None:
        self._database = database
        self._vault = vault or ImageVault(database)

    def add(self, case: Case, *, language: str, awaits_sign_off: bool = False) -> None:
        """Store a new case; when this returns, a power cut cannot take it away.

        Args:
            case: pictures, form, consent, earlier visit. The same ``case_id`` cannot be stored twice.
            language: ``zh`` or ``en``; the report's language.
            awaits_sign_off: whether the result stays here until a clinician has signed (``ReviewStore.sign``).

        Raises:
            CaseError: there is a case with this id.
            StoreFull: no space; nothing was stored.
        """
        pictures = [(view, encode_png(view.frame)) for view in case.views]  # before the lock: this takes time
        record_id = secrets.token_hex(16)
        try:
            with self._database.transaction() as connection:
                position = insert_case(
                    connection, case, record_id=record_id, language=language, awaits_sign_off=awaits_sign_off
                )
                keep_views(connection, self._vault, position, pictures=pictures)
        except StoreError:
            with suppress(StoreError):  # the next start sweeps too; what matters to the caller is the first error
                self._vault.sweep()
            raise

    def pending(self) -> list[str]:
        """Return the ids of cases without a report that are still to be run, oldest first.

        A case that was running when the process was killed is among them.
        """
        rows = self._database.rows(
            "SELECT case_id FROM cases WHERE state IN (?, ?) ORDER BY position", (CaseState.STORED, CaseState.RUNNING)
        )
        return [row[0] for row in rows]

    def load(self, case_id: str, *, has_pictures: bool = True) -> Case:
        """Return a stored case, its frames bit-equal to those stored; shredded pictures are left out.

        Args:
            case_id: the case.
            has_pictures: False opens no picture, so that a damaged one stops nothing that needs none.

        Raises:
            CaseError: no such case.
            StoreCorrupt: its record or a picture cannot be read.
        """
        opened = partial(load_views, self._database, self._vault)
        return read_case(self._database, case_id, views_at=opened if has_pictures else lambda _position: ())

    def load_readable(self, case_id: str) -> Case:
        """Return a stored case without the pictures that are damaged; ``photography.lost`` tells of those too.

        For whoever works on the case: a damaged picture must not cost the person the rest.

        Raises:
            CaseError: no such case.
            StoreCorrupt: its record cannot be read.
            StoreError: a picture cannot be opened just now.
        """
        damaged: list[ViewNote] = []
        opened = partial(load_views, self._database, self._vault, on_damaged=damaged.append)
        case = read_case(self._database, case_id, views_at=opened)
        return replace(case, photography=case.photography.without(damaged))

    def consent(self, case_id: str) -> Consent | None:
        """Return the consent record of a case without opening anything else of it; None for a test case.

        Raises:
            CaseError: no such case.
            StoreCorrupt: it cannot be read.
        """
        found = self._database.rows("SELECT consent FROM cases WHERE case_id = ?", (case_id,))
        if not found:
            raise no_case(case_id)
        return read_consent(case_id, found[0][0])

    def views(self, case_id: str) -> tuple[StoredView, ...]:
        """Return where the case's pictures stand, without opening any; ``ImageVault.get`` opens one.

        Raises:
            CaseError: no such case.
        """
        found = self._database.rows("SELECT position FROM cases WHERE case_id = ?", (case_id,))
        if not found:
            raise no_case(case_id)
        return list_views(self._database, found[0][0])

    def mark_running(self, case_id: str) -> bool:
        """Count an attempt before inference starts; return whether to run the case.

        After three attempts that ended without report the answer is False, and nothing changes: the caller reports
        the case without the model. It stays pending until then, so that a power cut in between loses nothing.

        Raises:
            CaseError: no such case.
            RuntimeError: the case is reported or failed already.
        """
        with self._database.transaction() as connection:
            state = state_of(connection, case_id)
            attempts = connection.execute("SELECT attempts FROM cases WHERE case_id = ?", (case_id,)).fetchone()[0]
            following = case_step(state, CaseEvent.RUN)
            if attempts >= MAX_ATTEMPTS:
                return False
            set_state(connection, case_id, following)
            connection.execute("UPDATE cases SET attempts = attempts + 1 WHERE case_id = ?", (case_id,))
        return True

    def give_back(self, case_id: str) -> None:
        """Take back the attempt that ``mark_running`` counted: what broke it off says nothing about the case.

        Changes nothing unless the case is still running.

        Raises:
            StoreFull: no space; the attempt stays counted.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE cases SET attempts = attempts - 1 WHERE case_id = ? AND state = ? AND attempts > 0",
                (case_id, CaseState.RUNNING),
            )

    def record_id(self, case_id: str) -> str:
        """Return the random id (128 bits, hex) under which this case's result may leave; the same at every call.

        Raises:
            CaseError: no such case.
        """
        found = self._database.rows("SELECT record_id FROM cases WHERE case_id = ?", (case_id,))
        if not found:
            raise no_case(case_id)
        return str(found[0][0])

    def finish(self, case_id: str, report: Mapping[str, Any], result: Result | None) -> None:
        """Store the report and queue the result for the hub, both or neither.

        The result of a case that awaits a clinician's signature is kept beside the report until then. A case whose
        result was withdrawn meanwhile is reported, and nothing is queued.

        Args:
            case_id: a case that is stored or running.
            report: the report as JSON-ready mapping.
            result: what ``privacy.deidentify`` made of it; None for a case that must not sync.

        Raises:
            CaseError: no such case.
            StoreFull: no space; the case stays as it was.
            RuntimeError: the case is reported already, or a result came for a case without consent to sync.
        """
        text = json.dumps(report, ensure_ascii=False, allow_nan=False)
        with self._database.transaction() as connection:
            state = case_step(state_of(connection, case_id), CaseEvent.FINISH)
            record_id, consent, withdrawn, awaits = connection.execute(
                "SELECT record_id, consent, withdrawn, awaits_sign_off FROM cases WHERE case_id = ?", (case_id,)
            ).fetchone()
            if result is not None:
                check_may_leave(result, record_id=record_id, consent=consent)
            set_state(connection, case_id, state, report=text)
            if result is None or withdrawn:
                return
            if awaits:
                waiting = result.model_dump_json()
                connection.execute("UPDATE cases SET pending_result = ? WHERE case_id = ?", (waiting, case_id))
            else:
                append_record(connection, result, created=datetime.now(UTC))

    def fail(self, case_id: str, error: EdgeError) -> None:
        """Put a case aside with the reason; pictures, form and consent stay.

        Raises:
            CaseError: no such case.
            RuntimeError: the case is reported or failed already.
        """
        with self._database.transaction() as connection:
            state = case_step(state_of(connection, case_id), CaseEvent.FAIL)
            diagnostics = {**error.diagnostics(), "abstain_reason": ENGINE_FAILURE}
            set_state(connection, case_id, state, error=json.dumps(diagnostics, default=str))

    def retry(self, case_id: str) -> None:
        """Let a failed case run again, with all its attempts.

        Raises:
            CaseError: no such case.
            RuntimeError: the case has not failed.
        """
        with self._database.transaction() as connection:
            set_state(connection, case_id, case_step(state_of(connection, case_id), CaseEvent.RETRY))
            connection.execute("UPDATE cases SET attempts = 0, error = NULL WHERE case_id = ?", (case_id,))

    def withdraw(self, case_id: str) -> None:
        """Withdraw this case's result from the hub; the case itself stays. Twice is once.

        Works before the report exists (then nothing is ever queued) and after the row was deleted here.

        Raises:
            CaseError: no such case.
        """
        with self._database.transaction() as connection:
            withdraw_result(connection, case_id, now=datetime.now(UTC))

    def report(self, case_id: str) -> dict[str, Any] | None:
        """Return the report as it is read now, with what corrected answers added; None while there is none.

        Raises:
            CaseError: no such case.
            StoreCorrupt: a correction cannot be read.
        """
        found = self._database.rows("SELECT report FROM cases WHERE case_id = ?", (case_id,))
        if not found:
            raise no_case(case_id)
        text = found[0][0]
        return None if text is None else with_corrections(json.loads(text), Corrections(self._database).of(case_id))

    def status(self, case_id: str) -> CaseStatus:
        """Return where a case stands.

        Raises:
            CaseError: no such case.
        """
        found = self._database.rows("SELECT state, attempts, language, error FROM cases WHERE case_id = ?", (case_id,))
        if not found:
            raise no_case(case_id)
        state, attempts, language, error = found[0]
        return CaseStatus(case_id, CaseState(state), attempts, language, None if error is None else json.loads(error))

    def counts(self) -> dict[CaseState, int]:
        """Return how many cases are in each state; test cases are not counted (policy R14)."""
        rows = self._database.rows("SELECT state, count(*) FROM cases WHERE consent IS NOT NULL GROUP BY state")
        found = dict(rows)
        return {state: int(found.get(state.value, 0)) for state in CaseState}
