"""Answer questions about texts on the bare backbone: no adapter, no picture, no side branch, a schema per question.

The grammar comes with the question, because it holds only the fields that are open. Decides nothing about what an answer
is worth: ``edge_agent.agents.text`` does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence as Items
from typing import cast

from edge_agent.agents.prompts import fill
from edge_agent.contracts.case import AgentOutput, CodingRequest
from edge_agent.contracts.manifest import AgentName, Generation, Step
from edge_agent.inference.decoding import Decoder, Place, SchemaDecoder, decode
from edge_agent.inference.grammar import SchemaGrammar
from edge_agent.inference.loading import Loaded
from edge_agent.inference.sequence import Sequence

CODER = cast(AgentName, "coder")  # no agent of the manifest: nothing is declared for it and nothing is calibrated
MOST_GRAMMARS = 32  # compiled schemas kept; texts vary in their sentences and in what they leave open


class CodingTurns:
    """Ask the backbone; keeps compiled schemas and nothing of a patient."""

    def __init__(self) -> None:
        self._grammars: dict[str, SchemaGrammar] = {}

    def answer(self, loaded: Loaded, requests: Items[CodingRequest], *, skip_forced: bool) -> list[AgentOutput]:
        """Answer a batch of questions.

        Args:
            loaded: the bundle.
            requests: one conversation each; none gives an empty list.
            skip_forced: as ``EngineSettings.skip_forced``.

        Raises:
            InferenceError: a text holds a control token, or the runtime failed.
            ContractError: an answer does not end within its limit.
            RejectedError: a schema cannot be compiled.
        """
        if not requests:
            return []
        sequences = [self._conversation(loaded, request) for request in requests]
        decoders: list[Decoder] = [self._decoder(loaded, request, row) for row, request in enumerate(requests)]
        loaded.language.begin()
        decode(sequences, decoders=decoders, model=loaded.language, skip_forced=skip_forced)
        return [decoder.output() for decoder in decoders]

    def _conversation(self, loaded: Loaded, request: CodingRequest) -> Sequence:
        for name, text in request.texts.items():
            loaded.tokenizer.check_plain(text, name=name)
        ids = loaded.tokenizer.encode(fill(request.prompt, images=0, texts=request.texts))
        return Sequence.empty(loaded.gates[None].width).with_tokens(ids)  # gate 0: the bare backbone

    def _decoder(self, loaded: Loaded, request: CodingRequest, row: int) -> SchemaDecoder:
        key = json.dumps(request.schema, sort_keys=False)
        if key not in self._grammars:
            if len(self._grammars) >= MOST_GRAMMARS:
                self._grammars.clear()
            self._grammars[key] = SchemaGrammar(request.schema, tokenizer=loaded.tokenizer, where="coder")
        step = Step(
            name="code",
            prompt=request.prompt,
            contract="schema",
            output_schema=dict(request.schema),
            generation=Generation(max_tokens=request.max_tokens),
        )
        return SchemaDecoder(self._grammars[key], place=Place(CODER, row, step), calibration={})
