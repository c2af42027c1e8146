"""``derm-edge capture``: pictures from a camera, a video file or a folder, through the agents, to a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.commands.arguments import add_case_arguments
from edge_agent.config import MAX_VIEWS, Config
from edge_agent.errors import ConfigError, PictureError

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen
    from edge_agent.contracts.case import Frame


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("capture", help="run one case on a camera, a video file or a folder")
    parser.add_argument(
        "--source", help="/dev/video0, a video file, an MJPEG address or a folder (default: configured)"
    )
    parser.add_argument(
        "--views",
        type=int,
        choices=range(1, MAX_VIEWS + 1),
        metavar="N",
        help=f"how many pictures to take, 1 to {MAX_VIEWS} (default: configured, else the profile's; of a folder: all)",
    )
    add_case_arguments(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Take the pictures and bring the case to its report.

    Raises:
        ConfigError: no source is named, or the device profile cannot be used.
        CameraError: the source gives no usable frame in time.
        PictureError: a folder's picture cannot be used, or it holds fewer than were asked for.
        EdgeError: see ``submission.submit``.
    """
    from edge_agent.capture.camera import capture_frames
    from edge_agent.capture.stills import is_folder, read_folder
    from edge_agent.commands.submission import submit

    source = options.source or config.capture.source
    if source is None:
        raise ConfigError("no camera is configured; name one with --source, or set [capture] source")
    if is_folder(Path(source)):
        frames = _of_folder(read_folder(Path(source)), options.views, source=source, screen=screen)
    else:
        count, timeout_s = _wanted(options.views, config)
        with screen.progress(f"taking pictures from {source}"):
            frames = capture_frames(
                source,
                count=count,
                timeout_s=timeout_s,
                file_timeout_s=config.capture.file_timeout_s,
            )
    return submit(frames, options=options, config=config, screen=screen)


def _of_folder(frames: list[Frame], views: int | None, *, source: str, screen: Screen) -> list[Frame]:
    """Return a folder's pictures, of more than were asked for the first.

    Raises:
        PictureError: it holds fewer than were asked for.
    """
    if views is None or views == len(frames):
        return frames
    if views > len(frames):
        raise PictureError(
            f"{source} holds {len(frames)} pictures, --views asks for {views}: add some, or ask for fewer"
        )
    screen.note(f"{source} holds {len(frames)} pictures; the first {views} by name are taken.")
    return frames[:views]


def _wanted(views: int | None, config: Config) -> tuple[int, float]:
    """Return how many pictures to take and how long to wait for one: as asked, else configured, else as the profile says."""
    from edge_agent.bootstrap import resolve_profile

    usual = resolve_profile(config).camera
    return views or config.capture.views or usual.views, config.capture.timeout_s or usual.timeout_s
