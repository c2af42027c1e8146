"""Read from the kernel how much of a mapped file lies in this process's memory."""

from __future__ import annotations

from pathlib import Path


def resident_bytes(path: Path) -> int:
    """Return the bytes of a file's mappings that are resident in this process. Source: proc(5), smaps."""
    total, is_here = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        first, *rest = line.split(maxsplit=5)
        if not first.endswith(":"):
            is_here = bool(rest) and rest[-1] == str(path.resolve())
        elif first == "Rss:" and is_here:
            total += int(rest[0]) * 1024
    return total
