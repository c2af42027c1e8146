"""How long records and pictures stay is the policy's to say: a minor's record longer, a transferred picture shorter (R12)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.contracts.intake import Intake
from edge_agent.contracts.policy import Policy
from edge_agent.store.audit import AuditTrail
from edge_agent.store.backups import Backups
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database, open_file
from edge_agent.store.key import StoreKey
from edge_agent.store.retention import Due, Retention
from edge_agent.store.retention_classes import EXPORTED, RECEIVED, standard_classes
from edge_agent.store.vault import ImageVault
from tests.simulators.records import MORNING, a_case

RECORDS, PICTURES = "record_after_years", "picture_after_signoff"


@dataclass
class Shelf:
    """A store with retention on it, a policy, and a clock that a test sets."""

    database: Database
    key: StoreKey
    policy: Policy = field(default_factory=Policy)
    now: datetime = MORNING

    def keep(self, case_id: str, *, years: int | None = 44, months: int | None = None, signed: bool = False) -> None:
        """Store one case of one picture and its report."""
        store = CaseStore(self.database)
        given = a_case(case_id, views=1, intake=Intake(age_years=years, age_months=months, sex="female"))
        store.add(replace(given, created=self.now), language="en")
        store.finish(case_id, {"triage": {"final": "T4_routine"}}, None)
        if signed:
            with self.database.transaction() as connection:
                row = (case_id, "dr.wu", self.now.isoformat(), "T4_routine")
                connection.execute("INSERT INTO sign_offs VALUES (?,?,?,?)", row)

    def run(self, *, is_commanded: bool = False) -> Due:
        """Run at the present time, which a person confirms: years have passed."""
        vault = ImageVault(self.database, clock=lambda: self.now)
        retention = Retention(
            self.database,
            vault=vault,
            backups=Backups(self.database.path, self.key),
            classes=standard_classes(vault, self.policy),
            clock=lambda: self.now,
        )
        return retention.run(is_dry=False, confirmed=self.now.date(), is_commanded=is_commanded)

    def left(self) -> list[str]:
        """Return the cases that are still there."""
        return [row[0] for row in self.database.rows("SELECT case_id FROM cases ORDER BY position")]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    key = StoreKey(secrets.token_hex(32))
    with Database(tmp_path / "store.db", key) as database:
        yield Shelf(database, key)


def _on(year: int, month: int = 3, day: int = 5) -> datetime:
    return datetime.combine(date(year, month, day), MORNING.timetz())


@pytest.mark.parametrize(
    ("years", "months", "over"),
    [
        (44, None, 2041),  # 15 years
        (18, None, 2041),
        (17, None, 2041),  # until 25 and one year more are nine: the fifteen are longer
        (4, None, 2048),  # until 25, and one year more because no birthday is stored
        (None, 7, 2052),  # an infant
        (None, None, 2052),  # no age counts as a newborn's
    ],
)
def test_a_record_is_kept_for_its_years(shelf: Shelf, years: int | None, months: int | None, over: int) -> None:
    """An adult's for fifteen years, a minor's until an age; on the day before it is not due."""
    shelf.keep("one", years=years, months=months)
    shelf.now = _on(over) - timedelta(days=1)
    assert shelf.run().counts[RECORDS] == 0
    shelf.now = _on(over)
    assert shelf.run().counts[RECORDS] == 1


def test_a_country_may_keep_longer(shelf: Shelf) -> None:
    """Twenty years where the signed file says twenty."""
    shelf.policy = Policy(retention_record_years=20)
    shelf.keep("one")
    shelf.now = _on(2045)
    assert shelf.run().counts[RECORDS] == 0
    shelf.now = _on(2046)
    assert shelf.run().counts[RECORDS] == 1


def test_no_record_goes_by_itself(shelf: Shelf) -> None:
    """It is counted until a person types the command; then it goes with its picture, its signature and its copies."""
    shelf.keep("old", signed=True)
    Backups(shelf.database.path, shelf.key).write(now=shelf.now)
    shelf.now = _on(2040)
    shelf.keep("new")
    shelf.now = _on(2042)
    waiting = shelf.run()
    assert (waiting.counts[RECORDS], RECORDS in waiting.left, shelf.left()) == (1, True, ["old", "new"])
    done = shelf.run(is_commanded=True)
    assert (done.counts[RECORDS], RECORDS in done.left, shelf.left()) == (1, False, ["new"])
    assert shelf.database.rows("SELECT count(*) FROM sign_offs") == [(0,)]
    assert sorted(shelf.database.rows("SELECT state FROM images")) == [("kept",), ("shredded",)]
    assert (RECORDS, 1) in shelf.database.rows("SELECT class, how_many FROM deletions")
    for backup in Backups(shelf.database.path, shelf.key).list():
        with open_file(backup.path, shelf.key) as connection:
            assert connection.execute("SELECT count(*) FROM cases WHERE case_id = 'old'").fetchone() == (0,)


def test_the_visits_of_an_episode_end_together(shelf: Shelf) -> None:
    """Fifteen years after the last of them; then the episode goes too."""
    shelf.keep("first")
    shelf.now = _on(2030)
    shelf.keep("second")
    with shelf.database.transaction() as connection:
        connection.execute("INSERT INTO episodes VALUES ('e', 'BOOK-7', '2026-03-05')")
        for case_id, at in (("first", MORNING), ("second", _on(2030))):
            connection.execute(
                "INSERT INTO visits (case_id, episode_id, owner, handed_over) VALUES (?, 'e', 'nurse', ?)",
                (case_id, at.isoformat()),
            )
    shelf.now = _on(2044)
    assert shelf.run(is_commanded=True).counts[RECORDS] == 0
    shelf.now = _on(2045)
    assert shelf.run(is_commanded=True).counts[RECORDS] == 2
    assert shelf.database.rows("SELECT (SELECT count(*) FROM episodes), (SELECT count(*) FROM visits)") == [(0, 0)]


def test_a_picture_goes_when_its_receiver_has_it(shelf: Shelf) -> None:
    """Signed and received: it has served. Received alone it stays, and signed alone it has its 365 days.

    A picture that never left (an intimate site, a face), or left after the receipt, cannot have been received.
    """
    for case_id, signed in (("both", True), ("signed", True), ("received", False), ("stayed", True), ("later", True)):
        shelf.keep(case_id, signed=signed)
    trail = AuditTrail(shelf.database, clock=lambda: shelf.now, is_synchronised=lambda: True)
    shelf.now = MORNING + timedelta(days=3)
    assert shelf.run().counts[PICTURES] == 0
    store = CaseStore(shelf.database)
    sent = {one: store.views(one)[0].image_id for one in ("both", "received", "later")}
    for case_id in ("both", "received"):
        trail.note("command-line", EXPORTED, case_ref=case_id, detail=sent[case_id])
    for case_id in ("both", "received", "stayed", "later"):
        trail.note("command-line", RECEIVED, case_ref=case_id)
    trail.note("command-line", EXPORTED, case_ref="later", detail=sent["later"])
    assert shelf.run().counts[PICTURES] == 1
    assert [one for one in shelf.left() if store.views(one)[0].is_gone] == ["both"]


def test_a_stricter_policy_shortens_the_days(shelf: Shelf) -> None:
    """Thirty days where the signed file says thirty."""
    shelf.policy = Policy(retention_images_days_after_signoff=30)
    shelf.keep("one", signed=True)
    shelf.now = MORNING + timedelta(days=29)
    assert shelf.run().counts[PICTURES] == 0
    shelf.now = MORNING + timedelta(days=30)
    assert shelf.run().counts[PICTURES] == 1


def test_every_table_that_names_a_case_is_emptied_with_it(shelf: Shelf) -> None:
    """Also one that a later room adds: nothing of a deleted record is left behind in it."""
    with shelf.database.transaction() as connection:
        connection.execute("CREATE TABLE added_later (case_id TEXT, words TEXT) STRICT")
        connection.execute("INSERT INTO added_later VALUES ('one', 'an elbow')")
    shelf.keep("one")
    shelf.now = _on(2041)
    shelf.run(is_commanded=True)
    assert shelf.database.rows("SELECT count(*) FROM added_later") == [(0,)]
