"""A process that works on a store and kills itself with SIGKILL at a named point.

``python -m tests.simulators.store_killer WORK STATE --at MODULE:NAME:before|after[:N]`` does one piece of work; when the
named function is entered (or left) for the N-th time, the process is gone. It ends 0 when the point never came.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.store import database as database_module
from edge_agent.store.backups import Backups
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.pictures import encode_png
from edge_agent.store.restore import restore
from edge_agent.store.salvage import salvage
from edge_agent.store.schema import MIGRATIONS
from edge_agent.store.vault import ImageVault
from edge_agent.store.views import move_pictures
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose
from tests.simulators.records import a_case, a_consent

KEY = StoreKey("3c" * 32)
NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
VIEWS = 3


def prepare(state: Path) -> None:
    """Make the store that every work begins with: one case with three pictures, and a backup."""
    with Database(state / "store.db", KEY) as database:
        CaseStore(database).add(a_case("first", consent=a_consent(), views=VIEWS), language="en")
        Backups(state / "store.db", KEY).write(now=NOON)


def prepare_old(state: Path) -> None:
    """Make the store as the program with schema 2 left it: the pictures are inside the database."""
    kept = (database_module.MIGRATIONS, database_module.SCHEMA_VERSION)
    database_module.MIGRATIONS, database_module.SCHEMA_VERSION = MIGRATIONS[:2], 2
    try:
        case = a_case("first", consent=a_consent(), views=VIEWS)
        with Database(state / "store.db", KEY) as database, database.transaction() as connection:
            connection.execute(
                "INSERT INTO cases (case_id, record_id, created, language, intake, state) VALUES (?,?,?,?,?,?)",
                ("first", "r1", NOON.isoformat(), "en", case.intake.model_dump_json(), "stored"),
            )
            connection.executemany(
                "INSERT INTO pictures (position, view_index, png, shot, body_site) VALUES (1,?,?,'close_up','elbow')",
                [(view.index, encode_png(view.frame)) for view in case.views],
            )
    finally:
        database_module.MIGRATIONS, database_module.SCHEMA_VERSION = kept


def put(state: Path) -> None:
    """Store a second case."""
    with Database(state / "store.db", KEY) as database:
        CaseStore(database).add(a_case("second", consent=a_consent(), views=VIEWS), language="en")


def shred(state: Path) -> None:
    """Withdraw the first case's pictures."""
    with Database(state / "store.db", KEY) as database:
        withdrawals = Withdrawals(database, vault=ImageVault(database))
        withdrawals.record("first", WithdrawnPurpose.CARE_PICTURES, account="nurse-1", now=NOON)
        Backups(state / "store.db", KEY).settle(database)


def migrate(state: Path) -> None:
    """Open an old store with this program, and move its pictures."""
    with Database(state / "store.db", KEY, clock=lambda: NOON) as database:
        move_pictures(database, ImageVault(database))


def save(state: Path) -> None:
    """Salvage into a folder beside."""
    salvage(state / "store.db", KEY, into=state.with_name("new"), now=NOON)


def bring_back(state: Path) -> None:
    """Restore the backup, after a second case was stored."""
    put(state)
    (backup,) = Backups(state / "store.db", KEY).list()
    restore(state / "store.db", KEY, backup=backup.path, now=NOON)


WORKS: dict[str, Callable[[Path], None]] = {
    "put": put,
    "shred": shred,
    "migrate": migrate,
    "salvage": save,
    "restore": bring_back,
}


def arm(point: str) -> None:
    """Wrap the named function so that it kills the process."""
    module_name, name, when, *count = point.split(":")
    owner: Any = importlib.import_module(module_name)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, last)
    left = int(count[0]) if count else 1

    def deadly(*given: Any, **wish: Any) -> Any:
        nonlocal left
        left -= 1
        if when == "before" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = original(*given, **wish)
        if when == "after" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, last, deadly)


def main() -> None:
    """Arm the point and do the work."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("state", type=Path)
    parser.add_argument("--at", required=True)
    options = parser.parse_args()
    arm(options.at)
    WORKS[options.work](options.state)


if __name__ == "__main__":
    main()
