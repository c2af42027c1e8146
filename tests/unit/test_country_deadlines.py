"""A ministry's weeks for routine cases hold wherever a deadline stands: report, list, next visit, inference child."""

from __future__ import annotations

import secrets
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agents.report.plan import next_visit
from edge_agent.bootstrap import child_settings, country_vocabulary, engine_wish
from edge_agent.contracts.policy import Policy
from edge_agent.contracts.terms import ROUTINE_TIER, Vocabulary
from edge_agent.inference.worker import _parser as child_parser
from edge_agent.policy.rules import with_country_deadlines
from edge_agent.rules_only import rules_only_report
from edge_agent.store.case_list import CaseList
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from tests.simulators.cases import CREATED, case, form
from tests.simulators.policies import ministry, policy_text

WEEKS = 8
VOCABULARY = Vocabulary.load()
NATIONAL = with_country_deadlines(Policy(t4_deadline_weeks=WEEKS), VOCABULARY)
DUE = CREATED + timedelta(weeks=WEEKS)
# Nothing asks for more than a routine reading: a psoriasis of long standing on the worker's own judgement.
ROUTINE = form(worker={"impression": "L40", "tier": "T4_routine", "worried": "no"})


def _report(vocabulary: Vocabulary) -> dict[str, Any]:
    return rules_only_report(case(intake=ROUTINE), manifest=None, vocabulary=vocabulary)


def test_the_report_has_the_countrys_deadline() -> None:
    """Eight weeks after the visit where the ministry says eight, twelve where nobody says anything."""
    assert _report(NATIONAL)["triage"]["final"] == ROUTINE_TIER
    assert _report(NATIONAL)["triage"]["deadline"] == DUE.isoformat()
    assert _report(VOCABULARY)["triage"]["deadline"] == (CREATED + timedelta(weeks=12)).isoformat()


def test_the_list_sorts_by_it(tmp_path: Path) -> None:
    """What the list shows is the report's own deadline."""
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as database:
        store = CaseStore(database)
        store.add(case(intake=ROUTINE), language="en")
        store.finish("case-1", _report(NATIONAL), None)
        assert [one.row.deadline for one in CaseList(database).newest()] == [DUE]


@pytest.mark.parametrize(
    ("tier", "deadline", "proposed"),
    [
        (ROUTINE_TIER, "2026-03-15T09:00:00+00:00", date(2026, 3, 15)),
        (ROUTINE_TIER, "2026-06-01T09:00:00+00:00", date(2026, 4, 2)),
        (ROUTINE_TIER, None, date(2026, 4, 2)),
        ("T3_urgent", "2026-03-15T09:00:00+00:00", date(2026, 4, 2)),
    ],
)
def test_the_next_visit_is_not_booked_after_it(tier: str, deadline: str | None, proposed: date) -> None:
    """The plan's 28 days, or the routine deadline where that is sooner; on paper and on the screen."""
    told = {
        "created": "2026-03-05T09:00:00+00:00",
        "plan": {"items": [{"action": "follow_up", "interval_days": 28, "condition": None}]},
        "triage": {"final": tier, "deadline": deadline},
    }
    assert next_visit(told) == proposed


def test_a_policy_never_lengthens_a_deadline() -> None:
    """Not even one that nobody should have accepted; the ids and their digest stay what they were."""
    wider = with_country_deadlines(Policy(t4_deadline_weeks=30), VOCABULARY)
    assert wider.deadline_hours(ROUTINE_TIER) == 12 * 168
    assert VOCABULARY.with_deadline("T5_local", 1).deadline_hours("T5_local") is None
    assert NATIONAL.sha256 == VOCABULARY.sha256
    assert VOCABULARY.deadline_hours(ROUTINE_TIER) == 12 * 168  # the one that was loaded is not touched


def test_the_signed_file_reaches_the_child_and_the_commands(tmp_path: Path) -> None:
    """The process that dates reports is told the hours; letters and exports load the same vocabulary."""
    device = ministry(tmp_path)
    device.publish(policy_text(f"t4_deadline_weeks = {WEEKS}"))
    options = child_parser().parse_args(child_settings(device.config, engine_wish(device.config)).arguments)
    assert options.routine_deadline_hours == WEEKS * 168
    assert country_vocabulary(device.config).deadline_hours(ROUTINE_TIER) == WEEKS * 168


def test_no_label_names_the_weeks() -> None:
    """A label that says twelve weeks beside a date in eight would be believed by somebody."""
    label = VOCABULARY.label(ROUTINE_TIER, "en", of="triage")
    assert "weeks" not in label
