"""Open the hub's database and keep its schema up to date: SQLite for a pilot, PostgreSQL for a country.

SQLite runs in WAL mode with synchronous=FULL, because NORMAL loses committed rows at a power cut
(https://sqlite.org/pragma.html#pragma_synchronous). One hub writes a SQLite file; several may share PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql, sqlite

from edge_agent.errors import ConfigError, HubError

_BUSY_TIMEOUT_MS = 10_000
_MIGRATION_LOCK = 0x6465726D  # PostgreSQL advisory lock: two hubs that start at once migrate one after the other


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate what SQLAlchemy raises; statements and values stay out of the message.

    Raises:
        HubError: the database did not do it; nothing of the transaction is kept.
    """
    try:
        yield
    except sa.exc.SQLAlchemyError as exc:
        cause = getattr(exc, "orig", None) or exc
        if "file is not a database" in str(cause):
            raise HubError("the hub's database file is damaged or no database; restore it from a backup") from exc
        first_line = str(cause).splitlines()[0] if isinstance(exc, sa.exc.OperationalError) else type(cause).__name__
        raise HubError(f"the hub's database failed ({first_line}); check that it runs and has disk space") from exc


def open_database(url: str) -> sa.Engine:
    """Open the database for the hub and bring its schema up to date, creating a SQLite file and its folder.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///FILE`` or ``postgresql+psycopg://…``.

    Raises:
        ConfigError: the URL names no supported database.
        HubError: the database is out of reach, or a newer program has written it.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _make_folder(Path(parsed.database or ""))
    engine = _engine(parsed)
    try:
        with database_errors(), engine.begin() as connection:
            _migrate(connection)
    except HubError:
        engine.dispose()
        raise
    return engine


def open_for_reading(url: str) -> sa.Engine:
    """Open an existing database beside a running hub; it never writes, migrates or checkpoints.

    Raises:
        ConfigError: the URL names no supported database.
        HubError: there is no such database, or its schema is not this program's.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise HubError(f"no hub database at {parsed.database}; start the hub first: derm-fleet serve")
    engine = _engine(parsed, is_read_only=True)
    try:
        with database_errors(), engine.connect() as connection:
            _require_head(connection)
    except HubError:
        engine.dispose()
        raise
    return engine


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, leaving those that are already there (``ON CONFLICT DO NOTHING``)."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(table).on_conflict_do_nothing(), list(rows))


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as exc:
        raise ConfigError("--database is not a URL; write sqlite:///FILE or postgresql+psycopg://HOST/NAME") from exc
    if parsed.drivername not in {"sqlite", "postgresql", "postgresql+psycopg"}:
        raise ConfigError("--database must start with sqlite:/// or postgresql+psycopg://")
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigError("--database names no file; write sqlite:///FILE")
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise HubError(f"the folder {path.parent} cannot be made; name another file with --database") from exc


def _engine(url: sa.URL, *, is_read_only: bool = False) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        options = {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"} if is_read_only else {}
        try:
            # A broken connection is noticed before a transaction starts; a message waits in the device meanwhile.
            return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True, execution_options=options)
        except ModuleNotFoundError as exc:
            raise ConfigError("PostgreSQL needs psycopg; install derm-edge[fleet]") from exc
    if is_read_only:
        path = Path(url.database or "").absolute().as_uri()
        url = sa.URL.create("sqlite", database=path, query={"mode": "ro", "uri": "true"})
    engine = sa.create_engine(url, hide_parameters=True)
    _prepare_sqlite(engine, is_read_only=is_read_only)
    return engine


def _prepare_sqlite(engine: sa.Engine, *, is_read_only: bool) -> None:
    """Set the pragmas on every connection and let SQLAlchemy, not sqlite3, begin transactions."""

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        if not is_read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # IMMEDIATE: a transaction that reads first must not find at its first write that another one was faster.
        connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent / "migrations"))


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _migrate(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    revision, scripts = _revision(connection), _scripts()
    if revision == scripts.get_current_head():
        return
    _require_known(revision, scripts)
    config = Config()
    config.set_main_option("script_location", scripts.dir)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _require_known(revision: str | None, scripts: ScriptDirectory) -> None:
    if revision is not None and revision not in {script.revision for script in scripts.walk_revisions()}:
        raise HubError(f"the database is at schema {revision}, newer than this program; update derm-fleet")


def _require_head(connection: sa.Connection) -> None:
    revision, scripts = _revision(connection), _scripts()
    _require_known(revision, scripts)
    if revision != scripts.get_current_head():
        raise HubError("the database's schema is older than this program; start the hub once: derm-fleet serve")
