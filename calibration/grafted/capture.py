"""Run calibration cases through the device's own engine and keep what its language model reads.

A whole conversation, answers included, is one row: NNCF resets the KV cache before each. The engine runs the FP32 graph
with FP32 adapters and the gates that the agents really have. Expected answers play no part.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.golden import decode_png, requests_of
from calibration.grafted.captured import ArrayFile, Tensors
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import Request
from edge_agent.contracts.golden import GoldenCase, GoldenSet
from edge_agent.contracts.manifest import AGENTS, AgentName, AgentSpec
from edge_agent.errors import CompressionError, ContractError, InferenceError
from edge_agent.inference.engine import Engine, EngineSettings
from edge_agent.inference.sequence import Sequence as Conversation
from edge_agent.inference.vision import EncodedView

BARE = "bare"


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """What was captured, for the recipe's record: counts alone.

    ``conversations`` by agent; ``tokens`` of all of them, pictures included.
    """

    cases: int
    conversations: dict[str, int]
    tokens: int


class _ObservedEngine(Engine):
    """The device's engine, with the conversation that its language model read last."""

    def __init__(self, bundle: Bundle, *, settings: EngineSettings) -> None:
        super().__init__(bundle, settings=settings)
        self._seen: Conversation | None = None
        self._open().language.observe = self._remember

    def _remember(self, conversations: Sequence[Conversation]) -> None:
        self._seen = conversations[0]

    def conversation(self, agent: AgentName, request: Request) -> Conversation:
        """Answer one request and return the conversation as far as the language model read it."""
        self._seen = None
        with contextlib.suppress(
            ContractError
        ):  # an answer that breaks its contract was read all the same, up to there
            self.run(agent, [request])
        if self._seen is None:
            raise RuntimeError("the language model read nothing")
        return self._seen

    def inputs_of(self, conversation: Conversation) -> Tensors:
        """Return what one fresh pass over the whole conversation feeds the language model."""
        return self._open().language.inputs_of(conversation)


def capture(bundle: Bundle, cases: GoldenSet, *, into: ArrayFile, limit: int, threads: int) -> CaptureRecord:
    """Run every agent on every case, one request at a time, until ``limit`` conversations are kept.

    Args:
        bundle: FP32 parts and FP32 adapters.
        cases: pictures and texts.
        into: gets one row per conversation, labelled with the agent's adapter or ``bare``.
        limit: how many conversations NNCF will look at; the order goes case by case, so that every agent is seen.
        threads: of the engine.

    Raises:
        CompressionError: a case lacks a text, or the engine cannot run it.
    """
    settings = EngineSettings(strict=True, threads=threads, reuse_prefix=False, batch_views=False)
    counts: Counter[str] = Counter()
    used: set[str] = set()
    tokens = 0
    try:
        engine = _ObservedEngine(bundle, settings=settings)
        with engine:
            for case, agent, request in _requests(cases, bundle=bundle, engine=engine):
                if len(into) == limit:
                    break
                conversation = engine.conversation(agent, request)
                into.append(engine.inputs_of(conversation), label=bundle.manifest.agents[agent].adapter or BARE)
                counts[agent] += 1
                used.add(case.case_id)
                tokens += len(conversation)
    except InferenceError as exc:
        raise CompressionError(f"the calibration cases cannot be run: {exc}") from exc
    if not into.labels:
        raise CompressionError("there is no calibration case to look at; add one")
    return CaptureRecord(cases=len(used), conversations=dict(counts), tokens=tokens)


def _requests(cases: GoldenSet, *, bundle: Bundle, engine: Engine) -> Iterator[tuple[GoldenCase, AgentName, Request]]:
    """Show each case to each agent as the manifest declares."""
    for case in cases.cases:
        pixels = {name: decode_png(cases.pictures[name], name=name) for name in case.pictures}
        views = {name: engine.encode(np.ascontiguousarray(rgb[:, :, ::-1])) for name, rgb in pixels.items()}
        for agent in AGENTS:
            spec = bundle.manifest.agents[agent]
            for pictures in requests_of(case, images=spec.inputs.images):
                yield case, agent, _request(case, views=[views[name] for name in pictures], spec=spec)


def _request(case: GoldenCase, *, views: list[EncodedView], spec: AgentSpec) -> Request:
    missing = [name for name in spec.inputs.text if name not in case.texts]
    if missing:
        raise CompressionError(f"calibration case {case.case_id} lacks the text {missing[0]!r}; add it to its texts")
    return Request(tuple(views), {name: case.texts[name] for name in spec.inputs.text})
