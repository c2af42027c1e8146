"""``derm-edge case``: pictures from files or a folder, through the agents, to a report.

A case without a picture needs a form: care without a photograph is always possible (policy R1).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.commands.arguments import add_case_arguments
from edge_agent.config import Config
from edge_agent.errors import PictureError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("case", help="run one case on picture files")
    parser.add_argument("--image", type=Path, action="append", default=[], metavar="FILE", help="a picture; repeat it")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="all pictures of a folder, by name")
    add_case_arguments(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Read the pictures and bring the case to its report.

    Raises:
        PictureError: neither a picture nor a form was named, or a picture cannot be used.
        EdgeError: see ``submission.submit``.
    """
    from edge_agent.capture.stills import picture_paths, read_picture
    from edge_agent.commands.submission import submit

    sources = [*options.image, *([options.folder] if options.folder is not None else [])]
    if not sources and options.intake is None:
        raise PictureError("name at least one picture (--image FILE or --folder DIR), or a form alone (--intake FILE)")
    return submit(
        [read_picture(path) for path in picture_paths(sources)], options=options, config=config, screen=screen
    )
