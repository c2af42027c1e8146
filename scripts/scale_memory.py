"""Sample the memory of a command and all processes that it starts, while it runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import psutil

INTERVAL_S = 0.1
STAGE = "stage "


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds, and the largest sums over the process tree in bytes: anonymous memory alone, and resident with mappings."""

    seconds: float
    anonymous_bytes: int
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a command left: its exit code, its lines, what it took, and what it took stage by stage."""

    code: int
    lines: tuple[str, ...]
    whole: Usage
    stages: dict[str, Usage]


def run_measured(command: Sequence[str], *, on_stage: Callable[[str], None]) -> Run:
    """Run a command to its end and sample it.

    Sums count twice what two programs share; what appears and vanishes within ``INTERVAL_S`` is not seen.

    Args:
        command: program and arguments; it may write lines ``stage NAME``.
        on_stage: called with every stage as it begins.
    """
    started = time.monotonic()
    meter = _Meter(started)
    lines: list[str] = []
    with subprocess.Popen(list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:

        def take(stream: Iterable[str]) -> None:
            for line in stream:
                lines.append(line.rstrip("\n"))
                if line.startswith(STAGE):
                    meter.begin(lines[-1].removeprefix(STAGE))
                    on_stage(lines[-1].removeprefix(STAGE))

        reader = Thread(target=take, args=(process.stdout,))
        reader.start()
        while process.poll() is None:
            meter.add(*_tree(process.pid))
            reader.join(INTERVAL_S)
        reader.join()
    return Run(process.returncode, tuple(lines), meter.whole(), meter.stages())


class _Meter:
    """Keep the peaks of the stage that runs, and of all."""

    def __init__(self, started: float) -> None:
        self._rows: list[tuple[str, float, list[int]]] = [("start", started, [0, 0])]

    def begin(self, stage: str) -> None:
        self._rows.append((stage, time.monotonic(), [0, 0]))

    def add(self, anonymous: int, resident: int) -> None:
        peaks = self._rows[-1][2]
        peaks[0], peaks[1] = max(peaks[0], anonymous), max(peaks[1], resident)

    def whole(self) -> Usage:
        peaks = [row[2] for row in self._rows]
        spent = time.monotonic() - self._rows[0][1]
        return Usage(spent, max(peak[0] for peak in peaks), max(peak[1] for peak in peaks))

    def stages(self) -> dict[str, Usage]:
        ends = [row[1] for row in self._rows[1:]] + [time.monotonic()]
        return {
            stage: Usage(end - begun, peaks[0], peaks[1])
            for (stage, begun, peaks), end in zip(self._rows, ends, strict=True)
        }


def _tree(pid: int) -> tuple[int, int]:
    """Return (anonymous, resident) bytes of a process and everything below it; what ends meanwhile counts nothing.

    A child that has not begun its own program yet (vfork) lies in its parent's memory and is not counted again.
    """
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
        lines = {one.pid: (one.ppid(), tuple(one.cmdline())) for one in processes}
    except psutil.Error:
        return _status(pid)
    begun = [one for one, (above, line) in lines.items() if one == pid or lines.get(above, (0, ()))[1] != line]
    rows = [_status(one) for one in begun]
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def _status(pid: int) -> tuple[int, int]:
    """Return RssAnon and VmRSS. Source: proc(5); a process that is ending has neither."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in text.splitlines() if line.startswith(("RssAnon", "VmRSS")))
    sizes = [int(found[name].split()[0]) * 1024 if name in found else 0 for name in ("RssAnon", "VmRSS")]
    return sizes[0], sizes[1]
