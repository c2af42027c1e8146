"""``derm-edge run``: the daemon, in the foreground, until SIGTERM or Ctrl-C; SIGHUP lets it read its configuration again."""

from __future__ import annotations

import argparse
import os
import shutil
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.config import Config
from edge_agent.errors import ConfigError, DaemonError, StoreError, StoreFull

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen
    from edge_agent.supervision.notify import Notifier


RETRY_S: Final = 20.0  # after so long a full disk may have room again
LEAST_BYTES: Final = 1_000_000  # with less free than this a store cannot be opened
BEAT_S: Final = 5.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it has no arguments of its own."""
    parser = commands.add_parser("run", help="run the daemon: takes cases, resumes pending ones, syncs")
    parser.set_defaults(command=run)


class _Run:
    """One life of the process: several daemons, one after the other, where the configuration is read again.

    ``closed``: why the last try found nothing that it could open; None: there was none, or it went well.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.is_ending = False
        self.closed: StoreError | None = None

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

    Where the store cannot be opened, the screen says so (``kiosk.closed``) until SIGTERM, or SIGHUP for another try. A
    technician's command that holds the state folder meanwhile is waited for.

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
            _serve(options.config, life, notifier=notifier, screen=screen)
            if not life.is_ending:
                notifier.reloading(time.monotonic())
    return 0


def _serve(path: Path | None, life: _Run, *, notifier: Notifier, screen: Screen) -> None:
    from edge_agent.daemon_bootstrap import open_daemon
    from edge_agent.supervision.safe_mode import read_wish

    stop = life.begin()
    screen.note("derm-edge: verifying the bundle and loading the engine ...")
    wish = read_wish(path)
    with ExitStack() as stack:
        try:
            daemon = stack.enter_context(open_daemon(wish, stop=stop, notifier=notifier))
        except (StoreError, DaemonError) as exc:
            shown = _told_right(wish.config, exc) if isinstance(exc, StoreError) else life.closed
            if shown is None or not wish.config.kiosk.is_enabled:
                raise
            screen.note(f"derm-edge: {exc}")
            life.closed = shown
            _stay_closed(wish.config, shown, stop, notifier=notifier, is_busy=isinstance(exc, DaemonError))
            if life.is_ending:
                raise
            return
        life.closed = None
        for line in daemon.faults:
            screen.note(f"derm-edge: safe mode, cases are kept and wait; mend this: {line}")
        daemon.run(wish.config.state_dir)


def _told_right(config: Config, error: StoreError) -> StoreError:
    """Name a full disk: SQLite calls it an I/O error where not even its index file can be made."""
    with suppress(OSError):
        if shutil.disk_usage(config.state_dir).free < LEAST_BYTES:
            return StoreFull(f"no space left in {config.state_dir}: free disk space")
    return error


def _stay_closed(
    config: Config, error: StoreError, stop: threading.Event, *, notifier: Notifier, is_busy: bool
) -> None:
    """Say on the screen that nothing can be opened, until told otherwise; what may pass by itself is tried again.

    Holds no lock, so that a person may check and salvage the store meanwhile; while somebody does, nothing is tried and the
    page stays. Changes nothing in the store. ``is_busy``: the last try met such a person.
    """
    from edge_agent.ipc import CLOSED
    from edge_agent.kiosk.closed import ClosedPage
    from edge_agent.store.space import RESERVE

    if isinstance(error, StoreFull):  # what the reserve is for: people must not wait for a technician
        with suppress(OSError):
            (config.state_dir / RESERVE).unlink(missing_ok=True)
    with ClosedPage(config, error):
        notifier.status(f"{CLOSED} {error}")
        notifier.ready()  # after the line: whoever waits for READY reads it
        left_s = 0.0 if is_busy else RETRY_S
        while not stop.wait(BEAT_S):
            notifier.alive()
            left_s -= BEAT_S
            if (is_busy or error.retryable) and left_s <= 0 and not _is_in_use(config.state_dir):
                return


def _is_in_use(state_dir: Path) -> bool:
    """Say whether another process works with the state folder just now."""
    from edge_agent.state_dir import StateLock

    with suppress(ConfigError):  # the next try says what is wrong with the folder
        try:
            StateLock(state_dir, wait_s=0.0).close()
        except DaemonError:
            return True
    return False
