"""Rules of the hub's database file: durable, migrated once, never opened by an older program."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from edge_agent.contracts.result import Result
from edge_agent.errors import ConfigError, HubError
from fleet.database import open_database, open_for_reading
from fleet.tables import metadata, refusals, results


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database URL in a folder that does not exist yet."""
    return f"sqlite:///{tmp_path}/new 100%/hub.db"


def test_sqlite_is_durable(url: str) -> None:
    """WAL and synchronous=FULL (2) are on, as the power-cut rule needs."""
    engine = open_database(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2


def test_migrations_make_the_declared_tables(url: str) -> None:
    """What the migrations create is what fleet.tables declares."""
    with open_database(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_every_field_of_a_result_has_a_column() -> None:
    """A field added to Result needs a column; only the region is added centrally."""
    assert set(results.columns.keys()) == set(Result.model_fields) | {"region_code"}


def test_database_survives_reopening(url: str) -> None:
    """Opening again migrates nothing and keeps what is there."""
    first = open_database(url)
    with first.begin() as connection:
        connection.execute(sa.insert(refusals).values(reason="bad_json", payloads=1, last_at_s=1))
    first.dispose()
    with open_database(url).connect() as connection:
        assert connection.scalar(sa.select(refusals.c.payloads)) == 1


@pytest.mark.parametrize("opener", [open_database, open_for_reading])
def test_newer_schema_is_refused(url: str, opener: object) -> None:
    """A database that a newer program wrote is refused, with what to do."""
    assert callable(opener)
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(HubError, match="update derm-fleet"):
        opener(url)


def test_reading_needs_a_hub_that_ran(url: str) -> None:
    """Asking for the status of a database that is not there creates none."""
    with pytest.raises(HubError, match="derm-fleet serve"):
        open_for_reading(url)
    assert not Path(sa.make_url(url).database or "").parent.exists()


def test_reader_cannot_write(url: str) -> None:
    """The reader's connection refuses to write, also beside a hub that has the file open."""
    hub = open_database(url)
    reader = open_for_reading(url)
    with pytest.raises(sa.exc.OperationalError, match="readonly"), reader.begin() as connection:
        connection.execute(sa.delete(results))
    hub.dispose()


def test_folder_that_cannot_be_made_is_a_hub_error(tmp_path: Path) -> None:
    """A file in the way of the database's folder is told in one line."""
    (tmp_path / "new").write_text("a file")
    with pytest.raises(HubError, match="folder"):
        open_database(f"sqlite:///{tmp_path}/new/hub.db")


def test_file_that_is_no_database_is_refused_and_untouched(tmp_path: Path) -> None:
    """A file of another kind gives a HubError and keeps its bytes."""
    path = tmp_path / "hub.db"
    path.write_bytes(b"these are not the tables you are looking for" * 100)
    before = path.read_bytes()
    with pytest.raises(HubError):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_database_that_is_away_is_a_hub_error() -> None:
    """A PostgreSQL server that does not listen gives a retryable one-line error."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra: fleet)")
    with pytest.raises(HubError) as caught:
        open_database("postgresql+psycopg://derm@127.0.0.1:1/none")
    assert caught.value.retryable
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_named_so(tmp_path: Path) -> None:
    """A damaged file is not a server to wait for: the message says to restore a backup."""
    (tmp_path / "hub.db").write_bytes(b"not a database " * 400)
    with pytest.raises(HubError, match="restore it from a backup"):
        open_database(f"sqlite:///{tmp_path / 'hub.db'}")


@pytest.mark.parametrize(
    "url",
    [
        "hub.db",
        "mysql://h/d",
        "http://h",
        "",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://h:port/d",
        "sqlite+aiosqlite:///x",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """Only SQLite in a file and PostgreSQL are supported; a database in memory would lose what it acknowledged."""
    with pytest.raises(ConfigError, match="sqlite:///"):
        open_database(url)
