"""Give memory back that the runtime holds without need: pages of mapped weight files, freed heap. Linux; elsewhere nothing.

The CPU plugin packs a model's weights into its own layout when the model first runs, and keeps the file mapped. From then
on the file's pages are read no more, but they count as the process's memory and can be taken from it only under pressure.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MADV_DONTNEED = 4  # madvise(2); the pages of a shared file mapping come back from the file when they are read again


class MappedFiles:
    """The weight files that this process maps. Knows their names; reads and changes none of them."""

    def __init__(self, *, process: Path = Path("/proc/self")) -> None:
        self._maps = process / "maps"
        self._names: set[str] = set()

    def add(self, path: Path) -> None:
        """Count a file among those that are dropped."""
        self._names.add(str(path.resolve()))

    def drop(self) -> int:
        """Let the kernel take the pages of all read-only shared mappings of these files.

        Returns:
            Bytes of address space that this was said about; 0 where nothing is mapped or this is no Linux.
        """
        try:
            lines = self._maps.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except OSError:
            return 0
        total = 0
        for line in lines:
            span, mode, *_, name = line.split(maxsplit=5)
            # Only what nobody can have written: a private page with changes would be lost.
            if name in self._names and mode == "r--s":
                begin, end = (int(part, 16) for part in span.split("-"))
                if ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED) == 0:
                    total += end - begin
        return total

    @contextmanager
    def dropping(self, *, interval_s: float = 0.1) -> Iterator[None]:
        """Drop again and again while the block runs, and at its end.

        Around a model's first run this keeps the file and its packed copy from lying in memory both at once.
        """
        done = threading.Event()

        def loop() -> None:
            while not done.wait(interval_s):
                self.drop()

        thread = threading.Thread(target=loop, name="drop-mapped-pages", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.drop()


def trim_heap() -> None:
    """Return freed heap to the system. Does nothing where the C library has no ``malloc_trim`` (other than glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return what the system says can be had without swapping (MemAvailable), or None where it does not say.

    Source: proc(5).
    """
    try:
        lines = meminfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:") and line.split()[1].isdigit()]
    return int(found[0]) * 1024 if found else None
