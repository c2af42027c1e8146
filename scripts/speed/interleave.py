"""Run contenders in processes of their own, in turns, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Any

from scripts.speed.contenders import Parts

Tell = Callable[[str], None]


@dataclass(slots=True)
class Series:
    """What one contender did in all its runs; every figure as measured, medians are for readers."""

    name: str
    note: str = ""
    load_s: float = 0.0
    loaded: dict[str, int] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Series:
        """Return the series that a kept record of kind ``case`` holds."""
        return cls(**{name.name: record[name.name] for name in fields(cls)})

    def median(self, phase: str | None = None) -> float:
        """Return the median seconds of a phase, or of the whole case."""
        return statistics.median(self.all(phase))

    def all(self, phase: str | None = None) -> list[float]:
        """Return the seconds of a phase, or of the whole case, run by run."""
        return [run["total"] if phase is None else run["seconds"][phase] for run in self.runs]

    @property
    def peak_bytes(self) -> int:
        """Return the largest resident size of the process, loading and all runs."""
        peaks: list[int] = [self.loaded["peak_bytes"], *(run["peak_bytes"] for run in self.runs)]
        return max(peaks)

    def spread(self, phase: str | None = None) -> tuple[float, float]:
        """Return the least and the largest."""
        found = self.all(phase)
        return min(found), max(found)


class Process:
    """One contender's process."""

    def __init__(self, name: str, parts: Parts, *, is_strict: bool = False) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.speed.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        folders = {"checkpoint": parts.checkpoint, "bundle": parts.bundle, "genai": parts.genai}
        said = {key: str(value) for key, value in folders.items()}
        self._write({"name": name, "parts": said, "side_px": parts.side_px, "is_strict": is_strict})

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises:
            RuntimeError: the process ended.
        """
        self._write(command)
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"{self.name} ended with code {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def _write(self, message: Mapping[str, Any]) -> None:
        if self._process.stdin is None:
            raise RuntimeError(f"{self.name} has no input")
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as exc:
            raise RuntimeError(f"{self.name} ended") from exc


def interleaved(
    names: Sequence[str], parts: Parts, *, workload: str, size: Mapping[str, int], repeats: int, tell: Tell
) -> dict[str, Series]:
    """Load every contender, then run them in turns: once to warm up, then ``repeats`` times in changing order.

    A contender that cannot load or run keeps its error and takes no further part.
    """
    found = {name: Series(name) for name in names}
    with ExitStack() as stack:
        running = {name: stack.enter_context(Process(name, parts)) for name in names}
        for name, process in running.items():
            tell(f"load {name}")
            said = _try(found[name], process, {"do": "load"})
            found[name].load_s, found[name].note = said.pop("seconds", 0.0), said.pop("note", "")
            found[name].loaded = said
        for number in range(repeats + 1):
            order = list(names) if number % 2 == 0 else list(reversed(names))
            for name in order:
                if found[name].error:
                    continue
                tell(f"{'warm up' if number == 0 else f'run {number} of {repeats}'}: {name}")
                command = {"do": "run", "workload": workload, "size": dict(size), "case": number}
                run = _try(found[name], running[name], command)
                if number and run:
                    found[name].runs.append(run)
    return found


def _try(series: Series, process: Process, command: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return process.ask(command)
    except RuntimeError as exc:
        series.error = str(exc)
        return {}
