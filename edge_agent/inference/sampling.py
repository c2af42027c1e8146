"""Choose the next token from logits by the manifest's generation settings, exactly as declared.

The order and the meaning of each setting are transformers' (generation/logits_process.py): repetition penalty,
no-repeat n-gram, temperature, top-p. Temperature 0 is greedy and ignores top-p.
"""

from __future__ import annotations

from collections.abc import Sequence as Items

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.manifest import Generation

Floats = NDArray[np.float32]


class Sampler:
    """One row's sampler; its random state is seeded by the settings, so a run can be repeated."""

    def __init__(self, generation: Generation) -> None:
        self._settings = generation
        self._random = np.random.default_rng(generation.seed)

    def choose(self, logits: Floats, *, history: NDArray[np.int64]) -> int:
        """Return one token id.

        Args:
            logits: float32[V]; forbidden tokens are -inf. Not changed.
            history: int64[T], the conversation so far, prompt included (as transformers counts repetitions).
        """
        scores = penalised(logits, history=history, generation=self._settings)
        if self._settings.temperature <= 0:
            return int(np.argmax(scores))
        chances = nucleus(softmax(scores / self._settings.temperature), top_p=self._settings.top_p)
        return int(self._random.choice(len(chances), p=chances))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities over the last axis; -inf becomes 0."""
    shifted = logits.astype(np.float64) - np.max(logits, axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def nucleus(chances: NDArray[np.float64], *, top_p: float) -> NDArray[np.float64]:
    """Keep the smallest set of likeliest tokens whose chances reach ``top_p``, and renormalise."""
    if top_p >= 1:
        return chances
    order = np.argsort(-chances, kind="stable")
    before = np.cumsum(chances[order]) - chances[order]
    kept = np.zeros_like(chances)
    best = order[before < top_p]
    kept[best] = chances[best]
    return np.asarray(kept / kept.sum())


def penalised(logits: Floats, *, history: NDArray[np.int64], generation: Generation) -> Floats:
    """Return a copy with the repetition penalty applied and n-grams that would repeat forbidden."""
    scores = logits.copy()
    if generation.repetition_penalty != 1.0 and len(history):
        seen = np.unique(history)
        penalty = np.float32(generation.repetition_penalty)
        scores[seen] = np.where(scores[seen] < 0, scores[seen] * penalty, scores[seen] / penalty)
    for token in repeated_ngram_ends(history.tolist(), size=generation.no_repeat_ngram):
        scores[token] = -np.inf
    if not np.isfinite(scores).any():
        return logits.copy()  # everything allowed would repeat: the grammar comes first
    return scores


def repeated_ngram_ends(history: Items[int], *, size: int) -> set[int]:
    """Return the tokens that would complete an n-gram of ``size`` that ``history`` already holds; 0 is off."""
    if size <= 0 or len(history) < size:
        return set()
    tail = tuple(history[len(history) - size + 1 :])
    starts = range(len(history) - size + 1)
    return {history[i + size - 1] for i in starts if tuple(history[i : i + size - 1]) == tail}
