"""Lay out an agent's turns as conversations: what it may be shown, its prompts, its pictures, its adapter's gate.

Runs no model and decides nothing: ``edge_agent.inference.decoding`` writes the answers.
"""

from __future__ import annotations

from collections.abc import Sequence as Items

from edge_agent.agents.prompts import fill
from edge_agent.contracts.case import Request
from edge_agent.contracts.manifest import AgentName, Manifest
from edge_agent.errors import InferenceError
from edge_agent.inference.loading import Loaded
from edge_agent.inference.sequence import Gate, Sequence
from edge_agent.inference.vision import EncodedView


class Turns:
    """The turns that a manifest declares, in one loaded bundle's tokens; keeps nothing of a request."""

    def __init__(self, manifest: Manifest, loaded: Loaded) -> None:
        self._manifest, self._loaded = manifest, loaded

    def check(self, request: Request, *, agent: AgentName) -> None:
        """Hold a request against what the manifest lets this agent see.

        Raises:
            InferenceError: more or fewer views or texts than declared, or a text holds a control token.
        """
        inputs = self._manifest.agents[agent].inputs
        count, images = len(request.views), inputs.images
        fits = {"one": count == 1, "all": count >= 1, "none": count == 0}[images]
        if not fits:
            raise InferenceError(f"{agent} takes {images} views, but {count} were given")
        if set(request.texts) != set(inputs.text):
            raise InferenceError(f"{agent} takes the texts {inputs.text}, but {sorted(request.texts)} were given")
        for name, text in request.texts.items():
            self._loaded.tokenizer.check_plain(text, name=name)

    def empty(self) -> Sequence:
        """Return a conversation without tokens."""
        return Sequence.empty(self._loaded.gates[None].width)

    def add(self, conversation: Sequence, request: Request, *, agent: AgentName, number: int) -> Sequence:
        """Append one step's prompt; pictures stand in the first one only.

        Args:
            conversation: so far, with the answers to earlier steps.
            request: checked.
            agent: whose step.
            number: which of its steps, from 0.

        Raises:
            InferenceError: the prompt has room for another number of pictures, or lacks the adapter's invocation.
        """
        spec, backbone = self._manifest.agents[agent], self._manifest.backbone
        views = request.views if number == 0 else ()
        ids = self._loaded.tokenizer.encode(fill(spec.steps[number].prompt, images=len(views), texts=request.texts))
        return conversation.with_prompt(
            ids, views, pad_id=backbone.image_token_id, vision=backbone.vision, gate=self._loaded.gates[spec.adapter]
        )

    def of_ids(self, input_ids: Items[int], *, views: Items[EncodedView], gate: Gate) -> Sequence:
        """Build a conversation from ids whose pads are widened already.

        Args:
            input_ids: int[S], each picture's pad token once per merged token.
            views: the pictures, in order.
            gate: of an adapter, or of the bare backbone.

        Raises:
            InferenceError: the pads do not fit the pictures.
        """
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
        empty = Sequence.empty(gate.width)
        return empty.with_prompt(narrow, tuple(views), pad_id=pad, vision=backbone.vision, gate=gate)
