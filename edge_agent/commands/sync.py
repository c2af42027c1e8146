"""``derm-edge sync``: bring everything queued to the hub now, and say what stands where."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_agent.config import Config
from edge_agent.errors import UplinkError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("sync", help="send what is queued to the hub now")
    parser.add_argument("--timeout", type=float, metavar="S", help="patience in seconds (default: configured)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Send, wait for the hub's acknowledgement, and print the counts.

    Returns:
        0 when nothing waits any more.

    Raises:
        UplinkError: rows still wait after the time, or the hub is not reached.
    """
    timeout_s = options.timeout or config.broker.sync_timeout_s
    with screen.progress(f"sending to {config.broker.url}"):
        counts = _sync(config, timeout_s=timeout_s)
    if options.json:
        json.dump(counts, sys.stdout)
        sys.stdout.write("\n")
    else:
        print(
            f"newly stored: {counts['newly_stored']}   stored at hub: {counts['stored']}   queued: {counts['queued']}"
            f"   sent: {counts['sent']}   rejected: {counts['rejected']}"
        )
    if counts["queued"] + counts["sent"]:
        raise UplinkError(f"{counts['queued'] + counts['sent']} records still wait for the hub; they stay queued")
    return 0


def _sync(config: Config, *, timeout_s: float) -> dict[str, Any]:
    from edge_agent import bootstrap
    from edge_agent.commands.submission import ask
    from edge_agent.ipc import Kind, Message

    answer = ask(config.state_dir, Message(body={"kind": Kind.SYNC, "timeout_s": timeout_s}))
    if answer is not None:
        return {key: value for key, value in answer.body.items() if key != "kind"}
    with bootstrap.open_store(config) as store:
        return asdict(bootstrap.build_uplink(config, store.outbox).sync_once(timeout_s))
