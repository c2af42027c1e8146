"""``derm-fleet``: the central side's commands. Errors are one line on stderr; the exit code names their class."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from edge_agent.errors import ConfigError, EdgeError
from fleet.database import open_database, open_for_reading
from fleet.hub import BrokerAddress, Hub
from fleet.ingest import Ingester
from fleet.status import HubStatus, read_status

_INTERRUPTED = 130  # as a shell reports Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: arguments without the program's name; None takes the process's.
    """
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except EdgeError as exc:
        if arguments.debug:
            raise
        print(f"derm-fleet: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED


def default_database() -> str:
    """Return the URL of the SQLite file used when nothing else is named."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"sqlite:///{Path(state).absolute() / 'derm-fleet' / 'hub.db'}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="derm-fleet", description="Central side of derm-edge: store and count.")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    database = argparse.ArgumentParser(add_help=False)
    database.add_argument(
        "--database", metavar="URL", default=None, help="sqlite:///FILE (default: in ~/.local/state) or postgresql://…"
    )

    serve = commands.add_parser("serve", parents=[database], help="store what devices send and acknowledge it")
    serve.add_argument("--broker", metavar="URL", required=True, help="mqtt://HOST:PORT")
    serve.add_argument("--once-stored", metavar="N", type=_positive, help="exit once N new results are acknowledged")
    serve.add_argument("--ready-file", metavar="PATH", type=Path, help="file that exists while devices are heard")
    serve.set_defaults(run=_serve)

    status = commands.add_parser("status", parents=[database], help="what is stored, missing, rejected, in conflict")
    status.add_argument("--json", action="store_true", help="one JSON object on stdout")
    status.set_defaults(run=_status)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number of at least 1")
    return int(text)


def _serve(arguments: argparse.Namespace) -> int:
    address = BrokerAddress.parse(arguments.broker)
    ready_file = ReadyFile(arguments.ready_file) if arguments.ready_file else None
    engine = open_database(arguments.database or default_database())
    log = _make_log()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        log.info("database_open", database=engine.url.render_as_string(hide_password=True))
        ingester = Ingester(engine, clock=time.time, log=log)
        client_id = f"derm-hub-{secrets.token_hex(8)}"
        hub = Hub(ingester, address=address, log=log, client_id=client_id, on_ready=ready_file)
        stored = hub.serve(stop, once_stored=arguments.once_stored)
        log.info("stopped", results=stored)
    finally:
        engine.dispose()
    return 0


class ReadyFile:
    """Keep a file in place while the hub hears devices: for scripts that must wait for it.

    Args:
        path: the file; its folder must exist.

    Raises:
        ConfigError: the file cannot be written; told at once, not when the first device is heard.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(path.name + ".part")
        self._write(is_ready=False)

    def __call__(self, is_ready: bool) -> None:
        """Create or remove the file."""
        self._write(is_ready=is_ready)

    def _write(self, *, is_ready: bool) -> None:
        try:
            self._temporary.write_text(json.dumps({"pid": os.getpid()}) + "\n", encoding="utf-8")
            if is_ready:
                self._temporary.replace(self._path)
            else:
                self._path.unlink(missing_ok=True)
                self._temporary.unlink()
        except OSError as exc:
            raise ConfigError(f"--ready-file {self._path} cannot be written; name another place") from exc


def _status(arguments: argparse.Namespace) -> int:
    engine = open_for_reading(arguments.database or default_database())
    try:
        status = read_status(engine)
    finally:
        engine.dispose()
    if arguments.json:
        print(status.model_dump_json())
    else:
        _print_status(status)
    return 0


def _print_status(status: HubStatus) -> None:
    console = Console(highlight=False)
    console.print(f"stored at hub: {status.stored}")
    console.print(f"withdrawn: {status.withdrawn}   missing: {status.missing}   rejected: {status.rejected}")
    console.print(f"conflicts: {status.conflicts}" + ("  (ALARM: look into the hub's log)" if status.conflicts else ""))
    unread = ", ".join(f"{reason} {count}" for reason, count in sorted(status.refused_payloads.items()))
    console.print(f"unreadable payloads: {unread or 'none'}")
    table = Table()
    for title in ("device", "epoch", "expected", "received", "rejected", "missing", "last heard, UTC"):
        table.add_column(title, no_wrap=True)
    for row in status.devices:
        heard = time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.last_seen_s))
        counts = (row.expected, row.received, row.rejected, row.missing)
        table.add_row(row.device[:8], row.epoch[:4], *map(str, counts), heard)
    console.print(table)


def _make_log() -> structlog.typing.FilteringBoundLogger:
    """Return a logger that writes JSON lines to stderr: one event per line, UTC."""
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return log
