"""This project's engine as a contender: the same loading, conversations and loop as ``edge_agent.inference.engine``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.case import AgentOutput
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import Activation
from edge_agent.inference.decoding import Decoder, Place, SchemaDecoder, decode
from edge_agent.inference.grammar import SchemaGrammar
from edge_agent.inference.language import LanguageModel
from edge_agent.inference.loading import Loaded, load
from edge_agent.inference.runtime import EngineSettings
from edge_agent.inference.sequence import Gate, Sequence
from edge_agent.inference.vision import EncodedView
from scripts.speed.contender import Phases
from scripts.speed.schemas import schema_of, step_of
from scripts.speed.workload import Turn, Workload, prompt_of

Floats = NDArray[np.float32]
INVOCATION = "<|represent|>"


def read_bundle(path: Path, *, side_px: int) -> Bundle:
    """Open a bundle and let it read square views of ``side_px`` without shrinking them (random weights do not mind)."""
    bundle = open_bundle(path, keys=load_keys(shipped_key_folder()))
    spec = bundle.manifest.preprocessing
    wider = spec.model_copy(update={"max_pixels": max(spec.max_pixels, side_px * side_px)})
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"preprocessing": wider}))


class Ours:
    """The engine on a bundle, as devices run it."""

    def __init__(
        self, bundle: Bundle, *, settings: EngineSettings, adapters: bool = True, has_schema: bool = True
    ) -> None:
        self.note = "" if adapters else "bare backbone"
        self._bundle, self._settings, self._adapters = bundle, settings, adapters
        self._has_schema = has_schema
        self._grammars: dict[str, SchemaGrammar] = {}
        self._texts: dict[str, str] = {}
        self._loaded: Loaded | None = None

    def load(self) -> None:
        """Read, graft and compile everything."""
        self._loaded = load(self._bundle, settings=self._settings, adapters=self._adapters)

    def run(self, workload: Workload, case: int) -> Phases:
        """Encode every view once, then ask turn by turn; a turn's views are rows of one batch."""
        loaded, phases, frames = self.loaded, Phases(), workload.frames(case)
        if not self._texts:
            self._texts = workload.texts(loaded.tokenizer.encode)
        started = perf_counter()
        with phases.timed("vision"):
            views = [loaded.vision.encode(frame) for frame in frames]
        before: list[Sequence] = []
        for turn in workload.turns:
            begun = perf_counter()
            before = self.ask(workload, turn, views, before, phases)
            phases.turns.append(perf_counter() - begun)
        loaded.forget()
        phases.total = perf_counter() - started
        return phases

    @property
    def loaded(self) -> Loaded:
        """Return the loaded models."""
        if self._loaded is None:
            raise RuntimeError("load first")
        return self._loaded

    def ask(
        self, workload: Workload, turn: Turn, views: list[EncodedView], before: list[Sequence], phases: Phases
    ) -> list[Sequence]:
        """Ask one turn and return its conversations with their answers."""
        loaded, backbone = self.loaded, self._bundle.manifest.backbone
        encode = loaded.tokenizer.encode
        invocation = INVOCATION if workload.is_shared and turn.pictures != "before" else ""
        ids = encode(prompt_of(turn, self._texts[turn.step], views=len(views), invocation=invocation))
        one_each: list[tuple[EncodedView, ...]] = [(view,) for view in views]
        shown = {"each": one_each, "all": [tuple(views)]}.get(turn.pictures, [()])
        gate = self._gate(turn, is_shared=workload.is_shared)
        begun = before if turn.pictures == "before" else [Sequence.empty(gate.width) for _ in shown]
        conversations = [
            one.with_prompt(ids, seen, pad_id=backbone.image_token_id, vision=backbone.vision, gate=gate)
            for one, seen in zip(begun, shown, strict=True)
        ]
        loaded.language.begin()
        decoders = [self._decoder(turn, row) for row in range(len(conversations))]
        timed = _Timed(loaded.language, phases)
        done = decode(conversations, decoders=decoders, model=timed, skip_forced=self._settings.skip_forced)
        for conversation, decoder in zip(done, decoders, strict=True):
            answer = [int(one) for one in conversation.ids[conversation.answer_from :]]
            if len(answer) != turn.answer_tokens:
                raise RuntimeError(f"{turn.step}: {len(answer)} tokens; workload.toml says {turn.answer_tokens}")
            phases.answers.append(answer)
            phases.decisions += decoder.output().tokens_sampled
        return done

    def _decoder(self, turn: Turn, row: int) -> Decoder:
        if not self._has_schema:
            return _FixedLength(turn)
        if turn.step not in self._grammars:
            grammar = SchemaGrammar(schema_of(turn), tokenizer=self.loaded.tokenizer, where=turn.step)
            self._grammars[turn.step] = grammar
        return SchemaDecoder(self._grammars[turn.step], place=Place(turn.agent, row, step_of(turn)), calibration={})

    def _gate(self, turn: Turn, *, is_shared: bool) -> Gate:
        """Return the agent's gate: on all tokens, or from the invocation on."""
        held = self.loaded.gates[turn.agent]
        ids = self.loaded.tokenizer.encode(INVOCATION)
        kind = Activation(kind="invocation", invocation_token_ids=ids) if is_shared else Activation(kind="always")
        return replace(held, activation=kind)


class _FixedLength:
    """Takes the likeliest token, so many times; nothing is forced and nothing ends it."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._taken = 0

    def forced(self) -> list[int]:
        return []

    def is_done(self) -> bool:
        return self._taken == self._turn.answer_tokens

    def choose(self, logits: Floats, *, history: NDArray[np.int64]) -> int:
        del history
        self._taken += 1
        return int(logits.argmax())

    def output(self) -> AgentOutput:
        return AgentOutput(self._turn.agent, self._turn.step, "", {}, {}, self._taken, 0)


class _Timed:
    """Passes every call on; the first one of a turn is its prefill."""

    def __init__(self, model: LanguageModel, phases: Phases) -> None:
        self._model, self._phases = model, phases
        self._phase = "prefill"

    def advance(self, sequences: list[Sequence]) -> Floats:
        before = self._model.tokens_computed
        with self._phases.timed(self._phase):
            logits = self._model.advance(sequences)
        self._phases.tokens[self._phase] += self._model.tokens_computed - before
        self._phases.calls[self._phase] += 1
        self._phase = "decode"
        return logits
