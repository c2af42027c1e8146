"""Rules of the audit trail: appended, chained, without content, kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store.audit import PROGRAM_DATE, Action, AuditTrail, ClockTrust, judge_clock
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from tests.simulators.kiosk_parts import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "store.db", StoreKey("00" * 32)) as opened:
        yield opened


@pytest.fixture
def trail(database: Database, clock: HandClock) -> AuditTrail:
    return AuditTrail(database, clock=clock.now, is_synchronised=lambda: False)


def _filled(trail: AuditTrail, clock: HandClock) -> AuditTrail:
    for number in range(5):
        trail.note("nurse.li", Action.PICTURE_VIEWED, case_ref="c0ffee", detail=f"view:{number}")
        clock.pass_s(60)
    return trail


def test_a_row_says_who_did_what_when_to_which_case(trail: AuditTrail, clock: HandClock) -> None:
    """Every view of a picture is logged by name (policy R13)."""
    trail.note("nurse.li", Action.PICTURE_VIEWED, case_ref="c0ffee", detail="view:2")
    [row] = trail.of_case("c0ffee")
    assert (row.who, row.action, row.detail, row.at) == ("nurse.li", "picture_viewed", "view:2", clock.now())


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"])
def test_the_database_itself_refuses_to_change_a_row(
    trail: AuditTrail, database: Database, clock: HandClock, statement: str
) -> None:
    """No code path, ours or another's mistake, edits the trail in passing."""
    _filled(trail, clock)
    with pytest.raises(StoreError), database.transaction() as connection:
        connection.execute(statement)
    assert trail.verify() == 5


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE audit SET who = 'dr.x' WHERE seq = 3", 3),
        ("UPDATE audit SET at = '2026-01-01T00:00:00+00:00' WHERE seq = 1", 1),
        ("UPDATE audit SET detail = NULL WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("UPDATE audit SET seq = 9 WHERE seq = 5", 5),
    ],
)
def test_whoever_goes_around_the_guard_breaks_the_chain(
    trail: AuditTrail, database: Database, clock: HandClock, statement: str, row: int
) -> None:
    """A row that was changed, removed or moved with the triggers taken away is named."""
    _filled(trail, clock)
    with database.transaction() as connection:
        connection.execute("DROP TRIGGER audit_is_never_changed")
        connection.execute("DROP TRIGGER audit_is_never_deleted")
        connection.execute(statement)
    with pytest.raises(StoreCorrupt, match=f"row {row}"):
        trail.verify()


def test_free_text_is_a_programmers_mistake(trail: AuditTrail) -> None:
    """Only closed ids go in: no name of a patient, no sentence."""
    for detail in ("Mrs. Wang, Room 3", "rash on the arm", "x" * 100, ""):
        with pytest.raises(RuntimeError):
            trail.note("nurse.li", Action.CASE_OPENED, detail=detail)


def test_a_deed_that_fails_leaves_no_row(trail: AuditTrail, database: Database) -> None:
    """Row and deed stand or fall together."""
    with pytest.raises(KeyError), database.transaction() as connection:
        trail.append(connection, "nurse.li", Action.CASE_OPENED, case_ref="c0ffee")
        raise KeyError
    assert trail.verify() == 0


def test_an_export_can_be_compared_with_the_trail_later(trail: AuditTrail, clock: HandClock) -> None:
    """Each line carries its hash, so a copy elsewhere finds a trail that was rewritten as a whole."""
    _filled(trail, clock)
    lines = [json.loads(line) for line in trail.export_lines()]
    assert [line["hash"] for line in lines] == [row.hash for row in reversed(trail.newest())]
    assert len(list(trail.export_lines(since=clock.now() - timedelta(seconds=130)))) == 2


def test_a_clock_at_1970_is_marked_wrong_and_recovers(trail: AuditTrail, clock: HandClock) -> None:
    """Rows from a reset clock say so; afterwards the clock is believed again."""
    right = clock.now()
    trail.note("a", Action.SIGNED_IN)
    clock.moment = datetime(1970, 1, 1, tzinfo=UTC)
    trail.note("a", Action.SIGNED_IN)
    clock.moment = right + timedelta(hours=1)
    trail.note("a", Action.SIGNED_IN)
    assert [row.clock for row in reversed(trail.newest())] == [
        ClockTrust.PLAUSIBLE,
        ClockTrust.WRONG,
        ClockTrust.PLAUSIBLE,
    ]


def test_a_clock_ten_years_ahead_is_wrong_even_when_a_server_set_it() -> None:
    """A device does not lie unused for ten years."""
    ahead = PROGRAM_DATE + timedelta(days=3650)
    assert judge_clock(ahead, newest_known=None, is_synchronised=True) is ClockTrust.WRONG


def test_a_synchronised_clock_is_told_apart() -> None:
    """A time server's word is better than a plausible date."""
    now = PROGRAM_DATE + timedelta(days=30)
    assert judge_clock(now, newest_known=PROGRAM_DATE, is_synchronised=True) is ClockTrust.SYNCHRONISED
    assert judge_clock(now, newest_known=PROGRAM_DATE, is_synchronised=False) is ClockTrust.PLAUSIBLE
