"""Retention: due things go, on record and in the backups; a wrong clock deletes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.contracts.policy import Policy
from edge_agent.errors import StoreError
from edge_agent.store.backups import Backups
from edge_agent.store.cases import CaseStore
from edge_agent.store.connection import Connection
from edge_agent.store.database import Database, open_file
from edge_agent.store.key import StoreKey
from edge_agent.store.retention import Retention, RetentionClass
from edge_agent.store.retention_classes import DraftsWithoutConsent, SignedPictures, TableRows, standard_classes
from edge_agent.store.trusted_day import MAX_STEP, SHELF, Belief, TrustedDay, judge
from edge_agent.store.vault import ImageKind, ImageVault
from tests.simulators.pages import bytes_in_clear
from tests.simulators.records import a_case

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
POLICY = Policy()
DRAFTS = TableRows(
    name="draft_without_consent",
    period=timedelta(hours=24),
    table="notes",
    item="number",
    since="at",
    condition="consent IS NULL",
)


@dataclass
class Desk:
    """A store with one table of drafts, retention on it, and a clock that a test sets."""

    database: Database
    key: StoreKey
    now: datetime = NOON
    signed: Mapping[str, datetime] | None = None
    received: Mapping[str, datetime] = field(default_factory=dict)

    def retention(self) -> Retention:
        """Build retention over drafts and signed pictures."""
        vault = ImageVault(self.database, clock=lambda: self.now)
        classes: list[RetentionClass] = [
            DRAFTS,
            SignedPictures(vault, POLICY, lambda _connection: self.signed or {}, lambda _connection: self.received),
        ]
        backups = Backups(self.database.path, self.key)
        return Retention(self.database, vault=vault, backups=backups, classes=classes, clock=lambda: self.now)

    def run(self, **wish: object) -> dict[str, int]:
        """Run at the present time and return the counts."""
        return dict(self.retention().run(is_dry=bool(wish.get("is_dry", False))).counts)

    def draft(self, at: datetime, *, consent: str | None = None, text: str = "draft") -> None:
        """Write one draft."""
        with self.database.transaction() as connection:
            connection.execute("INSERT INTO notes (at, consent, text) VALUES (?,?,?)", (at.isoformat(), consent, text))

    def left(self) -> int:
        """Return how many drafts are left."""
        return int(self.database.rows("SELECT count(*) FROM notes")[0][0])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    key = StoreKey(secrets.token_hex(32))
    with Database(tmp_path / "store.db", key) as database:
        with database.transaction() as connection:
            connection.execute(
                "CREATE TABLE notes (number INTEGER PRIMARY KEY, at TEXT NOT NULL, consent TEXT, text TEXT) STRICT"
            )
        yield Desk(database, key)


def test_a_draft_without_consent_goes_after_a_day(desk: Desk) -> None:
    """At 24 hours exactly it goes, one second before it stays; one with consent stays for ever."""
    desk.draft(NOON)
    desk.draft(NOON, consent="yes")
    desk.now = NOON + timedelta(hours=24, seconds=-1)
    assert desk.run()["draft_without_consent"] == 0
    desk.now = NOON + timedelta(hours=24)
    assert desk.run()["draft_without_consent"] == 1
    assert desk.left() == 1


def test_a_deletion_is_on_record_without_content(desk: Desk) -> None:
    """Class, number, moment and reason are written down; twice is once."""
    desk.draft(NOON - timedelta(days=2), text="somebody's elbow")
    desk.draft(NOON - timedelta(days=3))
    desk.run()
    desk.run()
    assert desk.database.rows("SELECT class, how_many, at, why FROM deletions") == [
        ("draft_without_consent", 2, NOON.isoformat(), "retention")
    ]


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    """It counts what is due and leaves every row, record and the remembered day."""
    desk.draft(NOON - timedelta(days=2))
    desk.draft(datetime(1970, 1, 1, tzinfo=UTC))
    assert desk.run(is_dry=True)["draft_without_consent"] == 1
    assert desk.left() == 2
    for table in ("deletions", "seen_date", "undated", "copies_due"):
        assert desk.database.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608


def test_what_is_deleted_leaves_the_backups(desk: Desk) -> None:
    """A draft that a backup holds is gone from it too, from every page, and the list of what is due is empty."""
    desk.draft(NOON - timedelta(days=2), text="SOMEBODYS-ELBOW")
    backup = Backups(desk.database.path, desk.key).write(now=NOON)
    assert b"SOMEBODYS-ELBOW" in bytes_in_clear(backup, desk.key)
    desk.run()
    assert b"SOMEBODYS-ELBOW" not in bytes_in_clear(backup, desk.key)
    with open_file(backup, desk.key) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)
    assert desk.database.rows("SELECT count(*) FROM copies_due") == [(0,)]


def test_pictures_go_a_year_after_sign_off(desk: Desk) -> None:
    """365 days after the signature the picture is shredded; the case and an unsigned case's picture stay."""
    store = CaseStore(desk.database)
    store.add(a_case("signed", views=1), language="en")
    store.add(a_case("unsigned", views=1), language="en")
    desk.signed = {"signed": NOON}
    for days, left in ((0, 1), (39, 1), (79, 1)):
        desk.now = NOON + timedelta(days=days)
        desk.run()
        assert len(store.load("signed").views) == left
    day = 79
    while day < 365:  # a kiosk that runs every month
        assert len(store.load("signed").views) == 1
        day = min(day + 30, 365)
        desk.now = NOON + timedelta(days=day)
        desk.run()
    assert store.load("signed").views == ()
    assert store.views("signed")[0].is_gone
    assert len(store.load("unsigned").views) == 1
    assert desk.database.rows("SELECT class, how_many, why FROM deletions") == [
        ("picture", 1, "picture_after_signoff"),  # the vault's own record
        ("picture_after_signoff", 1, "retention"),
    ]


@pytest.mark.parametrize(
    "wrong", [datetime(1970, 1, 1, tzinfo=UTC), NOON - timedelta(days=2), datetime(2025, 12, 31, tzinfo=UTC)]
)
def test_a_clock_behind_deletes_nothing(desk: Desk, wrong: datetime) -> None:
    """At 1970, or on a day before one that was believed, nothing is due, and the remembered day stays."""
    desk.run()
    desk.draft(NOON - timedelta(days=30))
    desk.now = wrong
    wanted = Belief.BEHIND if wrong.year == NOON.year else Belief.UNSET
    assert desk.retention().run(is_dry=False).judged.belief is wanted
    assert desk.left() == 1
    assert desk.database.rows("SELECT highest FROM seen_date") == [("2026-03-05",)]


def test_a_clock_ten_years_ahead_deletes_nothing(desk: Desk) -> None:
    """A jump of more than 40 days needs a person's word; afterwards the true clock works as before."""
    desk.run()
    desk.draft(NOON)
    desk.now = NOON.replace(year=2036)
    assert desk.retention().run(is_dry=False).judged.belief is Belief.AHEAD
    assert desk.left() == 1
    desk.now = NOON + timedelta(days=1)
    assert desk.run()["draft_without_consent"] == 1


def test_a_confirmed_date_is_believed(desk: Desk) -> None:
    """After a long pause a person confirms today's date, and only that one."""
    desk.run()
    desk.draft(NOON)
    desk.now = NOON + timedelta(days=200)
    wrong, right = NOON.date() + timedelta(days=199), NOON.date() + timedelta(days=200)
    assert desk.retention().run(is_dry=False, confirmed=wrong).judged.belief is Belief.AHEAD
    assert desk.retention().run(is_dry=False, confirmed=right).judged.belief is Belief.BELIEVED
    assert desk.left() == 0


def test_the_first_run_is_measured_by_the_newest_case(desk: Desk) -> None:
    """A store that never ran retention does not believe a clock ten years after its newest case."""
    CaseStore(desk.database).add(a_case(views=0), language="en")
    desk.draft(NOON)
    desk.now = NOON.replace(year=2036)
    assert desk.retention().run(is_dry=False).judged.belief is Belief.AHEAD
    assert desk.left() == 1


@pytest.mark.parametrize("stamp", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)])
def test_what_was_written_under_a_wrong_clock_gets_its_whole_time(desk: Desk, stamp: datetime) -> None:
    """A draft dated 1970 or 2036 is kept for a day from when it is first seen under a believed clock, then it goes."""
    desk.draft(stamp)
    assert desk.run()["draft_without_consent"] == 0
    desk.now = NOON + timedelta(hours=23)
    assert desk.run()["draft_without_consent"] == 0
    desk.now = NOON + timedelta(hours=24)
    assert desk.run()["draft_without_consent"] == 1
    assert desk.database.rows("SELECT count(*) FROM undated") == [(0,)]


def test_the_judgement_at_its_edges() -> None:
    """One day back is a correction and 40 days ahead a pause; beyond, the clock is not believed."""
    highest = date(2026, 5, 1)
    wanted = {-2: Belief.BEHIND, -1: Belief.BELIEVED, 0: Belief.BELIEVED, 40: Belief.BELIEVED, 41: Belief.AHEAD}
    for days, belief in wanted.items():
        assert judge(highest + timedelta(days=days), highest=highest).belief is belief


MADE = date(2026, 3, 1)


def _noted(_connection: Connection) -> None:
    """Write no trail."""


@pytest.mark.parametrize("has_case", [False, True])
@pytest.mark.parametrize(
    ("wrong", "belief"), [(datetime(1970, 1, 1, tzinfo=UTC), Belief.UNSET), (NOON.replace(year=2036), Belief.AHEAD)]
)
def test_a_fresh_device_with_a_wrong_clock_deletes_nothing(
    desk: Desk, wrong: datetime, belief: Belief, *, has_case: bool
) -> None:
    """Nothing was ever believed: a clock at 1970 or in ten years is not, also not by a case that was stored under it.

    Afterwards the true date works without anybody's word.
    """
    if has_case:
        CaseStore(desk.database).add(replace(a_case(views=0), created=wrong), language="en")
    desk.draft(wrong - timedelta(days=3))
    desk.now = wrong
    assert desk.retention().run(is_dry=False).judged.belief is belief
    assert desk.left() == 1
    desk.now = NOON
    assert desk.retention().run(is_dry=False).judged.belief is Belief.BELIEVED


@pytest.mark.parametrize("days", [0, 400, SHELF.days])
def test_a_new_device_may_have_lain_unused_for_two_years(days: int) -> None:
    """Its first day is believed up to then, and not a day longer."""
    assert judge(MADE + timedelta(days=days), highest=None, made=MADE).belief is Belief.BELIEVED
    assert judge(MADE + SHELF + timedelta(days=1), highest=None, made=MADE).belief is Belief.AHEAD


def test_a_day_before_this_program_was_made_is_never_right() -> None:
    """Not even a person's word helps: the clock must be set. A newer program is newer than the day known before."""
    early = MADE - timedelta(days=1)
    assert judge(early, highest=None, confirmed=early, made=MADE).belief is Belief.UNSET
    later = MADE + MAX_STEP
    assert judge(later, highest=date(2026, 1, 5), made=MADE).belief is Belief.BELIEVED


def test_a_confirmed_day_heals_a_clock_that_was_wrongly_believed(desk: Desk) -> None:
    """A first day one year ahead was believed; set right, the device is behind until a person confirms, then it works."""
    desk.now = NOON + timedelta(days=365)
    desk.draft(desk.now)
    desk.run()
    desk.now = NOON
    assert desk.retention().run(is_dry=False).judged.belief is Belief.BEHIND
    day = TrustedDay(desk.database, clock=lambda: desk.now)
    assert day.judged().can_be_confirmed
    day.confirm(NOON.date(), noted=_noted)
    assert day.judged().belief is Belief.BELIEVED
    assert desk.run()["draft_without_consent"] == 0  # dated in the future: its day begins now
    desk.now = NOON + timedelta(days=1)
    assert desk.run()["draft_without_consent"] == 1


def test_only_the_day_that_the_clock_shows_can_be_confirmed(desk: Desk) -> None:
    """A page that was left open over midnight confirms nothing, and the trail has no row of it."""
    desk.run()
    desk.now = NOON + timedelta(days=100)
    rows: list[str] = []
    with pytest.raises(StoreError, match="the clock says 2026-06-13"):
        TrustedDay(desk.database, clock=lambda: desk.now).confirm(
            date(2026, 6, 12), noted=lambda _connection: rows.append("row")
        )
    assert rows == []
    assert desk.retention().run(is_dry=False).judged.belief is Belief.AHEAD


def test_a_class_without_its_table_in_a_backup_is_passed_over(desk: Desk) -> None:
    """An older backup does not know the table; cleaning goes on."""
    with open_file(desk.database.path, desk.key) as connection:
        probe: Connection = connection
        TableRows(name="x", period=timedelta(1), table="nowhere", item="a", since="b").erase(probe, ["1"])


def test_a_draft_takes_its_pictures_along(desk: Desk) -> None:
    """A consultation without consent goes with every picture that it took; one with consent keeps them."""
    vault = ImageVault(desk.database, clock=lambda: NOON)
    with desk.database.transaction() as connection:
        has_tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'drafts'").fetchone()
        if has_tables is None:  # the room of consultations makes them; this is its shape
            connection.execute("CREATE TABLE drafts (case_id TEXT UNIQUE, created TEXT, is_consented INTEGER)")
            connection.execute(
                "CREATE TABLE draft_images (image_id TEXT, case_id TEXT REFERENCES drafts (case_id) ON DELETE CASCADE)"
            )
        for name, consented in (("without", 0), ("with", 1)):
            row = {"case_id": name, "created": NOON.isoformat(), "is_consented": consented}
            if has_tables is not None:
                row |= {"owner": "nurse-1", "created_s": NOON.timestamp(), "step": "consents", "body": "{}"}
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT INTO drafts ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608
            image_id = vault.put(connection, b"png", kind=ImageKind.ORDINARY)
            connection.execute("INSERT INTO draft_images (image_id, case_id) VALUES (?,?)", (image_id, name))
    classes = standard_classes(vault, POLICY)
    backups = Backups(desk.database.path, desk.key)
    desk.now = NOON + timedelta(days=2)
    retention = Retention(desk.database, vault=vault, backups=backups, classes=classes, clock=lambda: desk.now)
    assert retention.run(is_dry=False).counts[DraftsWithoutConsent(vault, POLICY).name] == 1
    assert desk.database.rows("SELECT case_id FROM drafts") == [("with",)]
    assert sorted(desk.database.rows("SELECT state FROM images")) == [("kept",), ("shredded",)]
    assert len(list(vault.files())) == 1
