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
        memory_available_bytes=psutil.virtual_memory().available,
        disk_free_bytes=shutil.disk_usage(place).free,
        cpu_count=len(os.sched_getaffinity(0)),
    )
