"""Soak a second device beside the CPU: each in a child process of its own, by turns, with the bundle's own cases.

What is observed stands in ``Observed``; ``soak_verdict`` says what follows from it. Writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import EdgeError, InferenceError, UpdateError
from edge_agent.inference_child import InferenceChild
from edge_agent.ipc import Kind, Message

LAPS: Final = 2  # the second one on a child that was started again: a device that works once only is none
T = TypeVar("T")
OnProgress = Callable[[str, int, int], None]
MakeChild = Callable[[bool], InferenceChild]  # True: strict arithmetic, as the build's canary was made


@dataclass(frozen=True, slots=True)
class Pair:
    """One golden case on both devices, in seconds, and where they decided differently."""

    candidate_s: float
    cpu_s: float
    differing: tuple[str, ...] = ()


@dataclass(slots=True)
class Observed:
    """What a soak test saw; ``fault`` is what ended it early, on the second device.

    ``logit_gap``: largest |difference| of the canary's logits between the devices, both strict; ``logit_range``: their
    spread on the CPU. ``broken_bounds``: what canary and golden cases miss there. ``load_s``: from start
    to the first case, once per lap. ``memory_bytes``: per lap what the child
    held after each case.
    """

    device: str = ""
    load_s: list[float] = field(default_factory=list)
    broken_bounds: list[str] = field(default_factory=list)
    logit_gap: float = 0.0
    logit_range: float = 0.0
    pairs: list[Pair] = field(default_factory=list)
    memory_bytes: list[list[int]] = field(default_factory=list)
    fault: str = ""


class _CandidateError(Exception):
    """The second device failed: the end of the test, not of the program."""


class Soak:
    """Run one soak test.

    Args:
        candidate: makes a child on the second device; its children are stopped here.
        cpu: makes a child on the CPU.
        read_memory: bytes that a process holds, by its id.
        on_progress: told of every case.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        candidate: MakeChild,
        cpu: MakeChild,
        *,
        read_memory: Callable[[int], int],
        on_progress: OnProgress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._candidate = candidate
        self._cpu = cpu
        self._read_memory = read_memory
        self._on_progress = on_progress
        self._clock = clock

    def run(self, *, cases: int, max_s: float | None = None) -> Observed:
        """Compare the logits, then run the golden cases by turns.

        Args:
            cases: how many on each device, in all laps together.
            max_s: begin no further case after so many seconds; None lets all be run.

        Raises:
            InferenceError: the CPU failed; nothing can be said about the other device.
        """
        seen = Observed()
        try:
            self._compare_logits(seen)
            with _child(self._cpu(False)) as cpu:
                _on_cpu(cpu.start)
                for lap in range(LAPS):
                    first, last = cases * lap // LAPS, cases * (lap + 1) // LAPS
                    until = None if max_s is None else self._clock() + max_s / LAPS
                    self._lap(cpu, seen, range(first, last), total=cases, until=until)
        except _CandidateError as exc:
            seen.fault = str(exc)
        return seen

    def _compare_logits(self, seen: Observed) -> None:
        """Run the canary strictly on one device after the other: both in f32 must say the same but for rounding."""
        self._on_progress("canary, strict", 0, 0)
        with _child(self._candidate(True)) as child:
            self._start(child, seen)
            seen.broken_bounds += _on_candidate(child, {"kind": Kind.CANARY}).body["failures"]
            found = _logits(_on_candidate(child, {"kind": Kind.LOGITS}))
        with _child(self._cpu(True)) as child:
            expected = _logits(_on_cpu(lambda: child.ask(Message(body={"kind": Kind.LOGITS}))))
        gap = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
        seen.logit_gap = float(gap) if np.isfinite(gap) else float("inf")
        seen.logit_range = float(expected.max() - expected.min())

    def _lap(self, cpu: InferenceChild, seen: Observed, numbers: range, *, total: int, until: float | None) -> None:
        seen.memory_bytes.append([])
        with _child(self._candidate(False)) as child:
            begun = self._clock()
            self._start(child, seen)
            seen.broken_bounds += _on_candidate(child, {"kind": Kind.CANARY}).body["failures"]
            seen.load_s.append(self._clock() - begun)  # as a daily start, which replays the golden cases too
            for number in numbers:
                if until is not None and self._clock() > until:
                    break
                seen.pairs.append(_pair(child, cpu, number))
                seen.memory_bytes[-1].append(self._read_memory(child.pid or 0))
                self._on_progress(
                    f"case {len(seen.pairs)}" if until else "case", len(seen.pairs), 0 if until else total
                )

    @staticmethod
    def _start(child: InferenceChild, seen: Observed) -> None:
        try:
            child.start()
        except (InferenceError, UpdateError) as exc:
            raise _CandidateError(str(exc)) from exc
        seen.device = child.device


def _pair(candidate: InferenceChild, cpu: InferenceChild, number: int) -> Pair:
    """Run one case on both, who is first by turns: what the first one does to caches and clock must not count."""
    body = {"kind": Kind.ROUND, "number": number}
    rows: dict[bool, dict[str, Any]] = {}
    for is_candidate in (True, False) if number % 2 else (False, True):
        if is_candidate:
            rows[True] = dict(_on_candidate(candidate, body).body)
        else:
            rows[False] = dict(_on_cpu(lambda: cpu.ask(Message(body=body))).body)
    found, expected = rows[True]["decisions"], rows[False]["decisions"]
    places = dict.fromkeys([*expected, *found])  # one may decide where the other decides nothing
    differing = tuple(one for one in places if found.get(one, places) != expected.get(one, places))
    return Pair(float(rows[True]["seconds"]), float(rows[False]["seconds"]), differing)


@contextmanager
def _child(child: InferenceChild) -> Iterator[InferenceChild]:
    try:
        yield child
    finally:
        child.stop()


def _logits(message: Message) -> NDArray[np.float32]:
    return np.frombuffer(message.blobs[0], dtype="<f4").astype(np.float32)


def _on_candidate(child: InferenceChild, body: dict[str, Any]) -> Message:
    try:
        return child.ask(Message(body=body))
    except (InferenceError, UpdateError) as exc:
        raise _CandidateError(str(exc)) from exc


def _on_cpu(action: Callable[[], T]) -> T:
    try:
        return action()
    except EdgeError as exc:
        raise InferenceError(f"the CPU failed the soak test itself ({exc}); run derm-edge doctor") from exc
