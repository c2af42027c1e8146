"""``derm-edge run``: the daemon, in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import TYPE_CHECKING

from edge_agent.config import Config

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it has no arguments of its own."""
    parser = commands.add_parser("run", help="run the daemon: takes cases, resumes pending ones, syncs")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Run the daemon until it is told to stop.

    Returns:
        0 after SIGTERM or SIGINT: the running case was finished or is resumed at the next start.

    Raises:
        EdgeError: it cannot start: configuration, store, bundle, or another daemon.
    """
    from edge_agent.bootstrap import open_daemon

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    screen.note("derm-edge: verifying the bundle and loading the engine ...")
    with open_daemon(config, stop=stop) as daemon:
        daemon.run(config.state_dir)
    return 0
