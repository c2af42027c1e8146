"""Where the live camera's pictures come from, and what the operator and the hardware say about it.

Looks at names and kinds of files and opens no camera. V4L2 devices are untested on hardware.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from edge_agent.capture.picture_size import MIN_EDGE_PX
from edge_agent.errors import ConfigError

if TYPE_CHECKING:  # the camera child reads this module too, and needs neither
    from device_profiles.profile import Camera
    from edge_agent.config import CaptureConfig

ADDRESSES: Final = ("http://", "https://", "rtsp://", "rtsps://")
MIN_CAMERA_EDGE_PX: Final = 448  # the side of a view at the usual pixel budget (device_profiles: camera.width_px)
DEVICE_OPEN_S: Final = 4.0  # a USB camera opens within two to three seconds (device_profiles: camera.timeout_s)
USUAL_FPS: Final = 15.0  # smooth enough to frame by, and half of the work of 30
IDLE_FPS: Final = 0.8  # enough to notice every fault within five seconds; the daemon whole stays below 1 % of one core
_V4L: Final = Path("/sys/class/video4linux")


class SourceKind(StrEnum):
    """Name how a source is opened and paced."""

    DEVICE = "device"  # V4L2
    ADDRESS = "address"  # MJPEG over http, or RTSP
    PIPE = "pipe"  # a fifo that a program writes a video stream into
    VIDEO = "video"  # a file, shown in a loop: a virtual camera
    FOLDER = "folder"  # pictures, shown in turn: a virtual camera


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Say which camera to open and what it must be.

    ``width_px`` and ``height_px`` are asked of the camera; ``is_size_required``: another size is the wrong camera.
    ``min_edge_px``: the shorter edge of a picture that can be read. ``expected_name``: stands in the camera's own name.
    ``fps`` is taken while somebody looks, ``idle_fps`` while nobody does. ``open_timeout_s``: patience with opening.
    """

    source: str
    width_px: int = 1280
    height_px: int = 720
    fps: float = USUAL_FPS
    idle_fps: float = IDLE_FPS
    expected_name: str | None = None
    is_size_required: bool = False
    min_edge_px: int = MIN_CAMERA_EDGE_PX
    open_timeout_s: float = DEVICE_OPEN_S


def camera_settings(config: CaptureConfig, usual: Camera, *, source: str | None = None) -> CameraSettings:
    """Combine the operator's wish with the device profile's facts.

    Args:
        config: the section ``[capture]``.
        usual: the profile's camera, asked for where the operator names no size.
        source: takes the place of the configured one.

    Raises:
        ConfigError: no source is named.
    """
    chosen = source or config.source
    if chosen is None:
        raise ConfigError("no camera is configured; name one with --source, or set [capture] source")
    kind = kind_of(chosen)
    is_virtual = kind in {SourceKind.FOLDER, SourceKind.VIDEO}
    return CameraSettings(
        source=chosen,
        width_px=config.width_px or usual.width_px,
        height_px=config.height_px or usual.height_px,
        fps=config.fps or USUAL_FPS,
        expected_name=config.expected_name,
        is_size_required=config.width_px is not None,
        min_edge_px=MIN_EDGE_PX if is_virtual else MIN_CAMERA_EDGE_PX,  # somebody chose those pictures, as for stills
        open_timeout_s=config.timeout_s or (usual.timeout_s if kind is SourceKind.ADDRESS else DEVICE_OPEN_S),
    )


def kind_of(source: str) -> SourceKind:
    """Say how a source is opened. What is not there (yet) counts as a device."""
    if source.startswith(ADDRESSES):
        return SourceKind.ADDRESS
    try:
        mode = device_path(source).stat().st_mode
    except OSError:
        return SourceKind.DEVICE
    if stat.S_ISDIR(mode):
        return SourceKind.FOLDER
    if stat.S_ISFIFO(mode):
        return SourceKind.PIPE
    return SourceKind.VIDEO if stat.S_ISREG(mode) else SourceKind.DEVICE


def device_path(source: str) -> Path:
    """Return the path of a source that is no address; a bare number N is /dev/videoN."""
    return Path(f"/dev/video{int(source)}") if source.isdigit() else Path(source)


def is_present(source: str) -> bool:
    """Say whether a path exists; an address always does, only opening it shows more."""
    try:
        return source.startswith(ADDRESSES) or device_path(source).exists()
    except OSError:
        return False


def shown_source(source: str) -> str:
    """Return a source as it may be shown and logged: without user name and password."""
    if not source.startswith(ADDRESSES):
        return source
    parts = urlsplit(source)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def own_name(source: str) -> str:
    """Return what the camera calls itself: a V4L2 device by its driver, an address by its host, a path by its end."""
    if source.startswith(ADDRESSES):
        return urlsplit(source).hostname or ""
    path = device_path(source)
    node = os.path.realpath(path)
    try:
        return (_V4L / Path(node).name / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return path.name
