"""Run the language model over conversations, computing only what its KV cache does not hold yet.

The cache is never restored or copied out: what no longer belongs is masked (attention mask 0), new tokens are
appended behind it with their own M-RoPE ids, and ``beam_idx`` lets several rows go on from one cached row. That equals
a fresh pass (tests/parity/test_reuse.py). Rows of a batch that append fewer tokens than others are padded on the left,
and the padding is masked for ever; ``edge_agent.inference.prefill`` cuts long appends into passes.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.inference.graft import GATE_INPUT, INDEX_INPUT, ROWS_INPUT
from edge_agent.inference.prefill import PASS_TOKENS, Pass, past_cost, plan
from edge_agent.inference.runtime import Tensors, infer, translated
from edge_agent.inference.sequence import Sequence
from edge_agent.inference.text_embeddings import TextEmbeddings

Floats = NDArray[np.float32]

_FAN_OUT_TOKENS = PASS_TOKENS  # a shared prefix shorter than this costs more as its own pass than in every row
_SPARE_COLUMNS = 512  # dead KV columns that are never worth a fresh pass by themselves


@dataclass(frozen=True, slots=True)
class _Cached:
    """One row of the KV cache: the conversation that it holds and the column of each of its tokens."""

    sequence: Sequence
    columns: NDArray[np.int64]


class LanguageModel:
    """Text embeddings and the grafted language model behind one call. One conversation batch at a time."""

    def __init__(
        self,
        language: ov.InferRequest,
        *,
        embeddings: TextEmbeddings,
        hidden_size: int,
        reuse_prefix: bool,
        prefill_chunk: int | None = None,
    ) -> None:
        self._language = language
        self._names = {name for port in language.model_inputs for name in port.get_names()}
        self._embeddings = embeddings
        self.hidden_size = hidden_size
        self._reuse = reuse_prefix
        self._chunk = prefill_chunk
        self._rows: list[_Cached] = []
        self._width = 0  # columns in the KV cache, dead ones included
        self.tokens_computed = 0
        self.observe: Callable[[Items[Sequence]], None] | None = None  # sees what is advanced (calibration only)

    def begin(self) -> None:
        """Mark the start of a turn: without prefix reuse, everything is computed afresh from here."""
        if not self._reuse:
            self.reset()

    def reset(self) -> None:
        """Forget every cached conversation.

        Raises:
            InferenceError: the runtime failed.
        """
        with translated("the language model cannot be reset"):
            self._language.reset_state()
        self._rows, self._width = [], 0

    def warm_up(self, sequence: Sequence) -> None:
        """Run a conversation and forget it, so that the runtime packs the weights now; counts no tokens.

        Raises:
            InferenceError: the runtime failed.
        """
        counted = self.tokens_computed
        self.advance([sequence])
        self.reset()
        self.tokens_computed = counted

    def advance(self, sequences: Items[Sequence], *, last: int = 1, head_rows: Floats | None = None) -> Floats:
        """Bring the cache up to these conversations and return the logits behind their last tokens.

        Args:
            sequences: one row each; none may be empty.
            last: how many final positions to return logits for.
            head_rows: float32[B, N, H], hidden rows of the caller's that only the head multiplies (a side branch's).

        Returns:
            float32[B, last, V]; a row shorter than ``last`` is padded in front with meaningless rows. With ``head_rows``
            their N products stand behind: float32[B, last + N, V].

        Raises:
            InferenceError: the runtime failed; the cache is forgotten.
        """
        if self.observe is not None:
            self.observe(sequences)
        matches = self._match(sequences, last=last)
        shared = self._shared(sequences, matches, last=last)
        if shared:
            self.advance([sequences[0].head(shared)])
            matches = self._match(sequences, last=last)
        if not any(kept for _, kept in matches):
            self.reset()
            matches = [(row, 0) for row in range(len(sequences))]
        return self._run(sequences, matches, last=last, head_rows=head_rows)

    def _shared(self, sequences: Items[Sequence], matches: Items[tuple[int, int]], *, last: int) -> int:
        """Count the tokens that all rows begin with, if computing them once, in one row, is worth a pass; else 0."""
        if len(sequences) < 2 or not self._reuse:
            return 0
        most, cached = min(len(one) for one in sequences) - last, max(kept for _, kept in matches)
        if most - cached < _FAN_OUT_TOKENS:  # while answers are written: nothing to compare
            return 0
        shared = min(most, *(sequences[0].common_prefix(other) for other in sequences[1:]))
        behind = sum(past_cost(len(one) - shared, shared, hidden_size=self.hidden_size) for one in sequences)
        saved = (len(sequences) - 1) * (shared - cached)
        is_worth = cached > 0 or saved > behind  # with a cached beginning all rows attend to the cache anyway
        return shared if shared - cached >= _FAN_OUT_TOKENS and is_worth else 0

    def _match(self, sequences: Items[Sequence], *, last: int) -> list[tuple[int, int]]:
        """Find for each conversation the cached row to go on from and how many of its tokens hold; all 0 if not worth it."""
        matches = [self._longest(wanted, limit=len(wanted) - last, first=i) for i, wanted in enumerate(sequences)]
        new = [len(wanted) - kept for wanted, (_, kept) in zip(sequences, matches, strict=True)]
        saved = sum(kept for _, kept in matches)
        dead = self._width - max(kept for _, kept in matches)
        is_cheaper = saved > sum(past_cost(count, self._width, hidden_size=self.hidden_size) for count in new)
        is_small = dead <= max(_SPARE_COLUMNS, 2 * saved)
        return matches if is_cheaper and is_small else [(0, 0)] * len(matches)

    def _longest(self, wanted: Sequence, *, limit: int, first: int) -> tuple[int, int]:
        """Return the cached row with the longest common beginning of at most ``limit`` tokens, and how many it holds.

        ``first`` is looked at first: a batch that goes on finds itself there, and shorter rows need no comparing.
        """
        best, kept = 0, 0
        for index in sorted(range(len(self._rows)), key=lambda row: row != first):
            if min(limit, len(self._rows[index].sequence)) > kept:
                found = min(limit, wanted.common_prefix(self._rows[index].sequence))
                if found > kept:
                    best, kept = index, found
        return best, kept

    def _run(
        self, sequences: Items[Sequence], matches: Items[tuple[int, int]], *, last: int, head_rows: Floats | None
    ) -> Floats:
        """Append every conversation's uncached tokens, pass by pass."""
        tensors, cached = self._inputs(sequences, matches, width=self._width)
        new = [len(wanted) - kept for wanted, (_, kept) in zip(sequences, matches, strict=True)]
        count, width = max(new), self._width
        self._rows, self._width = [], 0  # a failed pass leaves nothing
        parts = []
        for one in plan(new, matches, last=last, limit=self._chunk, hidden_size=self.hidden_size):
            feed = self._feed(tensors, one, width=width, first=count - last)
            if ROWS_INPUT in self._names:
                none = np.zeros((len(one.rows), 0, self.hidden_size), dtype=np.float32)
                feed[ROWS_INPUT] = none if head_rows is None or one.end < count else head_rows
            logits = infer(self._language, feed, doing="the language model cannot run")
            self.tokens_computed += len(one.rows) * (one.end - one.begin)
            if one.end > count - last:
                parts.append(logits if INDEX_INPUT in self._names else logits[:, max(0, count - last - one.begin) :])
        self._rows, self._width = cached, width + count
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _feed(self, tensors: Tensors, one: Pass, *, width: int, first: int) -> dict[str, NDArray[np.generic]]:
        """Return what one pass reads; logits are wanted from column ``first`` on."""
        rows, here = list(one.rows), slice(one.begin, one.end)
        feed: dict[str, NDArray[np.generic]] = {
            "attention_mask": tensors["attention_mask"][rows, : width + one.end],
            "position_ids": tensors["position_ids"][:, rows, here],
            "inputs_embeds": tensors["inputs_embeds"][rows, here],
            "beam_idx": np.array(one.sources, dtype=np.int32),
        }
        if GATE_INPUT in self._names:
            feed[GATE_INPUT] = tensors[GATE_INPUT][rows, here]
        if INDEX_INPUT in self._names:
            feed[INDEX_INPUT] = np.arange(max(one.begin, first), one.end, dtype=np.int64) - one.begin
        return {name: np.ascontiguousarray(value) for name, value in feed.items()}

    def inputs_of(self, sequence: Sequence) -> dict[str, NDArray[np.generic]]:
        """Return what one fresh pass over a whole conversation feeds the language model, by input name.

        Runs the text embeddings alone and touches no cache; for compression, which looks at whole conversations.

        Raises:
            InferenceError: the runtime failed.
        """
        tensors = self._inputs([sequence], [(0, 0)], width=0)[0]
        return self._feed(tensors, Pass(0, len(sequence), (0,), (0,)), width=0, first=len(sequence) - 1)

    def _inputs(
        self, sequences: Items[Sequence], matches: Items[tuple[int, int]], *, width: int
    ) -> tuple[dict[str, NDArray[Any]], list[_Cached]]:
        """Lay the uncached tokens out behind ``width`` columns, padded on the left; and say what the cache then holds."""
        count = max(len(wanted) - kept for wanted, (_, kept) in zip(sequences, matches, strict=True))
        rows = len(sequences)
        mask = np.zeros((rows, width + count), dtype=np.int64)
        positions = np.zeros((3, rows, count), dtype=np.int64)
        embeds = np.zeros((rows, count, self.hidden_size), dtype=np.float32)
        gates = np.zeros((rows, count, sequences[0].gates.shape[1]), dtype=np.float32)
        cached = []
        for i, (wanted, (source, kept)) in enumerate(zip(sequences, matches, strict=True)):
            new = len(wanted) - kept
            old = self._rows[source].columns[:kept] if kept else np.zeros(0, dtype=np.int64)
            columns = np.concatenate([old, np.arange(width + count - new, width + count)])
            mask[i, columns] = 1
            positions[:, i, count - new :] = wanted.positions[:, kept:]
            embeds[i, count - new :] = self._embed(wanted, kept)
            gates[i, count - new :] = wanted.gates[kept:]
            cached.append(_Cached(wanted, columns))
        tensors: dict[str, NDArray[Any]] = {
            "attention_mask": mask,
            "position_ids": positions,
            "inputs_embeds": embeds,
            GATE_INPUT: gates,
        }
        return tensors, cached

    def _embed(self, sequence: Sequence, start: int) -> Floats:
        """Return float32[T - start, H]: text embeddings, with the views' embeddings in their places."""
        out = self._embeddings.rows(sequence.ids[start:])
        for number, view in enumerate(sequence.views):
            here = sequence.view_of[start:] == number
            out[here] = view.embeddings[sequence.row_of[start:][here]]
        return out
