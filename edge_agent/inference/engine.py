"""The inference engine: frames and texts in, one checked answer per declared step out.

    with Engine(bundle) as engine:
        view = engine.encode(frame)                                     # the vision tower, once per view
        [[finding]] = engine.run("recognition", [Request(views=(view,), texts={})])

The only user of OpenVINO. Not thread-safe: one engine, one job at a time, in a process that may be killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput, CodingRequest, Frame, Request
from edge_agent.contracts.manifest import AgentName
from edge_agent.inference.branched import BranchedModel
from edge_agent.inference.canary import CanaryReport
from edge_agent.inference.canary_replay import replay_canary
from edge_agent.inference.coding_turns import CodingTurns
from edge_agent.inference.decoding import Decoder, LogitModel, OnField, Place, SchemaDecoder, decode
from edge_agent.inference.forced_answers import ForcedAnswer
from edge_agent.inference.forcing import Forcing
from edge_agent.inference.golden_replay import golden_decisions
from edge_agent.inference.loading import Loaded, load
from edge_agent.inference.runtime import EngineSettings
from edge_agent.inference.text_decoding import TextDecoder
from edge_agent.inference.turns import Turns
from edge_agent.inference.vision import EncodedView

__all__ = ["EncodedView", "Engine", "EngineSettings", "Request"]


class Engine:
    """A loaded bundle. Build it, use it, close it (or use ``with``)."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        settings: EngineSettings | None = None,
        adapters: bool = True,
        side_branch: bool = True,
        meminfo: Path = Path("/proc/meminfo"),
    ) -> None:
        """Load everything and check it; nothing is loaded lazily.

        Args:
            bundle: as verified by ``open_bundle``.
            settings: device and switches; None is production on the CPU.
            adapters: False runs every agent on the bare backbone (evaluation only).
            side_branch: False leaves out a side branch that the bundle declares (evaluation only).
            meminfo: where the system says how much memory is available.

        Raises:
            Incompatible: the bundle's parts do not belong together, or not on this device.
            RejectedError: a part does not fit the manifest.
            InferenceError: the device cannot compile a model.
        """
        self.settings = settings or EngineSettings()
        self.bundle = bundle
        self._manifest = bundle.manifest
        self._coding = CodingTurns()
        self._loaded: Loaded | None = load(
            bundle, settings=self.settings, adapters=adapters, side_branch=side_branch, meminfo=meminfo
        )

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release models and cache; the engine cannot be used afterwards. May be called twice."""
        self._loaded = None

    def forget(self) -> None:
        """Drop every cached conversation: call it when a case ends, so that no patient's tokens stay in memory.

        Raises:
            InferenceError: the runtime failed.
        """
        self._open().forget()

    @property
    def tokens_computed(self) -> int:
        """Return how many token positions went through the language model since loading (padding included)."""
        return self._open().language.tokens_computed

    def encode(self, frame: Frame) -> EncodedView:
        """Encode one view; every agent uses the result, so that the vision tower runs once per view.

        Args:
            frame: uint8[H, W, 3], BGR, upright.

        Raises:
            InferenceError: the frame is unusable or the runtime failed.
        """
        return self._open().vision.encode(frame)

    def run(
        self, agent: AgentName, requests: Sequence[Request], *, on_field: OnField | None = None
    ) -> list[tuple[AgentOutput, ...]]:
        """Run one agent's steps on several requests as one batch.

        A later step is a further turn of the same conversation, conditioned on the answer so far.

        Args:
            agent: which agent.
            requests: one conversation each; an empty list gives an empty list.
            on_field: called as soon as a field is decided or text arrives; must return quickly.

        Returns:
            Per request one output per declared step.

        Raises:
            InferenceError: a request does not fit the agent's declared inputs, or the runtime failed.
            ContractError: an answer does not fit its declared contract.
        """
        self._checked_turns(agent, requests)
        if self.settings.batch_views and requests:
            return self._run_batch(agent, requests, first_row=0, on_field=on_field)
        batches = [self._run_batch(agent, [one], first_row=i, on_field=on_field) for i, one in enumerate(requests)]
        return [output for batch in batches for output in batch]

    def forced(
        self,
        agent: AgentName,
        requests: Sequence[Request],
        answers: Sequence[Sequence[str]],
        *,
        like: Sequence[Sequence[ForcedAnswer]] | None = None,
    ) -> list[tuple[ForcedAnswer, ...]]:
        """Read the model's distributions along given answers, one pass per step for the whole batch (evaluation only).

        Args:
            agent: which agent.
            requests: one conversation each.
            answers: per request the text of every step, as a bundle wrote it.
            like: another bundle's result on the same answers, whose tokens are watched; None watches the likeliest.

        Raises:
            InferenceError: a request does not fit the agent's declared inputs, or the runtime failed.
            ContractError: an answer does not fit the step's schema.
        """
        turns, steps = self._checked_turns(agent, requests), self._manifest.agents[agent].steps
        return Forcing(self._open(), turns).read(agent, requests, answers, steps=steps, like=like)

    def code(self, requests: Sequence[CodingRequest]) -> list[AgentOutput]:
        """Ask the bare backbone about texts: no adapter, no picture, each answer under its own schema.

        Raises:
            InferenceError: a text holds a control token, or the runtime failed.
            ContractError: an answer does not end within its limit.
        """
        return self._coding.answer(self._open(), requests, skip_forced=self.settings.skip_forced)

    def follow(self, agent: AgentName, requests: Sequence[Request], begun: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the likeliest token at every place of a given beginning of each request's first answer (golden cases).

        Args:
            agent: which agent.
            requests: one conversation each.
            begun: the beginning's token ids, per request.

        Raises:
            InferenceError: a request does not fit the agent's declared inputs, or the runtime failed.
        """
        return Forcing(self._open(), self._checked_turns(agent, requests)).follow(agent, requests, begun)

    def logits(
        self,
        input_ids: Sequence[int],
        *,
        adapter: AgentName | None,
        views: Sequence[EncodedView] = (),
        last: int = 1,
        is_branched: bool = False,
    ) -> NDArray[np.float32]:
        """Return the logits behind the last positions of any prompt (canary, evaluation, parity).

        Args:
            input_ids: int[S], each picture's pad token widened to its merged tokens.
            adapter: whose gate; None is the bare backbone.
            views: the pictures, in order.
            last: how many positions.
            is_branched: add the side branch's bias at every position, as one forward pass of its checkpoint does;
                False is without it. ``run`` follows the declared policy instead.

        Returns:
            float32[last, V].

        Raises:
            InferenceError: the pictures do not fit the pads, or the runtime failed.
        """
        loaded = self._open()
        conversation = self._turns().of_ids(input_ids, views=views, gate=loaded.gates[adapter])
        loaded.language.begin()
        if not is_branched:
            return loaded.language.advance([conversation], last=last).reshape(last, -1)
        if loaded.side_branch is None:
            raise RuntimeError("the engine was loaded without a side branch")
        model = BranchedModel(loaded.language, branch=loaded.side_branch)
        return model.forward(conversation, last=last).reshape(last, -1)

    def run_canary(self) -> CanaryReport:
        """Replay the bundle's canary prompts and golden cases on this machine, under these settings.

        Judges nothing by itself: the caller reads ``failures()`` and decides. Run it on a strict engine for
        integrity and on the production engine for fitness.

        Raises:
            RejectedError: the canary or the golden cases cannot be read.
            InferenceError: the runtime failed.
        """
        has_branch = self._open().side_branch is not None
        rows = replay_canary(self.bundle, encode=self.encode, logits=self.logits, has_branch=has_branch)
        with self._open().vision.kept():  # or each golden case would compile it again
            equal = list(golden_decisions(self.bundle, encode=self.encode, run=self.run, follow=self.follow))
        return CanaryReport(
            rows=rows,
            is_strict=self.settings.strict,
            bounds=self._manifest.canary.bounds,
            min_agreement=self._manifest.golden.min_agreement,
            golden_equal=sum(equal),
            golden_total=len(equal),
        )

    def _open(self) -> Loaded:
        if self._loaded is None:
            raise RuntimeError("the engine is closed")
        return self._loaded

    def _turns(self) -> Turns:
        return Turns(self._manifest, self._open())

    def _checked_turns(self, agent: AgentName, requests: Sequence[Request]) -> Turns:
        turns = self._turns()
        for request in requests:
            turns.check(request, agent=agent)
        return turns

    def _run_batch(
        self, agent: AgentName, requests: Sequence[Request], *, first_row: int, on_field: OnField | None
    ) -> list[tuple[AgentOutput, ...]]:
        """Run all steps of one agent on one batch."""
        loaded, turns = self._open(), self._turns()
        loaded.vision.rest()
        conversations = [turns.empty() for _ in requests]
        outputs: list[list[AgentOutput]] = [[] for _ in requests]
        model: LogitModel = loaded.language
        if loaded.side_branch is not None:
            model = BranchedModel(loaded.language, branch=loaded.side_branch)
        for number, step in enumerate(self._manifest.agents[agent].steps):
            conversations = [
                turns.add(conversation, request, agent=agent, number=number)
                for conversation, request in zip(conversations, requests, strict=True)
            ]
            places = [Place(agent, first_row + i, step) for i in range(len(requests))]
            decoders = [self._decoder(place, on_field=on_field) for place in places]
            loaded.language.begin()
            conversations = decode(conversations, decoders=decoders, model=model, skip_forced=self.settings.skip_forced)
            for row, decoder, request in zip(outputs, decoders, requests, strict=True):
                row.append(replace(decoder.output(), tone_logits=_tone_logits(request)))
        return [tuple(row) for row in outputs]

    def _decoder(self, place: Place, *, on_field: OnField | None) -> Decoder:
        """Build the decoder for a step's contract."""
        loaded, step = self._open(), place.step
        if step.contract == "text":
            return TextDecoder(
                place=place,
                decode_bytes=loaded.tokenizer.decode_text,
                eos_ids=list(self._manifest.backbone.eos_token_ids),
                on_field=on_field,
            )
        return SchemaDecoder(
            loaded.grammars[place.agent, step.name],
            place=place,
            calibration=self._manifest.thresholds.fields,
            on_field=on_field,
        )


def _tone_logits(request: Request) -> tuple[Mapping[str, float], ...]:
    """Return what a side branch's tone head says of each picture; shown beside the answer, never decided upon."""
    return tuple(view.branch.tone() for view in request.views if view.branch is not None)
