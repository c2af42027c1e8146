"""``derm-edge store``: check, salvage, back up, restore, and what retention would delete.

No line names a person: cases are told by their local id, pictures by counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.errors import StoreCorrupt, StoreError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen

_WAIT_S = 5.0  # for another process to give the state folder back
_SHOWN = 20  # lost cases named on the screen; the report file names all


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, its verbs and their arguments."""
    parser = commands.add_parser("store", help="check, salvage, back up or restore the encrypted store")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    check = verbs.add_parser("check", help="read every page and open every picture")
    check.set_defaults(command=_run(_check))
    salvage = verbs.add_parser("salvage", help="save what is readable of a damaged store into an empty folder")
    salvage.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    salvage.set_defaults(command=_run(_salvage))
    backup = verbs.add_parser("backup", help="write a backup beside the store (it opens no picture)")
    backup.set_defaults(command=_run(_backup))
    restore = verbs.add_parser("restore", help="put a backup in the store's place; without a name: list them")
    restore.add_argument("name", nargs="?", help="file name of a backup")
    restore.add_argument("--drop-later-cases", action="store_true", help="also where cases came after the backup")
    restore.add_argument("--dry-run", action="store_true", help="only say which cases came after it; changes nothing")
    restore.set_defaults(command=_run(_restore))
    retention = verbs.add_parser("retention", help="delete what is due, or only count it")
    retention.add_argument("--dry-run", action="store_true", help="count only")
    retention.add_argument(
        "--records", action="store_true", help="also delete clinical records whose years are over (see --dry-run first)"
    )
    retention.add_argument(
        "--confirm-date",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="today's date, where the clock is doubted and right",
    )
    retention.set_defaults(command=_run(_retention))


def _run(verb: Callable[[argparse.Namespace, Config], int]) -> Callable[[argparse.Namespace, Config, Screen], int]:
    """Run a verb while nobody else uses the state folder."""

    def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
        from edge_agent.state_dir import StateLock, prepare_state_dir

        prepare_state_dir(config.state_dir)
        with StateLock(config.state_dir, wait_s=_WAIT_S):
            return verb(options, config)

    return run


def _check(options: argparse.Namespace, config: Config) -> int:  # noqa: ARG001
    from edge_agent.store.inspection import inspect
    from edge_agent.store_bootstrap import open_store

    with open_store(config, is_locked=True) as store:
        if store.upkeep_error is not None:
            raise store.upkeep_error
        found = inspect(store.database, store.vault)
    print(f"cases     {found.cases}")
    print(f"pictures  {found.pictures}, deleted for good {found.pictures_shredded}, lost {found.pictures_lost}")
    if not found.is_whole:
        raise StoreCorrupt(
            f"{len(found.pictures_unreadable)} of {found.pictures} pictures cannot be opened: "
            "derm-edge store salvage --into FOLDER names their cases"
        )
    print("whole     every page and every picture can be read")
    return 0


def _salvage(options: argparse.Namespace, config: Config) -> int:
    from edge_agent.store.salvage import REPORT, salvage
    from edge_agent.store_bootstrap import store_key

    path, key = store_key(config)
    report = salvage(path, key, into=options.into, now=datetime.now(UTC))
    for name, table in report.tables.items():
        if table.lost or table.without_parent or not table.is_exact:
            least = "" if table.is_exact else " or more"
            print(f"{name}: {table.kept} rows saved, {table.lost + table.without_parent}{least} lost")
    print(f"cases lost     {len(report.cases_lost)}{_some(report.cases_lost)}")
    print(f"pictures lost  {len(report.pictures_lost)}, saved {report.pictures_kept}")
    if report.log_frames_lost:
        print(f"the last writes were damaged too: {report.log_frames_lost} pages of them cannot be read")
    print("nothing was lost" if report.is_whole else f"the whole account is in {options.into / REPORT}")
    return 0


def _backup(options: argparse.Namespace, config: Config) -> int:  # noqa: ARG001
    from edge_agent.store.backups import Backups
    from edge_agent.store_bootstrap import open_store, store_key

    path, key = store_key(config)
    with open_store(config, is_locked=True):
        print(f"wrote {Backups(path, key).write(now=datetime.now(UTC))}; it opens no picture")
    return 0


def _restore(options: argparse.Namespace, config: Config) -> int:
    from edge_agent.store.backups import Backups
    from edge_agent.store.restore import missing_cases, restore
    from edge_agent.store_bootstrap import open_store, store_key

    path, key = store_key(config)
    backups = {one.path.name: one for one in Backups(path, key).list()}
    if options.name is None:
        print("\n".join(backups) or f"there are no backups in {path.parent}")
        return 0
    if options.name not in backups:
        raise StoreError(f"there is no backup {options.name}: derm-edge store restore lists them")
    if options.dry_run:
        later = missing_cases(path, key, backup=backups[options.name].path)
        print(f"{len(later)} cases that came after {options.name}{_some(later)}")
        return 0
    with suppress(StoreError), open_store(config, is_locked=True):
        pass  # where the present store still opens, what it deleted leaves the backups first
    backup = backups[options.name].path
    later = missing_cases(path, key, backup=backup)
    if later and not options.drop_later_cases:
        raise StoreError(
            f"{len(later)} cases came after this backup{_some(later)}: save them with derm-edge store salvage, "
            "then add --drop-later-cases"
        )
    restored = restore(path, key, backup=backup, now=datetime.now(UTC))
    print(f"restored {restored.cases} cases and {restored.pictures_with_key} pictures")
    if restored.pictures_without_key:
        print(f"{restored.pictures_without_key} pictures are lost: their keys were nowhere to be read")
    return 0


def _retention(options: argparse.Namespace, config: Config) -> int:
    from edge_agent.kiosk_bootstrap import build_registry
    from edge_agent.policy.load import policy_in_force
    from edge_agent.store.accounts import COMMAND_LINE
    from edge_agent.store.audit import Action
    from edge_agent.store.trusted_day import Belief
    from edge_agent.store_bootstrap import build_retention, open_store

    with open_store(config, is_locked=True) as store:
        retention = build_retention(config, store, policy=policy_in_force(config, remember=False).policy)
        due = retention.run(is_dry=options.dry_run, confirmed=options.confirm_date, is_commanded=options.records)
        if due.judged.is_confirmed and not options.dry_run:
            day = due.judged.today.isoformat()
            build_registry(store.database).audit.note(COMMAND_LINE, Action.DATE_CONFIRMED, detail=day)
    judged = due.judged
    if judged.belief is not Belief.BELIEVED:
        known = "no day is known yet" if judged.highest is None else f"the latest known day is {judged.highest}"
        mend = f"set it, or confirm it with --confirm-date {judged.today}" if judged.can_be_confirmed else "set it"
        raise StoreError(f"nothing was deleted: the clock says {judged.today}, {known}; {mend}")
    for name, count in due.counts.items():
        print(f"{name}  {count} {'due' if name in due.left else 'deleted'}")
    return 0


def _some(cases: tuple[str, ...] | list[str]) -> str:
    if not cases:
        return ""
    more = f" and {len(cases) - _SHOWN} more" if len(cases) > _SHOWN else ""
    return f" ({', '.join(cases[:_SHOWN])}{more})"
