"""The image vault: a picture opens with its own key only, and not at all when that is deleted."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import ImageGone, StoreCorrupt, StoreError, StoreFull
from edge_agent.store import database as database_module
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.pictures import encode_png
from edge_agent.store.vault import ImageKind, ImageVault
from edge_agent.store.views import kind_of, move_pictures
from tests.simulators.pages import bytes_in_clear
from tests.simulators.records import a_case

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
PICTURE = b"a picture of somebody's elbow" * 50


@pytest.fixture
def key() -> StoreKey:
    return StoreKey(secrets.token_hex(32))


@pytest.fixture
def database(tmp_path: Path, key: StoreKey) -> Iterator[Database]:
    with Database(tmp_path / "store.db", key) as opened:
        yield opened


@pytest.fixture
def vault(database: Database) -> ImageVault:
    return ImageVault(database, clock=lambda: NOON)


def _put(database: Database, vault: ImageVault, png: bytes = PICTURE, kind: ImageKind = ImageKind.ORDINARY) -> str:
    with database.transaction() as connection:
        return vault.put(connection, png, kind=kind)


def _shred(database: Database, vault: ImageVault, *image_ids: str) -> int:
    with database.transaction() as connection:
        return vault.shred(connection, image_ids, why="test")


def _key_of(database: Database, image_id: str) -> bytes:
    return bytes(database.rows("SELECT key FROM image_keys WHERE image_id = ?", (image_id,))[0][0])


def test_a_picture_comes_back_and_its_file_is_not_readable(database: Database, vault: ImageVault) -> None:
    """``get`` returns the bytes; the file holds neither them nor a picture's header."""
    image_id = _put(database, vault)
    assert vault.get(image_id) == PICTURE
    sealed = vault.path_of(image_id).read_bytes()
    assert b"elbow" not in sealed
    assert vault.path_of(image_id).parent.name == image_id[:2]


def test_every_picture_has_its_own_key_and_nonce(database: Database, vault: ImageVault) -> None:
    """Equal pictures give different keys and files."""
    first, second = _put(database, vault), _put(database, vault)
    assert _key_of(database, first) != _key_of(database, second)
    assert vault.path_of(first).read_bytes()[8:] != vault.path_of(second).read_bytes()[8:]


@pytest.mark.parametrize("at", [0, 9, 40, -1])
def test_a_changed_byte_is_noticed(database: Database, vault: ImageVault, at: int) -> None:
    """One flipped bit in header, nonce, content or tag is StoreCorrupt, never another picture."""
    image_id = _put(database, vault)
    content = bytearray(vault.path_of(image_id).read_bytes())
    content[at] ^= 1
    vault.path_of(image_id).write_bytes(bytes(content))
    with pytest.raises(StoreCorrupt, match=image_id):
        vault.get(image_id)


def test_a_file_under_another_name_does_not_open(database: Database, vault: ImageVault) -> None:
    """Even with its own key, a file in another picture's place does not open: the id is bound."""
    first, second = _put(database, vault), _put(database, vault)
    vault.path_of(second).write_bytes(vault.path_of(first).read_bytes())
    with database.transaction() as connection:
        connection.execute(
            "UPDATE image_keys SET key = (SELECT key FROM image_keys WHERE image_id = ?) WHERE image_id = ?",
            (first, second),
        )
    with pytest.raises(StoreCorrupt):
        vault.get(second)


def test_a_kind_cannot_be_lowered(database: Database, vault: ImageVault) -> None:
    """An intimate picture whose row was changed to ordinary does not open: the kind is bound."""
    image_id = _put(database, vault, kind=ImageKind.INTIMATE)
    with database.transaction() as connection:
        connection.execute("UPDATE images SET kind = 'ordinary'")
    with pytest.raises(StoreCorrupt):
        vault.get(image_id)


def test_a_shredded_picture_is_gone(database: Database, vault: ImageVault) -> None:
    """After shred the picture is ImageGone, after settle its file is gone too, and the deletion is on record."""
    kept, gone = _put(database, vault), _put(database, vault)
    assert _shred(database, vault, gone) == 1
    with pytest.raises(ImageGone):
        vault.get(gone)
    vault.settle()
    assert not vault.path_of(gone).exists()
    assert vault.get(kept) == PICTURE
    assert database.rows("SELECT class, how_many, at, why FROM deletions") == [("picture", 1, NOON.isoformat(), "test")]


def test_shredding_twice_is_once(database: Database, vault: ImageVault) -> None:
    """A second shred deletes nothing and writes no second record; an unknown id is passed over."""
    image_id = _put(database, vault)
    assert [_shred(database, vault, image_id), _shred(database, vault, image_id, "0" * 32)] == [1, 0]
    vault.settle()
    vault.settle()
    assert database.rows("SELECT count(*) FROM deletions") == [(1,)]


def test_a_shred_that_is_undone_keeps_the_picture(database: Database, vault: ImageVault) -> None:
    """When the caller's transaction fails, the picture opens as before."""
    image_id = _put(database, vault)
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        vault.shred(connection, [image_id], why="test")
        raise ZeroDivisionError
    vault.settle()
    assert vault.get(image_id) == PICTURE


def test_no_trace_of_a_shredded_key_is_in_the_database(
    database: Database, vault: ImageVault, key: StoreKey, tmp_path: Path
) -> None:
    """Every page of file and log, decrypted, freed space included: the key was there before and nowhere after."""
    image_id = _put(database, vault)
    secret = _key_of(database, image_id)
    files = [tmp_path / "store.db", tmp_path / "store.db-wal"]
    assert any(secret in bytes_in_clear(path, key) for path in files)  # the search can find it
    _shred(database, vault, image_id)
    vault.settle()
    assert not any(secret in bytes_in_clear(path, key) for path in files)


def test_a_reader_delays_settling(database: Database, vault: ImageVault, key: StoreKey, tmp_path: Path) -> None:
    """While another connection reads the log, settle leaves the file marked; the next one finishes."""
    image_id = _put(database, vault)
    with Database(tmp_path / "store.db", key) as other:
        other._connection.execute("BEGIN")
        other._connection.execute("SELECT count(*) FROM images").fetchone()
        _do_not_wait(database)
        _shred(database, vault, image_id)
        vault.settle()
        assert database.rows("SELECT state FROM images") == [("shredding",)]
        other._connection.execute("COMMIT")
    vault.settle()
    assert database.rows("SELECT state FROM images") == [("shredded",)]


def _do_not_wait(database: Database) -> None:
    """Let a checkpoint that cannot finish give up at once."""
    database.rows("PRAGMA busy_timeout = 10")


def test_orphans_are_swept_and_nothing_else(database: Database, vault: ImageVault) -> None:
    """Files of undone transactions and temporary files go; kept pictures stay."""
    kept = _put(database, vault)
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        vault.put(connection, PICTURE, kind=ImageKind.ORDINARY)
        raise ZeroDivisionError
    (vault.path_of(kept).parent / f".{kept}.img.x1").write_bytes(b"half")
    assert vault.sweep() == 2
    assert list(vault.files()) == [vault.path_of(kept)]
    assert vault.get(kept) == PICTURE


def test_a_refused_case_leaves_no_files(tmp_path: Path, key: StoreKey) -> None:
    """A case whose second picture does not fit leaves no file of the first one behind."""
    with Database(tmp_path / "small.db", key, max_bytes=450_000) as database:
        store, vault = CaseStore(database), ImageVault(database)
        with pytest.raises(StoreFull):
            store.add(a_case(views=3, size_px=220), language="en")
        assert list(vault.files()) == []
        store.add(a_case(views=1, size_px=100), language="en")


def test_a_case_loads_without_its_shredded_pictures(database: Database, vault: ImageVault) -> None:
    """Care goes on: the other pictures and the form come back, and the list says which one is gone."""
    store = CaseStore(database, vault=vault)
    store.add(a_case(views=2), language="en")
    first = store.views("case-1")[0].image_id
    assert first is not None
    _shred(database, vault, first)
    assert [view.index for view in store.load("case-1").views] == [1]
    assert [view.is_gone for view in store.views("case-1")] == [True, False]


@pytest.mark.parametrize(
    ("body_site", "shot", "kind"),
    [
        ("genital", "close_up", ImageKind.INTIMATE),
        ("chest", None, ImageKind.INTIMATE),
        ("face", "overview", ImageKind.IDENTIFYING),
        (None, "tongue", ImageKind.IDENTIFYING),
        ("elbow", "close_up", ImageKind.ORDINARY),
        (None, None, ImageKind.ORDINARY),
    ],
)
def test_the_site_decides_the_class(body_site: str | None, shot: str | None, kind: ImageKind) -> None:
    """Intimate sites, faces and tongues have classes of their own (policy R5, R6)."""
    assert kind_of(body_site=body_site, shot=shot) is kind


def _plant_old_pictures(database: Database, count: int) -> list[bytes]:
    """Put pictures where an older program left them: in the database."""
    case = a_case(views=count)
    CaseStore(database).add(a_case(views=0), language="en")
    pngs = [encode_png(view.frame) for view in case.views]
    with database.transaction() as connection:
        connection.executemany(
            "INSERT INTO pictures (position, view_index, png, shot, body_site) VALUES (1,?,?,'close_up','elbow')",
            list(enumerate(pngs)),
        )
    return pngs


def test_old_pictures_are_moved_bit_equal(database: Database, vault: ImageVault) -> None:
    """Pictures inside the database load before the move and after it, equal; afterwards no bytes stay inside."""
    _plant_old_pictures(database, 3)
    store, expected = CaseStore(database, vault=vault), a_case(views=3)
    for moved in (0, 3):
        assert moved == 0 or move_pictures(database, vault) == moved
        for loaded, given in zip(store.load("case-1").views, expected.views, strict=True):
            np.testing.assert_array_equal(loaded.frame, given.frame)
    assert database.rows("SELECT DISTINCT length(png) FROM pictures") == [(0,)]
    assert move_pictures(database, vault) == 0


def test_a_moved_picture_leaves_no_trace_inside(
    database: Database, vault: ImageVault, key: StoreKey, tmp_path: Path
) -> None:
    """After the move no page of the database holds a picture's bytes."""
    piece = _plant_old_pictures(database, 2)[0][200:232]
    files = [tmp_path / "store.db", tmp_path / "store.db-wal"]
    assert any(piece in bytes_in_clear(path, key) for path in files)
    move_pictures(database, vault)
    assert not any(piece in bytes_in_clear(path, key) for path in files)


def test_a_full_disk_is_told_and_leaves_nothing(
    database: Database, vault: ImageVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk has no room for a picture, the case is refused whole, and no part of a file stays."""
    write, left = Path.write_bytes, [1]

    def fill(path: Path, content: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill)
        with pytest.raises(StoreFull):
            CaseStore(database, vault=vault).add(a_case(views=3), language="en")
    assert list(vault.files()) == []
    assert CaseStore(database).pending() == []
    assert database.rows("SELECT count(*) FROM image_keys") == [(0,)]


def test_a_sweep_waits_for_a_put(
    database: Database, vault: ImageVault, key: StoreKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process's sweep cannot run while a put has a file and not yet a row: it is refused, the file stays."""
    monkeypatch.setattr(database_module, "_BUSY_TIMEOUT_S", 0.05)
    with Database(database.path, key) as other, database.transaction() as connection:
        image_id = vault.put(connection, PICTURE, kind=ImageKind.ORDINARY)
        with pytest.raises(StoreError, match="in use"):
            ImageVault(other).sweep()
    assert vault.get(image_id) == PICTURE
