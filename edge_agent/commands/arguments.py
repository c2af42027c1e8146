"""Arguments that several commands share, and what a file to write must be."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_agent.errors import ConfigError


def add_case_arguments(parser: argparse.ArgumentParser) -> None:
    """Add form, consent, earlier visit, bundle, language and the kinds of output."""
    parser.add_argument("--intake", type=Path, help="the form, a JSON file; what it leaves out is not examined")
    parser.add_argument("--consent", type=Path, help="the consent record, a JSON file; without it: a test case")
    parser.add_argument("--previous", type=Path, metavar="REPORT.json", help="report of this person's earlier visit")
    parser.add_argument("--bundle", type=Path, help="bundle folder (default: the configured one)")
    parser.add_argument("--language", choices=["zh", "en"], help="language of the report")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the clinician's page for printing")
    parser.add_argument("--person", type=Path, metavar="FILE", help="also write the copy that the person takes home")
    parser.add_argument("--json", action="store_true", help="print the report as JSON and nothing else on stdout")


def check_folder(out: Path) -> None:
    """Refuse a file in a folder that does not exist: a stick that is not plugged in must not become one of this disk.

    Raises:
        ConfigError: names the folder.
    """
    folder = out.resolve().parent
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}: make it or plug it in first, or name another file with --out")
