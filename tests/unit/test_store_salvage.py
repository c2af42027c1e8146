"""Salvage: what is readable of a damaged store, and an account of what is lost that is right to the row."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store.cases import CaseStore
from edge_agent.store.copying import tables
from edge_agent.store.database import Database, open_file
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.store.salvage import REPORT, salvage
from edge_agent.store.vault import ImageVault
from tests.simulators.pages import PAGE_BYTES, bytes_in_clear
from tests.simulators.records import a_case, a_consent, a_result
from tests.simulators.store_killer import KEY as KILLERS_KEY
from tests.simulators.store_killer import prepare_old

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
CASES = 12
LONG = "x" * 3000  # one case fills most of a page, so that one damaged page is one case


@pytest.fixture
def key() -> StoreKey:
    return StoreKey(secrets.token_hex(32))


@pytest.fixture
def path(tmp_path: Path, key: StoreKey) -> Path:
    """Make a store of twelve reported cases with one picture each, all of it in the file and nothing in the log."""
    path = tmp_path / "state" / "store.db"
    with Database(path, key) as database:
        store = CaseStore(database)
        for number in range(CASES):
            store.add(a_case(f"case-{number}", consent=a_consent(), views=1), language="en")
            store.finish(
                f"case-{number}", {"text": LONG + f"marker-{number}"}, a_result(store.record_id(f"case-{number}"))
            )
        database.empty_log()
    return path


def _damage(path: Path, page: int) -> None:
    content = bytearray(path.read_bytes())
    content[page * PAGE_BYTES + 100] ^= 0xFF
    path.write_bytes(bytes(content))


def _page_with(path: Path, key: StoreKey, text: bytes) -> int:
    """Return the number (from 0) of the page that holds a text."""
    clear, at, page = bytes_in_clear(path, key), 0, 0
    sizes = [PAGE_BYTES - 96] + [PAGE_BYTES - 80] * (len(path.read_bytes()) // PAGE_BYTES)
    where = clear.index(text)
    for page, size in enumerate(sizes):
        if at <= where < at + size:
            return page
        at += size
    raise AssertionError(page)


def _root_page(path: Path, key: StoreKey, name: str) -> int:
    with open_file(path, key) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]) - 1


def _read_new(into: Path, key: StoreKey) -> list[str]:
    with Database(into / "store.db", key) as database:
        database.check()
        store = CaseStore(database)
        ids = [row[0] for row in database.rows("SELECT case_id FROM cases ORDER BY position")]
        for case_id in ids:
            assert (store.report(case_id) or {})["text"].startswith("xxx")
            store.load(case_id)
        return ids


def test_an_undamaged_store_loses_nothing(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """Everything is in the new store, pictures too, and the report says so."""
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    assert report.is_whole
    assert report.pictures_kept == CASES
    assert _read_new(tmp_path / "new", key) == [f"case-{number}" for number in range(CASES)]


@pytest.mark.parametrize("number", [0, 5, CASES - 1])
def test_one_damaged_page_loses_one_case(path: Path, key: StoreKey, tmp_path: Path, number: int) -> None:
    """A bad page at the start, in the middle or at the end costs the case on it, named; all others are there."""
    _damage(path, _page_with(path, key, f"marker-{number}".encode() + b'"'))
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    kept = _read_new(tmp_path / "new", key)
    lost = {f"case-{one}" for one in range(CASES)} - set(kept)
    assert f"case-{number}" in lost and len(lost) <= 2  # two small rows may share a page
    assert set(report.cases_lost) == lost
    assert report.is_exact
    assert (report.tables["cases"].kept, report.tables["cases"].lost) == (len(kept), len(lost))
    assert report.tables["pictures"].without_parent == len(lost)
    assert {one.case for one in report.pictures_lost} == lost


def test_two_damaged_pages_lose_what_is_on_them_and_not_between(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """Rows between two bad pages are found one by one."""
    for number in (2, 9):
        _damage(path, _page_with(path, key, f"marker-{number}".encode() + b'"'))
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    kept = _read_new(tmp_path / "new", key)
    assert {"case-5", "case-6"} <= set(kept)
    assert {"case-2", "case-9"} <= set(report.cases_lost)
    assert set(report.cases_lost) | set(kept) == {f"case-{one}" for one in range(CASES)}
    assert not set(report.cases_lost) & set(kept)


def test_a_damaged_root_page_loses_the_table_by_name(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """When the table's own tree is gone, the index still tells how many and which cases are lost."""
    _damage(path, _root_page(path, key, "cases"))
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    assert report.is_exact
    assert report.cases_lost == tuple(f"case-{number}" for number in range(CASES))
    assert report.tables["outbox"].lost == 0


def test_a_damaged_index_loses_nothing(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """An index is made again from the rows."""
    _damage(path, _root_page(path, key, "sqlite_autoindex_cases_1"))
    assert salvage(path, key, into=tmp_path / "new", now=NOON).is_whole


def test_lost_keys_lose_their_pictures_only(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """Without the keys the cases stay and load; each picture is reported lost by case and number."""
    _damage(path, _root_page(path, key, "image_keys"))
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    assert len(_read_new(tmp_path / "new", key)) == CASES
    lost = {(one.case, one.view, one.why) for one in report.pictures_lost}
    assert lost == {(f"case-{number}", 0, "key") for number in range(CASES)}
    assert report.cases_lost == ()


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(("harm", "why"), [(_flip, "file_damaged"), (Path.unlink, "file_missing")])
def test_a_damaged_picture_file_is_named(
    path: Path, key: StoreKey, tmp_path: Path, harm: Callable[[Path], None], why: str
) -> None:
    """One bad or missing file in the vault costs that picture; its case loads without it."""
    with Database(path, key) as database:
        image_id = CaseStore(database).views("case-7")[0].image_id
        assert image_id is not None
        harm(ImageVault(database).path_of(image_id))
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    assert [(one.case, one.view, one.why) for one in report.pictures_lost] == [("case-7", 0, why)]
    assert report.pictures_kept == CASES - 1
    assert len(_read_new(tmp_path / "new", key)) == CASES


def test_a_damaged_first_page_is_told_at_once(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """Without the list of tables nothing can be read: the line names the backup."""
    _damage(path, 0)
    with pytest.raises(StoreCorrupt, match="derm-edge store restore"):
        salvage(path, key, into=tmp_path / "new", now=NOON)


def test_the_original_is_not_touched(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """Every byte of the old folder is as before, and no file came or went."""
    _damage(path, _page_with(path, key, b'marker-4"'))
    before = {one: one.read_bytes() for one in path.parent.rglob("*") if one.is_file()}
    salvage(path, key, into=tmp_path / "new", now=NOON)
    assert {one: one.read_bytes() for one in path.parent.rglob("*") if one.is_file()} == before


def _leave_log(path: Path, key: StoreKey, folder: Path, *, count: int) -> Path:
    """Copy the store as a power cut leaves it: ``count`` more cases stand in the log only."""
    with Database(path, key) as database:
        for number in range(count):
            CaseStore(database).add(a_case(f"late-{number}", views=0), language="en")
        folder.mkdir()
        for name in ("store.db", "store.db-wal"):
            (folder / name).write_bytes(path.with_name(name).read_bytes())
    return folder / "store.db"


def test_rows_in_the_log_are_salvaged(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """Committed rows that only the write-ahead log holds are in the new store."""
    cut = _leave_log(path, key, tmp_path / "cut", count=2)
    report = salvage(cut, key, into=tmp_path / "new", now=NOON)
    assert report.log_frames_lost == 0
    assert report.tables["cases"].kept == CASES + 2


def test_a_damaged_log_is_counted(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """SQLite drops what follows a bad frame in silence; the report counts it and is not called exact."""
    cut = _leave_log(path, key, tmp_path / "cut", count=6)
    log = cut.with_name("store.db-wal")
    frames = (log.stat().st_size - 32) // (24 + PAGE_BYTES)
    content = bytearray(log.read_bytes())
    content[32 + 3 * (24 + PAGE_BYTES) + 500] ^= 1  # in the fourth frame
    log.write_bytes(bytes(content))
    report = salvage(cut, key, into=tmp_path / "new", now=NOON)
    assert report.log_frames_lost == frames - 3
    assert not report.is_exact and not report.is_whole


def test_the_report_holds_nothing_about_a_person(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """The file lists ids and counts; no form, no report text, no key."""
    _damage(path, _page_with(path, key, b'marker-4"'))
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    text = (tmp_path / "new" / REPORT).read_text()
    assert json.loads(text)["cases_lost"] == list(report.cases_lost)
    for secret in ("xxx", "female", "age_years", key.hex):
        assert secret not in text


def test_a_folder_with_something_in_it_is_refused(path: Path, key: StoreKey) -> None:
    """Nothing is ever written over."""
    with pytest.raises(StoreError, match="not empty"):
        salvage(path, key, into=path.parent, now=NOON)


def test_a_lost_ledger_begins_a_new_epoch(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """Without the ledger every row is queued again under new numbers: none may mean two records."""
    with Database(path, key) as database:
        epoch = Outbox(database).ledger().epoch
        database.empty_log()
    _damage(path, _root_page(path, key, "outbox_ledger"))
    report = salvage(path, key, into=tmp_path / "new", now=NOON)
    assert not report.is_exact
    with Database(tmp_path / "new" / "store.db", key) as database:
        ledger = Outbox(database).ledger()
        assert ledger.epoch not in {epoch, ""}
        assert [row.seq for row in Outbox(database).batch(10**9)] == list(range(1, CASES + 1))


def test_every_table_has_row_numbers(path: Path, key: StoreKey) -> None:
    """Salvage finds rows by number, so no migration may make a table without them."""
    with open_file(path, key) as connection:
        assert not [name for name, sql in tables(connection).items() if "WITHOUT ROWID" in sql.upper()]


def test_report_says_what_it_is(path: Path, key: StoreKey, tmp_path: Path) -> None:
    """A whole report is whole, and one with a lost case is not."""
    whole = salvage(path, key, into=tmp_path / "new", now=NOON)
    assert whole.is_whole
    assert not replace(whole, cases_lost=("case-1",)).is_whole
    assert not replace(whole, is_exact=False).is_whole


def test_one_damaged_page_does_not_stop_the_next_case(path: Path, key: StoreKey) -> None:
    """The open store names the damaged record, and goes on reading and storing others without a restart."""
    _damage(path, _page_with(path, key, b'marker-4"'))
    with Database(path, key) as database:
        store = CaseStore(database)
        with pytest.raises(StoreCorrupt, match="derm-edge store check"):
            store.report("case-4")
        store.add(a_case("case-new", views=1), language="en")
        assert len(store.load("case-new").views) == 1
        assert store.report("case-5") is not None
        with pytest.raises(StoreCorrupt):
            store.report("case-4")


def test_a_text_with_a_zero_byte_is_no_damage(path: Path, key: StoreKey) -> None:
    """Whatever somebody typed, a sound page is never called damaged."""
    with Database(path, key) as database:
        assert database.rows("SELECT 'a' || char(0) || 'b'") == [("a\0b",)]


def test_a_store_of_the_older_program_is_salvaged(tmp_path: Path) -> None:
    """Pictures that still lie inside the database are saved with their rows, into today's schema."""
    prepare_old(tmp_path / "old")
    report = salvage(tmp_path / "old" / "store.db", KILLERS_KEY, into=tmp_path / "new", now=NOON)
    assert report.is_whole and report.pictures_kept == 3
    with Database(tmp_path / "new" / "store.db", KILLERS_KEY) as database:
        assert len(CaseStore(database).load("first").views) == 3
    assert not (tmp_path / "new" / "backups").exists()
