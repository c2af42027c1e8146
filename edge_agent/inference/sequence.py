"""One conversation as the language model reads it: tokens, pictures, positions, gates. Values are frozen."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.manifest import Activation, VisionSpec
from edge_agent.errors import InferenceError
from edge_agent.inference.positions import image_positions, text_positions
from edge_agent.inference.vision import EncodedView

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gate:
    """Which adapter a conversation runs under: ``column`` of ``width`` columns, None for the bare backbone."""

    width: int
    column: int | None
    activation: Activation

    def over(self, ids: Ints) -> Floats:
        """Return float32[T, width]: one-hot where the adapter is on, as PEFT would have it.

        ``always``: on all tokens. ``invocation``: from the first token of the last occurrence of the
        invocation ids (PEFT ``alora_invocation_tokens``); PEFT would silently run the base model without one.

        Raises:
            InferenceError: the conversation does not hold the invocation.
        """
        gates = np.zeros((len(ids), self.width), dtype=np.float32)
        if self.column is not None:
            start = (
                0 if self.activation.kind == "always" else last_occurrence(ids, self.activation.invocation_token_ids)
            )
            if start is None:
                raise InferenceError("the prompt lacks the adapter's invocation tokens; rebuild the bundle")
            gates[start:, self.column] = 1.0
        return gates


def last_occurrence(ids: Ints, wanted: Items[int]) -> int | None:
    """Return where ``wanted`` starts for the last time in ``ids``, or None."""
    pattern = np.asarray(wanted, dtype=np.int64)
    if not 0 < len(pattern) <= len(ids):
        return None
    windows = np.lib.stride_tricks.sliding_window_view(ids, len(pattern))
    hits = np.flatnonzero((windows == pattern).all(axis=1))
    return int(hits[-1]) if len(hits) else None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A conversation of T tokens.

    ``ids`` int64[T] (every merged visual token is one pad id); ``identity`` int64[T] tells equal inputs apart (the
    token id, or a negative number per visual token of a picture); ``positions`` int64[3, T] M-RoPE; ``gates``
    float32[T, n]; ``view_of`` int64[T] index into ``views`` or -1; ``row_of`` int64[T] row of its embeddings.
    ``answer_from``: where the answer to the last prompt begins, i.e. how many tokens end with that prompt.
    """

    ids: Ints
    identity: Ints
    positions: Ints
    gates: Floats
    view_of: Ints
    row_of: Ints
    views: tuple[EncodedView, ...]
    next_position: int
    answer_from: int = 0

    @staticmethod
    def empty(width: int) -> Sequence:
        """Return a conversation without tokens for a model with ``width`` adapters."""
        none = np.zeros(0, dtype=np.int64)
        gates = np.zeros((0, width), dtype=np.float32)
        return Sequence(none, none, np.zeros((3, 0), dtype=np.int64), gates, none, none, (), 0)

    def __len__(self) -> int:
        return len(self.ids)

    def with_tokens(self, ids: Items[int]) -> Sequence:
        """Append text tokens under the gate of the last token (an answer under its own agent)."""
        new = np.asarray(ids, dtype=np.int64)
        count = len(new)
        if count == 0:
            return self
        last = self.gates[-1:] if len(self) else np.zeros((1, self.gates.shape[1]), dtype=np.float32)
        return replace(
            self,
            ids=np.concatenate([self.ids, new]),
            identity=np.concatenate([self.identity, new]),
            positions=np.concatenate([self.positions, text_positions(count, start=self.next_position)], axis=1),
            gates=np.concatenate([self.gates, np.repeat(last, count, axis=0)]),
            view_of=np.concatenate([self.view_of, np.full(count, -1)]),
            row_of=np.concatenate([self.row_of, np.zeros(count, dtype=np.int64)]),
            next_position=self.next_position + count,
        )

    def with_view(self, view: EncodedView, *, pad_id: int, vision: VisionSpec) -> Sequence:
        """Append one picture: ``pad_id`` once per merged token, M-RoPE ids of its grid."""
        count = view.embeddings.shape[0]
        ids = np.full(count, pad_id, dtype=np.int64)
        rows = np.arange(count, dtype=np.int64)
        positions = image_positions(view.grid_thw, vision=vision, start=self.next_position)
        grown = self.with_tokens(ids.tolist())
        grown.identity[len(self) :] = -(view.key + rows) - 1
        grown.positions[:, len(self) :] = positions
        grown.view_of[len(self) :] = len(self.views)
        grown.row_of[len(self) :] = rows
        return replace(grown, views=(*self.views, view), next_position=int(positions.max()) + 1)

    def with_prompt(
        self, ids: Items[int], views: Items[EncodedView], *, pad_id: int, vision: VisionSpec, gate: Gate
    ) -> Sequence:
        """Append a turn, each ``pad_id`` in it widened to one view's tokens, and set the gates of the whole.

        Raises:
            InferenceError: the number of pads is not the number of views, or the invocation is missing.
        """
        pads = [i for i, token in enumerate(ids) if token == pad_id]
        if len(pads) != len(views):
            raise InferenceError(f"the prompt has room for {len(pads)} pictures, but {len(views)} were given")
        grown, start = self, 0
        for end, view in zip(pads, views, strict=True):
            grown = grown.with_tokens(ids[start:end]).with_view(view, pad_id=pad_id, vision=vision)
            start = end + 1
        grown = grown.with_tokens(ids[start:])
        return replace(grown, gates=gate.over(grown.ids), answer_from=len(grown))

    def head(self, count: int) -> Sequence:
        """Return the first ``count`` tokens (``next_position`` is then not meant to be used)."""
        return replace(
            self,
            ids=self.ids[:count],
            identity=self.identity[:count],
            positions=self.positions[:, :count],
            gates=self.gates[:count],
            view_of=self.view_of[:count],
            row_of=self.row_of[:count],
        )

    def common_prefix(self, other: Sequence) -> int:
        """Count the leading tokens that are the same input at the same position under the same gate."""
        count = min(len(self), len(other))
        same = self.identity[:count] == other.identity[:count]
        same &= (self.positions[:, :count] == other.positions[:, :count]).all(axis=0)
        same &= (self.gates[:count] == other.gates[:count]).all(axis=1)
        return count if same.all() else int(np.argmin(same))
