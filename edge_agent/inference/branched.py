"""Correct a language model's logits by a side branch, under the declared policies.

The bias of a conversation's pictures is one more row before ``lm_head``: the device's own head, in its own precision,
multiplies it in the pass that computes the prompt, so no second copy of the head is kept. Later passes add the finished
vector. Does not write tokens: ``edge_agent.inference.decoding`` does.
"""

from __future__ import annotations

from collections.abc import Sequence as Items

import numpy as np
from numpy.typing import NDArray

from edge_agent.inference.language import LanguageModel
from edge_agent.inference.sequence import Sequence
from edge_agent.inference.side_branch import BranchFeatures, SideBranch

Floats = NDArray[np.float32]
Pictures = tuple[int, ...]


class BranchedModel:
    """A language model with its side branch, for one batch: build one per run, so that no picture's bias outlives it."""

    def __init__(self, model: LanguageModel, *, branch: SideBranch) -> None:
        self._model = model
        self._branch = branch
        self._bias: dict[Pictures, Floats] = {}

    def advance(self, sequences: Items[Sequence]) -> Floats:
        """Return the logits behind the conversations' last tokens, float32[B, 1, V], corrected where the policy says so.

        Without a picture nothing is added. ``first_token`` adds only right behind a turn's prompt, ``every_token`` at
        every position from there on.

        Raises:
            InferenceError: the runtime failed, or more pictures than the image policy allows.
        """
        every = self._branch.spec.policy == "every_token"
        is_due = [bool(one.views) and (every or len(one) == one.answer_from) for one in sequences]
        return self._corrected(sequences, is_due=is_due, last=1)

    def forward(self, sequence: Sequence, *, last: int) -> Floats:
        """Return float32[1, last, V] with the bias at every position, as upstream's forward pass adds it.

        Raises:
            InferenceError: as ``advance``.
        """
        return self._corrected([sequence], is_due=[bool(sequence.views)], last=last)

    def _corrected(self, sequences: Items[Sequence], *, is_due: list[bool], last: int) -> Floats:
        keys = [tuple(view.key for view in one.views) for one in sequences]
        missing = [i for i, due in enumerate(is_due) if due and keys[i] not in self._bias]
        if not missing:
            logits = self._model.advance(sequences, last=last)
        else:
            rows = np.zeros((len(sequences), 1, self._model.hidden_size), dtype=np.float32)
            for i in missing:
                rows[i, 0] = self._branch.hidden(_features(sequences[i]))
            both = self._model.advance(sequences, last=last, head_rows=rows)
            logits, projected = both[:, :last].copy(), both[:, last]
            self._bias |= {keys[i]: self._branch.bias(projected[i]) for i in missing}
        for i, due in enumerate(is_due):
            if due:
                logits[i] += self._bias[keys[i]]
        return logits


def _features(sequence: Sequence) -> list[BranchFeatures]:
    found = [view.branch for view in sequence.views if view.branch is not None]
    if len(found) != len(sequence.views):
        raise RuntimeError("a view was encoded without the side branch")
    return found
