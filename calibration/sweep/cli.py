"""``derm-calibrate sweep``: several recipes of one checkpoint, side by side, resumable."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from calibration.checkpoint.cli import adapter_folders
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.errors import ConfigError


def add_parser(subparsers: Any) -> None:
    """Add ``sweep`` to the command line of ``derm-calibrate``."""
    parser = subparsers.add_parser("sweep", help="build and measure several recipes; goes on after an interruption")
    add_sources(parser)
    parser.add_argument(
        "--recipe", action="append", default=[], required=True, help="a recipe's name or TOML file; repeat it"
    )
    parser.set_defaults(run=run_sweep)


def add_sources(parser: argparse.ArgumentParser, *, base: bool = True) -> None:
    """Add the options that say what goes in and where it comes out (``base``: also ``--base``)."""
    if base:
        parser.add_argument("--base", type=Path, required=True, help="checkpoint in Hugging Face layout")
    parser.add_argument(
        "--adapter", action="append", default=[], metavar="AGENT=DIR", help=f"PEFT folder; AGENT: {', '.join(AGENTS)}"
    )
    parser.add_argument(
        "--cases", type=Path, help="labelled cases (docs/evaluation.md); without them nothing is judged"
    )
    parser.add_argument("--calibration-cases", type=Path, help="default: BASE/calibration, then BASE/golden")
    parser.add_argument("--per-tone", type=int, help="first so many labelled cases of each tone group; default: all")
    parser.add_argument("--forced-per-tone", type=int, default=200, help="of them teacher-forced (default 200)")
    parser.add_argument("--out", type=Path, required=True, help="folder of stages, bundles and report")
    parser.add_argument("--key", type=Path, help="PEM private key: sign the bundles")


def agents_of(items: list[str]) -> dict[AgentName, Path]:
    """Read ``AGENT=DIR`` options.

    Raises:
        ConfigError: no agent of this name, no folder, or an agent twice.
    """
    folders = adapter_folders(items)
    return {agent: folders[agent] for agent in AGENTS if agent in folders}


def run_sweep(arguments: argparse.Namespace) -> int:
    """Run what is not finished, print the table, return the exit code of the first recipe that failed."""
    from calibration.recipe import load_recipe
    from calibration.sweep.display import display_on
    from calibration.sweep.plan import SweepRequest
    from calibration.sweep.report import REPORT, print_table, write_sweep_report
    from calibration.sweep.sweep import sweep

    check_counts(arguments)
    request = SweepRequest(
        base=arguments.base,
        adapters=agents_of(arguments.adapter),
        recipes=[load_recipe(name) for name in arguments.recipe],
        out=arguments.out,
        cases=arguments.cases,
        private_key=arguments.key,
        calibration_cases=arguments.calibration_cases,
        per_tone=arguments.per_tone,
        forced_per_tone=arguments.forced_per_tone,
    )
    result = sweep(request, display=display_on(Console(stderr=True)))
    rows = write_sweep_report(result, arguments.out)
    screen = Console()
    print_table(rows, console=screen if screen.is_terminal else Console(width=180))
    print(arguments.out / REPORT)
    return result.exit_code


def check_counts(arguments: argparse.Namespace) -> None:
    """Refuse counts of cases below one.

    Raises:
        ConfigError: names the option.
    """
    if arguments.per_tone is not None and arguments.per_tone < 1:
        raise ConfigError("--per-tone is at least 1")
    if arguments.forced_per_tone < 1:
        raise ConfigError("--forced-per-tone is at least 1")
