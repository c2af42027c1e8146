"""``derm-edge run``: the daemon, in the foreground, until SIGTERM or Ctrl-C; SIGHUP lets it read its configuration again."""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import Config

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen
    from edge_agent.supervision.notify import Notifier


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it has no arguments of its own."""
    parser = commands.add_parser("run", help="run the daemon: takes cases, resumes pending ones, syncs")
    parser.set_defaults(command=run)


class _Run:
    """One life of the process: several daemons, one after the other, where the configuration is read again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.is_ending = False

    def begin(self) -> threading.Event:
        """Return the event that stops the next daemon; it is set already where the process is told to end."""
        with self._lock:
            self._stop = threading.Event()
            if self.is_ending:
                self._stop.set()
            return self._stop

    def end(self) -> None:
        """Stop the present daemon, and start no other."""
        with self._lock:
            self.is_ending = True
            self._stop.set()

    def reload(self) -> None:
        """Stop the present daemon; another one is started on the configuration as it is then."""
        with self._lock:
            self._stop.set()


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (it reads its own)
    """Run the daemon until it is told to stop. A broken configuration does not keep it from taking cases (safe mode).

    Returns:
        0 after SIGTERM or SIGINT: the running case was finished or is resumed at the next start.

    Raises:
        EdgeError: it cannot keep cases: state folder, store, key, or another daemon.
    """
    from edge_agent.supervision.notify import Notifier
    from edge_agent.supervision.signals import Signals

    life = _Run()
    notifier = Notifier.of(os.environ)
    with Signals(life.end, life.reload):
        while not life.is_ending:
            _serve(options.config, life.begin(), notifier=notifier, screen=screen)
            if not life.is_ending:
                notifier.reloading(time.monotonic())
    return 0


def _serve(path: Path | None, stop: threading.Event, *, notifier: Notifier, screen: Screen) -> None:
    from edge_agent.daemon_bootstrap import open_daemon
    from edge_agent.supervision.safe_mode import read_wish

    screen.note("derm-edge: verifying the bundle and loading the engine ...")
    wish = read_wish(path)
    with open_daemon(wish, stop=stop, notifier=notifier) as daemon:
        for line in daemon.faults:
            screen.note(f"derm-edge: safe mode, cases are kept and wait; mend this: {line}")
        daemon.run(wish.config.state_dir)
