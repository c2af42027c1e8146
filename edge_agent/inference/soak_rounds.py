"""The engine's side of a soak test: canary logits, golden decisions and rounds of golden cases with their seconds.

Judges nothing and knows of no other device: ``edge_agent.devices.soak`` holds two of these side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.golden import read_golden
from edge_agent.errors import DaemonError
from edge_agent.inference.canary_replay import replay_canary
from edge_agent.inference.engine import Engine
from edge_agent.inference.golden_replay import golden_answers
from edge_agent.ipc import Kind, Message


class SoakRounds:
    """Answer the soak test's questions with a loaded engine.

    Args:
        engine: on the device and in the arithmetic that are asked about.
        bundle: the same that the engine holds.
        clock: seconds, monotonic.
    """

    def __init__(self, engine: Engine, bundle: Bundle, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._engine = engine
        self._bundle = bundle
        self._clock = clock
        self._golden = read_golden(bundle.path_of("golden"))

    def answer(self, job: Message) -> Message:
        """Answer one question.

        Raises:
            DaemonError: it is not a question of a soak test.
            RejectedError: canary or golden cases cannot be read.
            InferenceError: the runtime failed.
        """
        if job.kind == Kind.LOGITS:
            return self._logits()
        if job.kind == Kind.CANARY:
            return Message(body={"kind": Kind.CANARY, "failures": list(self._engine.run_canary().failures())})
        if job.kind == Kind.ROUND:
            return self._round(int(job.body["number"]))
        raise DaemonError(f"a soak test does not ask {job.kind!r}; are both programs the same version?")

    def _logits(self) -> Message:
        """Return every canary prompt's logits: per blob float32[R, V] of one prompt, in the archive's order."""
        found: list[NDArray[np.float32]] = []

        def logits(*words: object, **options: object) -> NDArray[np.float32]:
            row = self._engine.logits(*words, **options)  # type: ignore[arg-type]  # passed on as they come
            found.append(row)
            return row

        has_branch = self._bundle.manifest.side_branch is not None
        replay_canary(self._bundle, encode=self._engine.encode, logits=logits, has_branch=has_branch)
        blob = np.concatenate([row.ravel() for row in found]).astype("<f4")
        return Message(body={"kind": Kind.LOGITS}, blobs=(blob.tobytes(),))

    def _round(self, number: int) -> Message:
        """Run one golden case as production does, from the pictures on, and forget it."""
        engine, cases = self._engine, self._golden.cases
        case = cases[number % len(cases)]
        begun = self._clock()
        rows = list(
            golden_answers(
                case,
                self._golden.pictures,
                self._bundle.manifest,
                encode=engine.encode,
                run=engine.run,
                follow=engine.follow,
            )
        )
        engine.forget()
        seconds = self._clock() - begun
        decisions = {row.place: row.found for row in rows if row.is_decided}
        return Message(body={"kind": Kind.ROUND, "seconds": seconds, "decisions": decisions})
