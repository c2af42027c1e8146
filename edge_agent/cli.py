"""The command line ``derm-edge``: parse, dispatch, and turn every error into one line and an exit code.

What a command does stands in ``edge_agent.commands``; each loads its libraries only when it is chosen.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_agent.commands import (
    account,
    audit,
    bundle,
    camera,
    capture,
    case,
    daemon,
    device,
    diagnose,
    doctor,
    export,
    install,
    letter,
    policy,
    profile,
    status,
    store,
    sync,
)
from edge_agent.commands.place import placed
from edge_agent.commands.screen import Screen
from edge_agent.config import DEFAULT_PATH, PATH_VARIABLE, Config, load_config
from edge_agent.errors import EdgeError, StoreFull

Command = Callable[[argparse.Namespace, Config, Screen], int]
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h: a mistake in this program, no class of errors


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        0 when it did what it was asked, else the exit code of the error's class (``edge_agent.errors``), or
        ``UNEXPECTED``.
    """
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        # The daemon reads the file itself: it takes cases under a broken one too.
        config = Config() if command is daemon.run else load_config(options.config)
        code = command(options, config, Screen())
        if sys.stdout is not None:  # None when it was closed before the start
            sys.stdout.flush()  # a full disk is found here, not after the exit code was chosen
    except EdgeError as exc:
        return _refuse(placed(exc, options.config), code=exc.exit_code, debug=options.debug)
    except KeyboardInterrupt:
        print("derm-edge: stopped by Ctrl-C; a stored case is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # its reader went away (| head)
        return 1
    except Exception as exc:  # noqa: BLE001  (the last resort: a person at a kiosk cannot read a traceback)
        if isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            _drop_output()
            line = "cannot write the output, no space is left: free disk space and try again"
            return _refuse(line, code=StoreFull.exit_code, debug=options.debug)
        words = " ".join(str(exc).split())
        line = f"unexpected error: {type(exc).__name__}: {words}; run again with --debug and report it"
        return _refuse(line, code=UNEXPECTED, debug=options.debug)
    return code


def _refuse(line: str, *, code: int, debug: bool) -> int:
    """Print the one line of the present error, after its traceback where somebody asked for it."""
    with suppress(OSError):  # the exit code says it even where stderr cannot
        if debug:
            traceback.print_exc()
        print(f"derm-edge: {line}", file=sys.stderr)
    return code


def _drop_output() -> None:
    """Let what stdout still holds go nowhere: Python would complain about it again while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="derm-edge",
        description="Three dermatology agents at the edge. The reference model is not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=f"derm-edge {_version()}")
    parser.add_argument(
        "--config", type=Path, help=f"configuration file (default: ${PATH_VARIABLE}, else {DEFAULT_PATH})"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    commanded = (
        case, capture, camera, daemon, sync, status, doctor, diagnose, profile, device, bundle, letter, export, account,
        audit, policy, store, install,
    )  # fmt: skip
    for module in commanded:
        module.add_parser(commands)
    return parser


def _version() -> str:
    try:
        return version("derm-edge")
    except PackageNotFoundError:
        return "(not installed)"
