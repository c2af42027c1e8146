"""The audit trail: who did what, when, to which case; appended only, each row chained to the one before.

Holds no patient text: actions, reasons and views are ids, a case is its random id. A changed, removed or inserted row
breaks the chain and ``verify`` names it. Whoever holds the store's key AND rewrites every later row is not found by the
chain alone; an exported copy kept elsewhere finds that too.

Source: policy R12 (kept at least six months, without content), R13 (every view of a picture is logged by name).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from edge_agent.errors import StoreCorrupt
from edge_agent.store.database import Connection, Database

Clock = Callable[[], datetime]
GENESIS: Final = "0" * 64
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:/+-]{0,79}$")
_PAGE = 500
# A day that a person has confirmed counts, whatever the clock was thought of before.
_NEWEST_TRUSTED = "SELECT at FROM audit WHERE clock != 'wrong' OR action = 'date_confirmed' ORDER BY seq DESC LIMIT 1"
PROGRAM_DATE: Final = datetime(2026, 11, 1, tzinfo=UTC)  # this program did not exist before
SLACK: Final = timedelta(minutes=5)
LONGEST_SHELF: Final = timedelta(days=2 * 365)  # a device may lie unused so long


class Action(StrEnum):
    """Name what can be done here; rooms may append others of the same shape."""

    ACCOUNT_ADDED = "account_added"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"
    PIN_RESET = "pin_reset"
    PIN_CHANGED = "pin_changed"
    PIN_REFUSED = "pin_refused"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    EMERGENCY_ACCESS = "emergency_access"
    EMERGENCY_SEEN = "emergency_seen"
    CASE_OPENED = "case_opened"
    PICTURE_VIEWED = "picture_viewed"
    PICTURE_REMOVED = "picture_removed"
    REPORT_OPENED = "report_opened"
    REPORT_PRINTED = "report_printed"
    REPORT_EXPORTED = "report_exported"
    AUDIT_EXPORTED = "audit_exported"
    CONSENT_GIVEN = "consent_given"
    CONSENT_REFUSED = "consent_refused"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    RECEIVER_ANSWERED = "receiver_answered"
    ANSWER_CORRECTED = "answer_corrected"
    CORRECTION_SEEN = "correction_seen"
    DATE_CONFIRMED = "date_confirmed"


class ClockTrust(StrEnum):
    """Say how far the device's clock is to be believed at the moment of a row."""

    SYNCHRONISED = "synchronised"
    PLAUSIBLE = "plausible"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one row of the trail."""

    seq: int
    at: datetime
    clock: ClockTrust
    who: str
    action: str
    case_ref: str | None
    detail: str | None
    previous: str
    hash: str


class AuditTrail:
    """Append to the trail, read it and prove it. Never changes or deletes a row; the database refuses that too.

    Args:
        database: the device's store.
        clock: the present moment, aware, UTC.
        is_synchronised: whether the system has set its clock by a time server since it started.
    """

    def __init__(self, database: Database, *, clock: Clock, is_synchronised: Callable[[], bool]) -> None:
        self._database = database
        self._clock = clock
        self._is_synchronised = is_synchronised

    def clock_trust(self) -> ClockTrust:
        """Say how far the clock is to be believed now, beside the last row that was written by a good one."""
        rows = self._database.rows(_NEWEST_TRUSTED)
        newest = datetime.fromisoformat(rows[0][0]) if rows else None
        return judge_clock(self._clock(), newest_known=newest, is_synchronised=self._is_synchronised())

    def note(self, who: str, action: str, *, case_ref: str | None = None, detail: str | None = None) -> None:
        """Append one row in a transaction of its own.

        Raises:
            StoreFull: no space; then what was to be logged must not happen either.
        """
        with self._database.transaction() as connection:
            self.append(connection, who, action, case_ref=case_ref, detail=detail)

    def append(
        self, connection: Connection, who: str, action: str, *, case_ref: str | None = None, detail: str | None = None
    ) -> None:
        """Append one row inside the caller's transaction, so that deed and row stand or fall together."""
        for value in (action, case_ref, detail):
            if value is not None and not _ID.match(value):
                raise RuntimeError(f"only closed ids go into the audit trail, not {value!r}")
        last = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        seq, previous = (1, GENESIS) if last is None else (int(last[0]) + 1, str(last[1]))
        at = self._clock().astimezone(UTC)
        known = connection.execute(_NEWEST_TRUSTED).fetchone()
        newest = None if known is None else datetime.fromisoformat(known[0])
        trust = judge_clock(at, newest_known=newest, is_synchronised=self._is_synchronised())
        row = (seq, at.isoformat(), str(trust), who, action, case_ref, detail, previous)
        connection.execute("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?)", (*row, row_hash(*row)))

    def newest(self, limit: int = 100, *, before: int | None = None, action: str | None = None) -> tuple[Entry, ...]:
        """Return up to ``limit`` rows, newest first; ``before`` is the seq to go on from."""
        rows = self._database.rows(
            "SELECT * FROM audit WHERE (? IS NULL OR seq < ?) AND (? IS NULL OR action = ?) ORDER BY seq DESC LIMIT ?",
            (before, before, action, action, limit),
        )
        return tuple(_entry(row) for row in rows)

    def of_case(self, case_ref: str) -> tuple[Entry, ...]:
        """Return every row about one case, oldest first."""
        rows = self._database.rows("SELECT * FROM audit WHERE case_ref = ? ORDER BY seq", (case_ref,))
        return tuple(_entry(row) for row in rows)

    def count_since(self, action: str, *, after_last: str) -> int:
        """Return how often something was done since the last time that something else was."""
        rows = self._database.rows(
            "SELECT count(*) FROM audit WHERE action = ?"
            " AND seq > (SELECT coalesce(max(seq), 0) FROM audit WHERE action = ?)",
            (action, after_last),
        )
        return int(rows[0][0])

    def entries(self, *, since: datetime | None = None) -> Iterator[Entry]:
        """Go through the whole trail, oldest first, without holding it in memory."""
        last = 0
        while rows := self._database.rows("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", (last, _PAGE)):
            for row in rows:
                entry = _entry(row)
                last = entry.seq
                if since is None or entry.at >= since:
                    yield entry

    def export_lines(self, *, since: datetime | None = None) -> Iterator[str]:
        """Give the trail as JSON lines with their hashes, so that a copy elsewhere can be compared later."""
        for entry in self.entries(since=since):
            yield json.dumps({**asdict(entry), "at": entry.at.isoformat()}, ensure_ascii=False) + "\n"

    def verify(self) -> int:
        """Recompute the whole chain and return how many rows it has.

        Raises:
            StoreCorrupt: a row was changed, removed or put in; names the first one.
        """
        previous, expected = GENESIS, 1
        for entry in self.entries():
            body = (entry.seq, entry.at.isoformat(), str(entry.clock), entry.who, entry.action, entry.case_ref)
            if (entry.seq, entry.previous, entry.hash) != (
                expected,
                previous,
                row_hash(*body, entry.detail, entry.previous),
            ):
                raise StoreCorrupt(
                    f"the audit trail was changed at row {expected}: keep the device as it is and tell the person"
                    " responsible",
                    row=expected,
                )
            previous, expected = entry.hash, expected + 1
        return expected - 1


def judge_clock(now: datetime, *, newest_known: datetime | None, is_synchronised: bool) -> ClockTrust:
    """Say how far a clock is to be believed: one that was reset to 1970 or jumped ahead by years is wrong.

    Args:
        now: what the clock says, aware.
        newest_known: the newest moment that is known to have passed; None without any.
        is_synchronised: whether a time server has set it.
    """
    known = PROGRAM_DATE if newest_known is None else max(newest_known, PROGRAM_DATE)
    if not known - SLACK <= now <= known + LONGEST_SHELF:
        return ClockTrust.WRONG
    return ClockTrust.SYNCHRONISED if is_synchronised else ClockTrust.PLAUSIBLE


def row_hash(*fields: object) -> str:
    """Return the hash that stands at the end of a row: SHA-256 over its fields as canonical JSON."""
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _entry(row: tuple[object, ...]) -> Entry:
    seq, at, clock, who, action, case_ref, detail, previous, digest = row
    return Entry(
        seq=int(str(seq)),
        at=datetime.fromisoformat(str(at)),
        clock=ClockTrust(str(clock)),
        who=str(who),
        action=str(action),
        case_ref=None if case_ref is None else str(case_ref),
        detail=None if detail is None else str(detail),
        previous=str(previous),
        hash=str(digest),
    )
