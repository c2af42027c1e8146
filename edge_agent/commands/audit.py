"""``derm-edge audit``: prove that the audit trail is whole, or write a copy to keep elsewhere."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.errors import StoreError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its two verbs."""
    parser = commands.add_parser("audit", help="verify the audit trail, or export it")
    verbs = parser.add_subparsers(title="verbs", required=True, dest="verb", metavar="VERB")
    verbs.add_parser("verify", help="recompute the chain of all rows")
    export = verbs.add_parser("export", help="write the trail as JSON lines with their hashes")
    export.add_argument("file", type=Path)
    export.add_argument("--days", type=int, metavar="N", help="only the last N days (default: everything)")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Verify, and export where that was asked; a trail that was changed is not exported as if it were whole.

    Raises:
        StoreCorrupt: a row was changed, removed or put in.
        StoreError: the file cannot be written.
    """
    from edge_agent.kiosk_bootstrap import open_registry
    from edge_agent.store.accounts import COMMAND_LINE
    from edge_agent.store.audit import Action
    from edge_agent.store.durable import write_whole

    with open_registry(config) as registry:
        count = registry.audit.verify()
        if options.verb == "export":
            since = None if options.days is None else datetime.now(UTC) - timedelta(days=options.days)
            try:
                write_whole(options.file, "".join(registry.audit.export_lines(since=since)))
            except OSError as exc:
                raise StoreError(f"cannot write {options.file}: {exc.strerror}; name another file") from exc
            registry.audit.note(COMMAND_LINE, Action.AUDIT_EXPORTED)
        screen.note(f"the trail is whole: {count} rows")
    return 0
