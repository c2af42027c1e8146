"""``derm-edge diagnose``: one archive for a technician far away, without patient data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.commands.arguments import check_folder
from edge_agent.config import Config
from edge_agent.errors import EdgeError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("diagnose", help="write status, versions, settings and logs, without patient data")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.zip", help="the archive to write")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Write the archive; what cannot be found out is said in it.

    Raises:
        ConfigError: it cannot be written, or its folder does not exist.
    """
    check_folder(options.out)
    from edge_agent.commands.doctor import checked, checks_of
    from edge_agent.supervision.diagnosis import write_diagnosis

    with screen.progress("looking at the device"):
        doctor = [checked(name, check, config, path=options.config)[1] for name, check in checks_of(is_quick=True)]
    files = write_diagnosis(options.out, config, status=_status(config), doctor=doctor, profile=_profile(config))
    print(f"{options.out}: {', '.join(files)}; no pictures, no forms, no reports, no keys")
    return 0


def _status(config: Config) -> dict[str, Any]:
    from edge_agent.commands.status import read_status

    try:
        return read_status(config)
    except EdgeError as exc:
        return exc.diagnostics()


def _profile(config: Config) -> dict[str, Any]:
    from edge_agent.bootstrap import resolve_profile

    try:
        return resolve_profile(config).model_dump(mode="json")
    except EdgeError as exc:
        return exc.diagnostics()
