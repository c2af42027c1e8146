"""Read this computer's hardware facts and say where it falls short of a profile."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from device_profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Hold what was read from this computer: cores usable by this process, memory and free disk in bytes."""

    architecture: str
    cpu_count: int
    memory_total_bytes: int
    disk_free_bytes: int


def detect_host(disk_path: Path) -> HostFacts:
    """Read the facts of this computer. Does not measure speed.

    Args:
        disk_path: a path on the disk that holds the state; its nearest existing parent is read.
    """
    place = disk_path
    while not place.exists() and place != place.parent:
        place = place.parent
    return HostFacts(
        architecture=platform.machine(),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_total_bytes=psutil.virtual_memory().total,
        disk_free_bytes=shutil.disk_usage(place).free,
    )


def shortfalls(profile: Profile, host: HostFacts) -> list[str]:
    """List, one line each, where a computer falls short of a profile; empty when it fits."""
    wanted = profile.hardware
    lines = []
    if host.architecture != wanted.architecture:
        lines.append(f"architecture is {host.architecture}, the profile is for {wanted.architecture}")
    if host.cpu_count < wanted.cpu_count_min:
        lines.append(f"{host.cpu_count} usable cores, the profile needs {wanted.cpu_count_min}")
    if host.memory_total_bytes < wanted.memory_total_min_bytes:
        lines.append(
            f"{_gigabytes(host.memory_total_bytes)} of memory, needs {_gigabytes(wanted.memory_total_min_bytes)}"
        )
    if host.disk_free_bytes < wanted.disk_free_min_bytes:
        lines.append(f"{_gigabytes(host.disk_free_bytes)} of free disk, needs {_gigabytes(wanted.disk_free_min_bytes)}")
    return lines


def _gigabytes(count_bytes: int) -> str:
    return f"{count_bytes / 1e9:.1f} GB"
