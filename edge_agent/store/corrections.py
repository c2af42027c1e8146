"""Corrected answers of a stored case, and a clinician's new look at a signed report; rows are only ever added.

The form and the report in ``cases`` stay as they were. Does not ask the rules (``review.corrections`` does).

Source: policy R13, "Final tier".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.errors import CaseError, StoreCorrupt
from edge_agent.review.corrections import Correction, Look
from edge_agent.store.case_rows import state_of
from edge_agent.store.database import Connection, Database
from edge_agent.store.leaving import withdraw_result
from edge_agent.store.withdrawal import check_unlocked

Noted = Callable[[Connection], None]
# Decisions on the tier from before a correction that made the case more urgent count no more.
COUNTED = "(d.section != 'triage' OR d.number > (SELECT coalesce(max(reopens), 0) FROM answer_corrections a WHERE a.case_id = d.case_id))"
# Of a case ``c``: its newest correction since the signature, the newest of those that made it more urgent, how far a
# clinician has looked, and the last look.
NEWEST = "(SELECT coalesce(max(a.number), 0) FROM answer_corrections a WHERE a.case_id = c.case_id AND a.is_after_signing = 1)"
RAISED = (
    "(SELECT coalesce(max(a.number), 0) FROM answer_corrections a"
    " WHERE a.case_id = c.case_id AND a.is_after_signing = 1 AND a.tier IS NOT NULL)"
)
SEEN = "(SELECT coalesce(max(l.up_to), 0) FROM correction_looks l WHERE l.case_id = c.case_id)"
LAST_LOOK = "(SELECT l.{} FROM correction_looks l WHERE l.case_id = c.case_id ORDER BY l.number DESC LIMIT 1)"
_STANDING = f"SELECT {NEWEST}, {SEEN}, {RAISED}, {LAST_LOOK.format('body')} FROM (SELECT ? AS case_id) c"  # noqa: S608  (our own words)


@dataclass(frozen=True, slots=True)
class AfterSigning:
    """How corrections stand beside a signature.

    ``is_unseen``: a clinician has not looked since the newest one. ``look``: the last look, where no later correction made the
    case more urgent; then its tier counts. ``is_raised``: a correction that nobody looked at made it more urgent.
    """

    is_unseen: bool = False
    is_raised: bool = False
    look: Look | None = None


class Corrections:
    """Keep corrections. Every method is one durable transaction, ``noted`` within it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, case_id: str, correction: Correction, *, known: int, noted: Noted | None = None) -> None:
        """Add a correction; a result of which nothing may leave any more is called back (policy R9).

        Args:
            case_id: a case that was handed over, with its report or before.
            correction: with what the rules said.
            known: how many corrections the case had when the rules were asked.
            noted: its row of the trail.

        Raises:
            CaseError: no such case, its record is locked, or somebody else was faster.
            StoreFull: no space; nothing was added.
        """
        with self._database.transaction() as connection:
            state_of(connection, case_id)
            check_unlocked(connection, case_id)
            count = "SELECT count(*) FROM answer_corrections WHERE case_id = ?"
            if connection.execute(count, (case_id,)).fetchone()[0] != known:
                raise CaseError("somebody else corrected an answer of this case just now: look at it again")
            is_signed = _is_signed(connection, case_id)
            last = "SELECT coalesce(max(number), 0) FROM decisions WHERE case_id = ?"
            reopens = 0 if is_signed or correction.tier is None else connection.execute(last, (case_id,)).fetchone()[0]
            connection.execute(
                "INSERT INTO answer_corrections (case_id, tier, reopens, is_after_signing, body) VALUES (?,?,?,?,?)",
                (case_id, correction.tier, reopens, is_signed, correction.model_dump_json()),
            )
            if correction.stays_here:  # never sent, or called back from the hub
                withdraw_result(connection, case_id, now=correction.at)
            if noted is not None:
                noted(connection)

    def of(self, case_id: str) -> tuple[Correction, ...]:
        """Return every correction of a case in the order of recording.

        Raises:
            StoreCorrupt: one cannot be read.
        """
        rows = self._database.rows("SELECT body FROM answer_corrections WHERE case_id = ? ORDER BY number", (case_id,))
        return read_corrections([row[0] for row in rows])

    def look(self, case_id: str, look: Look, *, noted: Noted | None = None) -> None:
        """Add a clinician's new look at a signed report.

        Raises:
            CaseError: nothing waits for one, the tier is unknown, another tier has no reason, or the record is locked.
            StoreFull: no space; nothing was added.
        """
        if look.tier not in TIERS:
            raise CaseError("choose how urgent it is from the list")
        with self._database.transaction() as connection:
            check_unlocked(connection, case_id)
            newest, seen = connection.execute(_STANDING, (case_id,)).fetchone()[:2]
            if newest <= seen:
                raise CaseError("no corrected answer waits for a clinician: look at the report again")
            connection.execute(
                "INSERT INTO correction_looks (case_id, up_to, tier, body) VALUES (?,?,?,?)",
                (case_id, newest, look.tier, look.model_dump_json()),
            )
            if noted is not None:
                noted(connection)

    def after_signing(self, case_id: str) -> AfterSigning:
        """Return how the corrections of a signed report stand; nothing for one that is not signed.

        Raises:
            StoreCorrupt: a look cannot be read.
        """
        newest, seen, raised, body = self._database.rows(_STANDING, (case_id,))[0]
        try:
            look = None if body is None or raised > seen else Look.model_validate_json(body)
        except ValidationError as exc:
            raise _unreadable() from exc
        return AfterSigning(is_unseen=newest > seen, is_raised=raised > seen, look=look)


def read_corrections(bodies: list[str]) -> tuple[Correction, ...]:
    """Return corrections from their rows.

    Raises:
        StoreCorrupt: one cannot be read.
    """
    try:
        return tuple(Correction.model_validate_json(body) for body in bodies)
    except ValidationError as exc:
        raise _unreadable() from exc


def _is_signed(connection: Connection, case_id: str) -> bool:
    return connection.execute("SELECT 1 FROM sign_offs WHERE case_id = ?", (case_id,)).fetchone() is not None


def _unreadable() -> StoreCorrupt:
    return StoreCorrupt("a correction cannot be read by this program: restore the store from its backup")
