"""``derm-calibrate verify``: one line per check and fault; the exit code of the first fault's class, 0 when all passed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from calibration.trust.outcome import Outcome, Report

_STYLES = {"ok": "green", "FAIL": "bold red", "skip": "yellow"}


def add_parser(subparsers: Any) -> None:
    """Add ``verify`` to the command line of ``derm-calibrate``."""
    parser = subparsers.add_parser("verify", help="check all that a stranger must trust about a bundle")
    parser.add_argument("bundle", type=Path, help="the bundle's folder, signed or as the build left it")
    parser.add_argument("--previous", type=Path, help="the bundle in use: its change plan must allow what changed")
    parser.add_argument("--keys", type=Path, help="folder of NAME.pub.pem; default: the development key")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> int:
    """Verify and print; return the report's exit code.

    Raises:
        ConfigError: the folder is no bundle, or a key cannot be read.
    """
    from calibration.trust.verify import verify
    from edge_agent.contracts.keys import load_keys, shipped_key_folder

    keys = load_keys(arguments.keys or shipped_key_folder())
    report = verify(arguments.bundle, keys=keys, previous=arguments.previous)
    if arguments.json:
        print(json.dumps(report.document(), indent=1, ensure_ascii=False))
    else:
        _print(report, Console(soft_wrap=True, highlight=False))
    return report.exit_code


def _print(report: Report, console: Console) -> None:
    for outcome in report.outcomes:
        for text in _lines(outcome):
            style = _STYLES[outcome.status.value]
            console.print(f"[{style}]{outcome.status.value:<5}[/]{outcome.check:<13}{escape(text)}")
    failed = sum(1 for outcome in report.outcomes if outcome.findings.faults)
    if report.is_trusted:
        console.print(f"{len(report.outcomes)} checks passed")
    else:
        console.print(f"{failed} of {len(report.outcomes)} checks failed, {len(report.faults)} faults")


def _lines(outcome: Outcome) -> list[str]:
    return [str(fault) for fault in outcome.findings.faults] or [outcome.findings.facts]
