"""The inference engine: frames and texts in, one checked answer per declared step out.

    with Engine(bundle) as engine:
        view = engine.encode(frame)                                     # the vision tower, once per view
        [[finding]] = engine.run("recognition", [Request(views=(view,), texts={})])

The only user of OpenVINO. Not thread-safe: one engine, one job at a time, in a process that may be killed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_agent.agents.prompts import fill
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput, Frame, Request
from edge_agent.contracts.golden import GoldenCase, read_golden
from edge_agent.contracts.manifest import AgentName, AgentSpec, Step
from edge_agent.errors import InferenceError, RejectedError
from edge_agent.inference.canary import BARE, CanaryCase, CanaryReport, compare, read_canary
from edge_agent.inference.decoding import Decoder, OnField, Place, SchemaDecoder, decode
from edge_agent.inference.loading import Loaded, load
from edge_agent.inference.runtime import EngineSettings
from edge_agent.inference.sequence import Gate
from edge_agent.inference.sequence import Sequence as Conversation
from edge_agent.inference.text_decoding import TextDecoder
from edge_agent.inference.vision import EncodedView

__all__ = ["EncodedView", "Engine", "EngineSettings", "Request"]


class Engine:
    """A loaded bundle. Build it, use it, close it (or use ``with``)."""

    def __init__(self, bundle: Bundle, *, settings: EngineSettings | None = None, adapters: bool = True) -> None:
        """Load everything and check it; nothing is loaded lazily.

        Args:
            bundle: as verified by ``open_bundle``.
            settings: device and switches; None is production on the CPU.
            adapters: False runs every agent on the bare backbone (evaluation only).

        Raises:
            Incompatible: the bundle's parts do not belong together, or not on this device.
            RejectedError: a part does not fit the manifest.
            InferenceError: the device cannot compile a model.
        """
        self.settings = settings or EngineSettings()
        self.bundle = bundle
        self._manifest = bundle.manifest
        self._loaded: Loaded | None = load(bundle, settings=self.settings, adapters=adapters)

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
        self._open().language.reset()

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
        spec = self._manifest.agents[agent]
        for request in requests:
            self._check_request(request, spec=spec, agent=agent)
        if self.settings.batch_views and requests:
            return self._run_batch(agent, requests, first_row=0, on_field=on_field)
        batches = [self._run_batch(agent, [one], first_row=i, on_field=on_field) for i, one in enumerate(requests)]
        return [output for batch in batches for output in batch]

    def logits(
        self, input_ids: Sequence[int], *, adapter: AgentName | None, views: Sequence[EncodedView] = (), last: int = 1
    ) -> NDArray[np.float32]:
        """Return the logits behind the last positions of any prompt (canary, evaluation, parity).

        Args:
            input_ids: int[S], each picture's pad token widened to its merged tokens.
            adapter: whose gate; None is the bare backbone.
            views: the pictures, in order.
            last: how many positions.

        Returns:
            float32[last, V].

        Raises:
            InferenceError: the pictures do not fit the pads, or the runtime failed.
        """
        loaded = self._open()
        conversation = self._widened(input_ids, views=views, gate=loaded.gates[adapter])
        loaded.language.begin()
        logits = loaded.language.advance([conversation], last=last)
        return logits.reshape(last, -1)

    def run_canary(self) -> CanaryReport:
        """Replay the bundle's canary prompts and golden cases on this machine, under these settings.

        Judges nothing by itself: the caller reads ``failures()`` and decides. Run it on a strict engine for
        integrity and on the production engine for fitness.

        Raises:
            RejectedError: the canary or the golden cases cannot be read.
            InferenceError: the runtime failed.
        """
        pairs: dict[str, list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = {}
        for case in read_canary(self.bundle.path_of("canary")):
            pairs.setdefault(case.label, []).append((self._canary_logits(case), case.logits))
        equal = list(self._golden_decisions())
        return CanaryReport(
            rows=tuple(compare(label, found) for label, found in pairs.items()),
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

    def _check_request(self, request: Request, *, spec: AgentSpec, agent: AgentName) -> None:
        """Hold a request against what the manifest lets this agent see."""
        count, images = len(request.views), spec.inputs.images
        fits = {"one": count == 1, "all": count >= 1, "none": count == 0}[images]
        if not fits:
            raise InferenceError(f"{agent} takes {images} views, but {count} were given")
        if set(request.texts) != set(spec.inputs.text):
            raise InferenceError(f"{agent} takes the texts {spec.inputs.text}, but {sorted(request.texts)} were given")
        for name, text in request.texts.items():
            self._open().tokenizer.check_plain(text, name=name)

    def _run_batch(
        self, agent: AgentName, requests: Sequence[Request], *, first_row: int, on_field: OnField | None
    ) -> list[tuple[AgentOutput, ...]]:
        """Run all steps of one agent on one batch."""
        loaded, spec = self._open(), self._manifest.agents[agent]
        width = loaded.gates[None].width
        conversations = [Conversation.empty(width) for _ in requests]
        outputs: list[list[AgentOutput]] = [[] for _ in requests]
        for number, step in enumerate(spec.steps):
            conversations = [
                self._with_turn(conversation, request, step=step, spec=spec, is_first=number == 0)
                for conversation, request in zip(conversations, requests, strict=True)
            ]
            places = [Place(agent, first_row + i, step) for i in range(len(requests))]
            decoders = [self._decoder(place, on_field=on_field) for place in places]
            loaded.language.begin()
            conversations = decode(
                conversations, decoders=decoders, model=loaded.language, skip_forced=self.settings.skip_forced
            )
            for row, decoder in zip(outputs, decoders, strict=True):
                row.append(decoder.output())
        return [tuple(row) for row in outputs]

    def _with_turn(
        self, conversation: Conversation, request: Request, *, step: Step, spec: AgentSpec, is_first: bool
    ) -> Conversation:
        """Append one step's prompt; pictures stand in the first one only."""
        loaded = self._open()
        views = request.views if is_first else ()
        ids = loaded.tokenizer.encode(fill(step.prompt, images=len(views), texts=request.texts))
        backbone = self._manifest.backbone
        return conversation.with_prompt(
            ids, views, pad_id=backbone.image_token_id, vision=backbone.vision, gate=loaded.gates[spec.adapter]
        )

    def _decoder(self, place: Place, *, on_field: OnField | None) -> Decoder:
        """Build the decoder for a step's contract."""
        loaded, step = self._open(), place.step
        if step.contract == "text":
            return TextDecoder(
                place=place,
                decode_bytes=loaded.tokenizer.decode,
                eos_ids=list(self._manifest.backbone.eos_token_ids),
                on_field=on_field,
            )
        return SchemaDecoder(
            loaded.grammars[place.agent, step.name],
            place=place,
            calibration=self._manifest.thresholds.fields,
            on_field=on_field,
        )

    def _widened(self, input_ids: Sequence[int], *, views: Sequence[EncodedView], gate: Gate) -> Conversation:
        """Build a conversation from ids whose pads are widened already."""
        backbone = self._manifest.backbone
        ids, pad = list(input_ids), backbone.image_token_id
        narrow: list[int] = []
        position, waiting = 0, iter(views)
        while position < len(ids):
            narrow.append(ids[position])
            if ids[position] == pad:
                view = next(waiting, None)
                count = 0 if view is None else view.embeddings.shape[0]
                if count == 0 or ids[position : position + count] != [pad] * count:
                    raise InferenceError("the prompt's picture tokens do not fit the pictures")
                position += count
            else:
                position += 1
        empty = Conversation.empty(gate.width)
        return empty.with_prompt(narrow, tuple(views), pad_id=pad, vision=backbone.vision, gate=gate)

    def _canary_logits(self, case: CanaryCase) -> NDArray[np.float32]:
        """Compute one canary prompt's logits, float32[R, V]."""
        views = [] if case.frame is None else [self.encode(case.frame)]
        gates = self._open().gates
        adapter = next((name for name in gates if name == case.label), None)
        if adapter is None and case.label != BARE:
            raise RejectedError(f"the canary names the adapter {case.label}, which the bundle does not have")
        return self.logits(case.input_ids.tolist(), adapter=adapter, views=views, last=case.logits.shape[0])

    def _golden_decisions(self) -> Iterator[bool]:
        """Yield, for every expected decision of the golden cases, whether this machine decides it so."""
        golden = read_golden(self.bundle.path_of("golden"))
        for case in golden.cases:
            views = [self.encode(_decode_png(golden.pictures[name])) for name in case.pictures]
            for agent, expected in case.expected.items():
                requests = self._golden_requests(case, views=views, spec=self._manifest.agents[agent])
                outputs = self.run(agent, requests)
                if len(outputs) != len(expected):
                    raise RejectedError(f"golden case {case.case_id} expects {len(expected)} answers of {agent}")
                for decisions, steps in zip(expected, outputs, strict=True):
                    found = {(o.step, name): field.value for o in steps for name, field in o.fields.items()}
                    wanted = ((step, name, value) for step, row in decisions.items() for name, value in row.items())
                    yield from ((step, name) in found and found[step, name] == value for step, name, value in wanted)

    def _golden_requests(self, case: GoldenCase, *, views: list[EncodedView], spec: AgentSpec) -> list[Request]:
        """Show a golden case to an agent as its inputs declare."""
        missing = [name for name in spec.inputs.text if name not in case.texts]
        if missing:
            raise RejectedError(f"golden case {case.case_id} lacks the text {missing[0]}; build the bundle again")
        texts = {name: case.texts[name] for name in spec.inputs.text}
        if spec.inputs.images == "one":
            return [Request((view,), texts) for view in views]
        return [Request(tuple(views) if spec.inputs.images == "all" else (), texts)]


def _decode_png(data: bytes) -> Frame:
    """Return uint8[H, W, 3] BGR."""
    try:
        with Image.open(BytesIO(data)) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    except (OSError, ValueError) as exc:
        raise RejectedError("a golden case's picture cannot be read; build the bundle again") from exc
