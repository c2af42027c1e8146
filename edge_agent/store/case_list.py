"""Read the cases of the device as a list for people: reference, tier, deadline, signature, reasons for a second reading.

Reads columns and single values out of the stored JSON, never whole forms or pictures. Does not sort (``review.worklist``)
and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_agent.agents.report.review import tier_after
from edge_agent.agents.rules.triage import most_urgent
from edge_agent.review.worklist import Row
from edge_agent.store.corrections import COUNTED, LAST_LOOK, NEWEST, RAISED, SEEN
from edge_agent.store.database import Database

PAGE = 100  # cases of one page of the list of all
_READ_BY_ANOTHER = """SELECT 1 FROM second_readings r WHERE r.case_id = c.case_id
        AND json_extract(r.body, '$.account') IS NOT s.account
        AND json_extract(r.body, '$.account') NOT IN
            (SELECT json_extract(d.body, '$.account') FROM decisions d WHERE d.case_id = c.case_id)"""
# What corrected answers ask for, as in ``store.corrections``: the newest tier, then how they stand beside the signature.
_CORRECTED = f"""
 (SELECT a.tier FROM answer_corrections a WHERE a.case_id = c.case_id AND a.tier IS NOT NULL ORDER BY a.number DESC LIMIT 1),
 {NEWEST}, {RAISED}, {SEEN}, {LAST_LOOK.format("tier")}
"""  # noqa: S608  (our own words)
# A signed case is open again while no clinician has looked at an answer that was corrected since.
_IS_OPEN = f"(s.case_id IS NULL OR {NEWEST} > {SEEN})"
_QUERY = f"""
SELECT c.case_id, coalesce(json_extract(c.intake, '$.local_reference'), ''), c.created, c.state,
       s.tier, json_extract(c.report, '$.triage.deadline'), s.case_id IS NOT NULL,
       (SELECT json_array(json_extract(d.body, '$.verdict'), json_extract(d.body, '$.values.tier')) FROM decisions d
        WHERE d.case_id = c.case_id AND d.section = 'triage' AND {COUNTED} ORDER BY d.number DESC LIMIT 1),
       json_extract(c.intake, '$.age_years'), json_extract(c.intake, '$.age_months'), json_extract(c.intake, '$.fitzpatrick'), json_extract(c.intake, '$.monk'),
       json_extract(c.report, '$.abstentions'), json_extract(c.report, '$.triage.final'),
       json_extract(c.report, '$.representation.fields.stage.value'),
       (SELECT json_extract(d.body, '$.values.stage') FROM decisions d
        WHERE d.case_id = c.case_id AND d.section = 'representation' ORDER BY d.number DESC LIMIT 1),
       EXISTS ({_READ_BY_ANOTHER}),
       c.consent IS NULL, c.withdrawn, c.position, {_CORRECTED}
FROM cases c LEFT JOIN sign_offs s ON s.case_id = c.case_id
"""  # noqa: S608  (our own words)
# A list of what is left to do has no limit: a case must not fall out of it because others came after it.
_OPEN = f"{_QUERY} WHERE {_IS_OPEN} ORDER BY c.position DESC"
_WITH_DUTY = f"{_QUERY} WHERE {_IS_OPEN} OR NOT EXISTS ({_READ_BY_ANOTHER}) ORDER BY c.position DESC"
_NEWEST = f"{_QUERY} WHERE ? IS NULL OR c.position < ? ORDER BY c.position DESC LIMIT ?"
_ONE = f"{_QUERY} WHERE c.case_id = ?"


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What the policy looks at to ask for a second reading; None: nobody said.

    ``tier`` and ``stage`` are the program's; ``named_stage`` is the one that a clinician put in its place, signed or not.
    """

    age_years: int | None
    age_months: int | None
    fitzpatrick: int | None
    monk: int | None
    has_abstained: bool
    tier: str
    stage: str | None
    named_stage: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One case of the list with what policy asks about it; ``facts`` is None while there is no report.

    ``row`` has the tier that counts and still the deadline of the program's (``review.worklist.with_final_deadline``);
    ``is_read_twice``: by somebody who neither decided nor signed; ``position`` is the order of arrival.
    """

    row: Row
    facts: ReportFacts | None
    is_read_twice: bool
    is_test_case: bool
    is_withdrawn: bool
    position: int


class CaseList:
    """List cases. Does not open one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self) -> list[Listed]:
        """Return every case that waits for a clinician, however old, newest first; only these can be overdue.

        Nobody has signed it, or nobody has looked at an answer that was corrected since.

        Raises:
            StoreError: the store cannot be read.
        """
        return [_listed(row) for row in self._database.rows(_OPEN)]

    def with_duty(self) -> list[Listed]:
        """Return every case that waits for a clinician or was not read by a second person, however old, newest first.

        Whether a second reading is wanted at all, policy says.

        Raises:
            StoreError: the store cannot be read.
        """
        return [_listed(row) for row in self._database.rows(_WITH_DUTY)]

    def newest(self, limit: int = PAGE, *, before: int | None = None) -> list[Listed]:
        """Return one page of all cases, newest first.

        Args:
            limit: how many at most.
            before: only cases that arrived before this position; None: from the newest.

        Raises:
            StoreError: the store cannot be read.
        """
        return [_listed(row) for row in self._database.rows(_NEWEST, (before, before, limit))]

    def count(self) -> int:
        """Return how many cases there are.

        Raises:
            StoreError: the store cannot be read.
        """
        return int(self._database.rows("SELECT count(*) FROM cases")[0][0])

    def one(self, case_id: str) -> Listed | None:
        """Return one case, or None."""
        rows = self._database.rows(_ONE, (case_id,))
        return _listed(rows[0]) if rows else None


def _listed(found: Sequence[Any]) -> Listed:
    (case_id, reference, created, state, tier, deadline, signed, decided, age, months, fitzpatrick, monk, abstentions, by_program, stage,
     named_stage, is_read_twice, is_test, withdrawn, position,
     asked, newest, raised, seen, looked) = found  # fmt: skip
    facts, tier = None, asked or tier  # a corrected answer speaks also while the program works
    if by_program is not None:
        facts = ReportFacts(
            age_years=age,
            age_months=months,
            fitzpatrick=fitzpatrick,
            monk=monk,
            has_abstained=bool(json.loads(abstentions or "[]")),
            tier=str(by_program),
            stage=stage,
            named_stage=named_stage,
        )
        verdict, named = json.loads(decided or "[null, null]")
        program = most_urgent([facts.tier, asked]) or facts.tier
        tier = tier_after(program, verdict=verdict, named=named, is_signed=bool(signed))
        if raised > seen:  # more urgent since the signature, and no clinician has looked
            tier = program
        elif looked is not None:
            tier = looked
    row = Row(
        case_id=case_id,
        local_reference=reference,
        created=datetime.fromisoformat(created),
        state=state,
        tier=tier,
        deadline=None if deadline is None else datetime.fromisoformat(deadline),
        is_signed=bool(signed) and newest <= seen,
        needs_second_reading=(),
        is_corrected=newest > seen,
    )
    return Listed(row, facts, bool(is_read_twice), bool(is_test), bool(withdrawn), int(position))
