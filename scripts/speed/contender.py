"""What a contender of the benchmark is: something that loads a model and runs one case, phase by phase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from scripts.speed.workload import Workload

PHASES = ("vision", "prefill", "decode")


@dataclass(slots=True)
class Phases:
    """Seconds of one case by phase, calls and tokens by phase, seconds by turn (without vision), every
    answer, how often something was chosen.

    ``vision``: pixels to embeddings. ``prefill``: up to the first token of an answer. ``decode``: its other tokens.
    """

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    tokens: dict[str, int] = field(default_factory=lambda: {"prefill": 0, "decode": 0})
    calls: dict[str, int] = field(default_factory=lambda: {"prefill": 0, "decode": 0})
    answers: list[list[int]] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    decisions: int = 0
    total: float = 0.0

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add what the block takes to a phase."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += perf_counter() - started


class Contender(Protocol):
    """One engine. ``note`` says in what it is not the same function as ours, or nothing."""

    note: str

    def load(self) -> None:
        """Read and compile everything."""

    def run(self, workload: Workload, case: int) -> Phases:
        """Run one case, the ``case``-th set of pictures."""
