"""``derm-edge camera``: look whether the live camera works, once or until Ctrl-C. Shows and keeps no picture."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.errors import CameraError

if TYPE_CHECKING:
    from edge_agent.capture.live import CameraStatus, LiveCamera
    from edge_agent.commands.screen import Screen
    from edge_agent.contracts.terms import Vocabulary

STATUS_WAIT_S = 30.0  # loading OpenCV on a busy computer takes longest


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("camera", help="check the live camera: its state, and what to do about a fault")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    status = actions.add_parser("status", help="open the camera, print its state, and close it")
    status.set_defaults(command=run_status)
    watch = actions.add_parser("watch", help="print every change of state until Ctrl-C")
    watch.add_argument("--seconds", type=float, metavar="N", help="end after so many seconds")
    watch.set_defaults(command=run_watch)
    for action in (status, watch):
        action.add_argument("--source", help="camera, address, video file or folder (default: configured)")


def run_status(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Open the camera and wait until it is live or has a fault.

    Raises:
        CameraError: it has a fault; the line says which and what to do.
        ConfigError: no source is named.
    """
    camera, vocabulary = _open(options, config)
    camera.start()
    try:
        with screen.progress("looking at the camera"):
            found = camera.wait_until(lambda now: now.state not in {"off", "starting"}, timeout_s=STATUS_WAIT_S)
        found = found or camera.status()
    finally:
        camera.stop()
    print(_line(found, config, vocabulary))
    return _verdict(found, config, vocabulary)


def run_watch(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Print every change of state until Ctrl-C, or for ``--seconds``.

    Raises:
        CameraError: it has a fault at the end.
        ConfigError: no source is named.
    """
    camera, vocabulary = _open(options, config)
    began_s = time.monotonic()
    deadline_s = began_s + (options.seconds if options.seconds is not None else float("inf"))
    camera.start()
    try:
        found = camera.status()
        while True:
            seen = (found.state, found.fault, found.name)
            print(f"{time.monotonic() - began_s:7.1f} s  {_line(found, config, vocabulary)}", flush=True)
            news = _await_change(camera, seen, deadline_s)
            if news is None:
                return _verdict(camera.status(), config, vocabulary)
            found = news
    except KeyboardInterrupt:
        return _verdict(camera.status(), config, vocabulary)
    finally:
        camera.stop()


def _await_change(camera: LiveCamera, seen: tuple[object, ...], deadline_s: float) -> CameraStatus | None:
    """Wait for another state or fault; None at the deadline. In short pieces, for Ctrl-C interrupts no long wait."""
    while (left_s := deadline_s - time.monotonic()) > 0:
        news = camera.wait_until(lambda now: (now.state, now.fault, now.name) != seen, timeout_s=min(1.0, left_s))
        if news is not None:
            return news
    return None


def _open(options: argparse.Namespace, config: Config) -> tuple[LiveCamera, Vocabulary]:
    from edge_agent.bootstrap import resolve_profile
    from edge_agent.capture.live import LiveCamera
    from edge_agent.capture.live_source import camera_settings
    from edge_agent.contracts.terms import Vocabulary

    settings = camera_settings(config.capture, resolve_profile(config).camera, source=options.source)
    return LiveCamera(settings), Vocabulary.load()


def _line(status: CameraStatus, config: Config, vocabulary: Vocabulary) -> str:
    parts = [str(status.state)]
    if status.fault is not None:
        parts.append(f"{status.fault}: {vocabulary.label(status.fault, config.language, of='camera_fault')}")
    if status.width:
        parts.append(f"{status.width}x{status.height} px")
    if status.name:
        parts.append(f"{status.name!r}, swap: {status.swap}{', pictures locked' if status.is_locked else ''}")
    return "  ".join(parts)


def _verdict(status: CameraStatus, config: Config, vocabulary: Vocabulary) -> int:
    if status.state == "live":
        return 0
    if status.fault is not None:
        raise CameraError(f"{status.source}: {vocabulary.label(status.fault, config.language, of='camera_fault')}")
    raise CameraError(f"{status.source} gave no picture yet: try again with a longer --seconds")
