"""Decisions, sign-offs and second readings in the encrypted store; a signature lets the result leave.

Rows are only ever added: a later decision on a part counts, the earlier one stays readable. Does not check who may
decide (``review.decisions.check_decision``) and does not send: a signed result goes into the outbox.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from edge_agent.agents.report.reading import readable
from edge_agent.contracts.result import Result
from edge_agent.errors import CaseError, StoreCorrupt
from edge_agent.privacy.deidentify import red_flag_ids
from edge_agent.review.corrections import with_corrections
from edge_agent.review.decisions import Decision, final_tier, on_the_wire
from edge_agent.review.second_reading import SecondReading
from edge_agent.store.corrections import COUNTED, read_corrections
from edge_agent.store.database import Connection, Database
from edge_agent.store.outbox import append_record
from edge_agent.store.withdrawal import check_unlocked

Noted = Callable[
    [Connection], None
]  # writes what goes with a deed, its row of the trail first, in the deed's transaction


_DECISIONS = f"SELECT d.body FROM decisions d WHERE d.case_id = ? AND {COUNTED} ORDER BY d.number"  # noqa: S608  (our own words)


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who signed a report, when (time zone), and the tier that counts from there on."""

    account: str
    signed: datetime
    tier: str


class ReviewStore:
    """Keep what people decide about reports. Every method is one durable transaction, ``noted`` within it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(self, case_id: str, decision: Decision, *, noted: Noted | None = None) -> None:
        """Add a decision on one part of an unsigned report.

        Args:
            case_id: the case.
            decision: whose may is checked already.
            noted: what stands or falls with the decision.

        Raises:
            CaseError: no such case, no report yet, it is signed already, or its record is locked.
            StoreFull: no space; nothing was added.
        """
        with self._database.transaction() as connection:
            _report(connection, case_id)
            _refuse_signed(connection, case_id)
            check_unlocked(connection, case_id)
            connection.execute(
                "INSERT INTO decisions (case_id, section, body) VALUES (?,?,?)",
                (case_id, decision.section, decision.model_dump_json()),
            )
            _note(connection, noted)

    def decisions(self, case_id: str) -> tuple[Decision, ...]:
        """Return every decision on a case's report that counts, in the order of taking.

        One on the tier from before a corrected answer made the case more urgent does not: it has to be taken again.

        Raises:
            StoreCorrupt: one cannot be read.
        """
        return _decisions(self._database.rows(_DECISIONS, (case_id,)))

    def sign(self, case_id: str, *, account: str, signed: datetime, noted: Noted | None = None) -> SignOff:
        """Sign a report whose parts are all decided, and queue its result with the decisions, both or neither.

        Nothing is queued for a case whose result may not leave, or was withdrawn meanwhile.

        Args:
            case_id: the case.
            account: who signs.
            signed: with a time zone.
            noted: what stands or falls with the signature: its row of the trail, the day of the next visit.

        Raises:
            CaseError: no such case, no report, a part is open, the tier was rejected and no other named, it is signed
                already, or its record is locked.
            StoreFull: no space; the report stays unsigned.
        """
        with self._database.transaction() as connection:
            report = _report(connection, case_id)
            _refuse_signed(connection, case_id)
            check_unlocked(connection, case_id)
            decisions = _decisions(connection.execute(_DECISIONS, (case_id,)).fetchall())
            wire = on_the_wire(report, decisions)
            done = SignOff(account, signed, final_tier(report, decisions))
            connection.execute(
                "INSERT INTO sign_offs (case_id, account, signed, tier) VALUES (?,?,?,?)",
                (case_id, account, signed.isoformat(), done.tier),
            )
            decided = {"decisions": [row.model_dump() for row in wire], "triage_final": done.tier}
            if _is_corrected(connection, case_id):  # the signs that fire since then go along
                decided["red_flag_ids"] = red_flag_ids(report)
            _queue_result(connection, case_id, decided, created=signed)
            _note(connection, noted)
        return done

    def sign_off(self, case_id: str) -> SignOff | None:
        """Return who signed a case's report; None while nobody has."""
        rows = self._database.rows("SELECT account, signed, tier FROM sign_offs WHERE case_id = ?", (case_id,))
        return SignOff(rows[0][0], datetime.fromisoformat(rows[0][1]), rows[0][2]) if rows else None

    def add_second_reading(self, case_id: str, reading: SecondReading, *, noted: Noted | None = None) -> None:
        """Add a second reading of a reported case, signed or not.

        Args:
            case_id: the case.
            reading: whose reader is checked already.
            noted: what stands or falls with the reading.

        Raises:
            CaseError: no such case, no report yet, or its record is locked.
            StoreFull: no space; nothing was added.
        """
        with self._database.transaction() as connection:
            _report(connection, case_id)
            check_unlocked(connection, case_id)
            connection.execute(
                "INSERT INTO second_readings (case_id, body) VALUES (?,?)", (case_id, reading.model_dump_json())
            )
            _note(connection, noted)

    def second_readings(self, case_id: str) -> tuple[SecondReading, ...]:
        """Return every second reading of a case, in order.

        Raises:
            StoreCorrupt: one cannot be read.
        """
        rows = self._database.rows("SELECT body FROM second_readings WHERE case_id = ? ORDER BY number", (case_id,))
        try:
            return tuple(SecondReading.model_validate_json(row[0]) for row in rows)
        except ValidationError as exc:
            raise StoreCorrupt("a second reading cannot be read by this program") from exc


def _queue_result(connection: Connection, case_id: str, decided: dict[str, Any], *, created: datetime) -> None:
    """Put a waiting result with its decisions into the outbox; it waits no more, also where it may not leave."""
    pending, withdrawn = connection.execute(
        "SELECT pending_result, withdrawn FROM cases WHERE case_id = ?", (case_id,)
    ).fetchone()
    if pending is not None and not withdrawn:
        told = json.dumps({**json.loads(pending), **decided})
        append_record(connection, Result.model_validate_json(told), created=created)
    connection.execute("UPDATE cases SET pending_result = NULL WHERE case_id = ?", (case_id,))


def _is_corrected(connection: Connection, case_id: str) -> bool:
    return connection.execute("SELECT 1 FROM answer_corrections WHERE case_id = ?", (case_id,)).fetchone() is not None


def _note(connection: Connection, noted: Noted | None) -> None:
    if noted is not None:
        noted(connection)


def _decisions(rows: Sequence[tuple[Any, ...]]) -> tuple[Decision, ...]:
    try:
        return tuple(Decision.model_validate_json(row[0]) for row in rows)
    except ValidationError as exc:
        raise StoreCorrupt("a decision cannot be read by this program: restore the store from its backup") from exc


def _report(connection: Connection, case_id: str) -> dict[str, Any]:
    row = connection.execute("SELECT report FROM cases WHERE case_id = ?", (case_id,)).fetchone()
    if row is None:
        raise CaseError(f"there is no case {case_id} in the store")
    if row[0] is None:
        raise CaseError("the case has no report yet: wait until it is ready")
    rows = connection.execute("SELECT body FROM answer_corrections WHERE case_id = ? ORDER BY number", (case_id,))
    return readable(with_corrections(json.loads(row[0]), read_corrections([one[0] for one in rows.fetchall()])))


def _refuse_signed(connection: Connection, case_id: str) -> None:
    if connection.execute("SELECT 1 FROM sign_offs WHERE case_id = ?", (case_id,)).fetchone() is not None:
        raise CaseError("the report is signed: its decisions stand")
