"""``derm-calibrate accept``: the first run with real weights, one report. See docs/runbook.md."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from calibration.sweep.cli import add_sources, agents_of, check_counts


def add_parser(subparsers: Any) -> None:
    """Add ``accept`` to the command line of ``derm-calibrate``."""
    parser = subparsers.add_parser("accept", help="inspect, compare with transformers, build, evaluate, verify")
    parser.add_argument("base", type=Path, metavar="DIR", help="checkpoint in Hugging Face layout")
    add_sources(parser, base=False)
    parser.add_argument("--recipe", required=True, help="the recipe of the bundle")
    parser.add_argument("--reference", default="fp32", help="uncompressed recipe that it is measured against")
    parser.add_argument("--keys", type=Path, help="folder of NAME.pub.pem for --key; default: the development key")
    parser.set_defaults(run=run_accept)


def run_accept(arguments: argparse.Namespace) -> int:
    """Run every step until one fails, write the report, return the failure's exit code."""
    from calibration.acceptance.acceptance import AcceptanceRequest, accept, check_recipes
    from calibration.acceptance.report import REPORT, print_acceptance, write_acceptance
    from calibration.recipe import load_recipe
    from calibration.sweep.display import display_on
    from calibration.sweep.plan import SweepRequest
    from edge_agent.contracts.keys import load_keys, shipped_key_folder

    check_counts(arguments)
    wanted = SweepRequest(
        base=arguments.base,
        adapters=agents_of(arguments.adapter),
        recipes=check_recipes(load_recipe(arguments.reference), load_recipe(arguments.recipe)),
        out=arguments.out,
        cases=arguments.cases,
        private_key=arguments.key,
        calibration_cases=arguments.calibration_cases,
        per_tone=arguments.per_tone,
        forced_per_tone=arguments.forced_per_tone,
        stops_at_failure=True,
    )
    request = AcceptanceRequest(wanted, keys=load_keys(arguments.keys or shipped_key_folder()))
    screen = Console(stderr=True)
    found = accept(request, display=display_on(screen), on_progress=_Hashed(screen))
    write_acceptance(found, arguments.out)
    output = Console()
    print_acceptance(found, console=output if output.is_terminal else Console(width=160))
    print(arguments.out / REPORT)
    return found.exit_code


class _Hashed:
    """Tell how many of the checkpoint's bytes are hashed, one line per tenth: seven billion weights take a while."""

    def __init__(self, console: Console) -> None:
        self._console, self._told = console, 0

    def __call__(self, file: str, done: int, total: int) -> None:
        """Print a line where a tenth is full."""
        tenth = 10 * done // max(total, 1)
        if tenth > self._told:
            self._told = tenth
            self._console.print(f"inspect: {10 * tenth} % hashed ({file})", highlight=False, soft_wrap=True)
