"""What this computer has for a build: memory and disk that are free now."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Workstation:
    """Free memory and disk in bytes, and the cores that this process may use."""

    memory_available_bytes: int
    disk_free_bytes: int
    cpu_count: int


def detect_workstation(disk_path: Path) -> Workstation:
    """Read what is free now. Does not reserve anything.

    Args:
        disk_path: where the build writes; its nearest existing parent is read.
    """
    place = disk_path.resolve()
    while not place.exists():
        place = place.parent
    return Workstation(
        memory_available_bytes=min([psutil.virtual_memory().available, *control_group_room()]),
        disk_free_bytes=shutil.disk_usage(place).free,
        cpu_count=len(os.sched_getaffinity(0)),
    )


def control_group_room(
    root: Path = Path("/sys/fs/cgroup"), *, membership: Path = Path("/proc/self/cgroup")
) -> list[int]:
    """Return the bytes that every limited control group above this process has left; a container's limit is one.

    Cached file pages do not count as used: the system takes them back. Empty where there is no limit, or no cgroup v2.
    """
    try:
        line = next(line for line in membership.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return []
    place = root / line.removeprefix("0::").strip("/")
    found = (_room_of(folder) for folder in (place, *place.parents) if folder.is_relative_to(root))
    return [room for room in found if room is not None]


def _room_of(folder: Path) -> int | None:
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        rows = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(rows.get("inactive_file", 0)) + int(rows.get("active_file", 0)))
    except (OSError, ValueError):
        return None  # "max", or no such file: no limit here
