"""The command line ``derm-edge``: parse, dispatch, and turn every error into one line and an exit code.

What a command does stands in ``edge_agent.commands``; each loads its libraries only when it is chosen.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_agent.commands import bundle, capture, case, daemon, doctor, status, sync
from edge_agent.commands.screen import Screen
from edge_agent.config import Config, load_config
from edge_agent.errors import EdgeError

Command = Callable[[argparse.Namespace, Config, Screen], int]
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        0 when it did what it was asked, else the exit code of the error's class (``edge_agent.errors``).
    """
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options, load_config(options.config), Screen())
    except EdgeError as exc:
        if options.debug:
            traceback.print_exc()
        print(f"derm-edge: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print("derm-edge: stopped by Ctrl-C; a stored case is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (| head). Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="derm-edge",
        description="Three dermatology agents at the edge. The reference model is not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=f"derm-edge {_version()}")
    parser.add_argument("--config", type=Path, help="configuration file (default: $DERM_EDGE_CONFIG, /etc/derm-edge)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (case, capture, daemon, sync, status, doctor, bundle):
        module.add_parser(commands)
    return parser


def _version() -> str:
    try:
        return version("derm-edge")
    except PackageNotFoundError:
        return "(not installed)"
