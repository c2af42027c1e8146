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
from edge_agent.store.corrections import COUNTED
from edge_agent.store.database import Database

LIMIT = 500
# What corrected answers ask for: the newest tier, whether the newest is seen, whether one raised it since, the look's tier.
_CORRECTED = """
 (SELECT a.tier FROM answer_corrections a WHERE a.case_id = c.case_id AND a.tier IS NOT NULL ORDER BY a.number DESC LIMIT 1),
 (SELECT coalesce(max(a.number), 0) FROM answer_corrections a WHERE a.case_id = c.case_id AND a.is_after_signing = 1),
 (SELECT coalesce(max(a.number), 0) FROM answer_corrections a
  WHERE a.case_id = c.case_id AND a.is_after_signing = 1 AND a.tier IS NOT NULL),
 (SELECT json_array(l.up_to, l.tier) FROM correction_looks l WHERE l.case_id = c.case_id ORDER BY l.number DESC LIMIT 1)
"""
_QUERY = f"""
SELECT c.case_id, coalesce(json_extract(c.intake, '$.local_reference'), ''), c.created, c.state,
       s.tier, json_extract(c.report, '$.triage.deadline'), s.case_id IS NOT NULL,
       (SELECT json_array(json_extract(d.body, '$.verdict'), json_extract(d.body, '$.values.tier')) FROM decisions d
        WHERE d.case_id = c.case_id AND d.section = 'triage' AND {COUNTED} ORDER BY d.number DESC LIMIT 1),
       json_extract(c.intake, '$.age_years'), json_extract(c.intake, '$.age_months'), json_extract(c.intake, '$.fitzpatrick'), json_extract(c.intake, '$.monk'),
       json_extract(c.report, '$.abstentions'), json_extract(c.report, '$.triage.final'),
       json_extract(c.report, '$.representation.fields.stage.value'),
       (SELECT count(*) FROM second_readings r WHERE r.case_id = c.case_id
        AND json_extract(r.body, '$.account') IS NOT s.account
        AND json_extract(r.body, '$.account') NOT IN
            (SELECT json_extract(d.body, '$.account') FROM decisions d WHERE d.case_id = c.case_id)),
       c.consent IS NULL, c.withdrawn, {_CORRECTED}
FROM cases c LEFT JOIN sign_offs s ON s.case_id = c.case_id
WHERE (? IS NULL OR c.case_id = ?)
ORDER BY c.position DESC LIMIT ?
"""  # noqa: S608  (our own words)


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What the policy looks at to ask for a second reading; None: nobody said."""

    age_years: int | None
    age_months: int | None
    fitzpatrick: int | None
    monk: int | None
    has_abstained: bool
    tier: str
    stage: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One case of the list with what policy asks about it; ``facts`` is None while there is no report.

    ``row`` has the tier that counts and still the deadline of the program's (``review.worklist.with_final_deadline``).
    """

    row: Row
    facts: ReportFacts | None
    second_readings: int
    is_test_case: bool
    is_withdrawn: bool


class CaseList:
    """List cases. Does not open one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, limit: int = LIMIT) -> list[Listed]:
        """Return the cases that came last, newest first.

        Raises:
            StoreError: the store cannot be read.
        """
        return [_listed(row) for row in self._database.rows(_QUERY, (None, None, limit))]

    def one(self, case_id: str) -> Listed | None:
        """Return one case, or None."""
        rows = self._database.rows(_QUERY, (case_id, case_id, 1))
        return _listed(rows[0]) if rows else None


def _listed(found: Sequence[Any]) -> Listed:
    (case_id, reference, created, state, tier, deadline, signed, decided, age, months, fitzpatrick, monk, abstentions, by_program, stage,
     readings, is_test, withdrawn, asked, newest, raised, look) = found  # fmt: skip
    seen, looked = json.loads(look or "[0, null]")
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
    return Listed(row, facts, int(readings), bool(is_test), bool(withdrawn))
