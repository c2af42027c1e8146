"""Run the language model over conversations, computing only what its KV cache does not hold yet.

The cache is never restored or copied out: what no longer belongs is masked (attention mask 0), new tokens are
appended behind it with their own M-RoPE ids, and ``beam_idx`` lets several rows go on from one cached row. That equals
a fresh pass (tests/parity/test_reuse.py). Rows of a batch that append fewer tokens than others are padded on the left,
and the padding is masked for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.inference.graft import GATE_INPUT, INDEX_INPUT, ROWS_INPUT
from edge_agent.inference.runtime import infer, translated
from edge_agent.inference.sequence import Sequence

Floats = NDArray[np.float32]

_FAN_OUT_TOKENS = 32  # a shared prefix shorter than this costs more as its own pass than in every row
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
        embeddings: ov.InferRequest,
        hidden_size: int,
        has_gate: bool,
        reuse_prefix: bool,
        has_head_rows: bool = False,
    ) -> None:
        self._language = language
        self._embeddings = embeddings
        self.hidden_size = hidden_size
        self._has_head_rows = has_head_rows
        self._has_gate = has_gate
        self._reuse = reuse_prefix
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
        self._fan_out(sequences, last=last)
        matches = self._match(sequences, last=last)
        if not any(kept for _, kept in matches):
            self.reset()
            matches = [(row, 0) for row in range(len(sequences))]
        return self._run(sequences, matches, last=last, head_rows=head_rows)

    def _fan_out(self, sequences: Items[Sequence], *, last: int) -> None:
        """Compute a prefix that all rows share once, in one row, if it is long and not cached yet."""
        if len(sequences) < 2 or not self._reuse:
            return
        shared = min(sequences[0].common_prefix(other) for other in sequences[1:])
        shared = min(shared, *(len(sequence) - last for sequence in sequences))
        cached = max(kept for _, kept in self._match(sequences, last=last))
        if shared - cached >= _FAN_OUT_TOKENS:
            self.advance([sequences[0].head(shared)])

    def _match(self, sequences: Items[Sequence], *, last: int) -> list[tuple[int, int]]:
        """Find for each conversation the cached row to go on from and how many of its tokens hold; all 0 if not worth it."""
        matches = []
        for wanted in sequences:
            kept = [wanted.common_prefix(row.sequence) for row in self._rows] or [0]
            best = int(np.argmax(kept))
            matches.append((best, max(0, min(kept[best], len(wanted) - last))))
        new = sum(len(wanted) - kept for wanted, (_, kept) in zip(sequences, matches, strict=True))
        saved = sum(kept for _, kept in matches)
        dead = self._width - max(kept for _, kept in matches)
        # A token costs ~24 h^2 multiplications per layer, attention to one dead column ~4 h: reuse while it pays.
        is_cheaper = saved * 6 * self.hidden_size > dead * new
        is_small = dead <= max(_SPARE_COLUMNS, 2 * saved)
        return matches if is_cheaper and is_small else [(0, 0)] * len(matches)

    def _run(
        self, sequences: Items[Sequence], matches: Items[tuple[int, int]], *, last: int, head_rows: Floats | None
    ) -> Floats:
        """Append every conversation's uncached tokens in one pass."""
        tensors, cached = self._inputs(sequences, matches, last=last, width=self._width)
        if self._has_head_rows:
            none = np.zeros((len(sequences), 0, self.hidden_size), dtype=np.float32)
            tensors[ROWS_INPUT] = none if head_rows is None else head_rows
        width, self._rows, self._width = tensors["attention_mask"].shape[1], [], 0  # a failed pass leaves nothing
        logits = infer(self._language, tensors, doing="the language model cannot run")
        self._rows, self._width = cached, width
        self.tokens_computed += tensors["inputs_embeds"].shape[0] * tensors["inputs_embeds"].shape[1]
        return logits

    def inputs_of(self, sequence: Sequence) -> dict[str, NDArray[np.generic]]:
        """Return what one fresh pass over a whole conversation feeds the language model, by input name.

        Runs the text embeddings alone and touches no cache; for compression, which looks at whole conversations.

        Raises:
            InferenceError: the runtime failed.
        """
        return self._inputs([sequence], [(0, 0)], last=1, width=0)[0]

    def _inputs(
        self, sequences: Items[Sequence], matches: Items[tuple[int, int]], *, last: int, width: int
    ) -> tuple[dict[str, NDArray[np.generic]], list[_Cached]]:
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
        tensors: dict[str, NDArray[np.generic]] = {
            "attention_mask": mask,
            "position_ids": positions,
            "inputs_embeds": embeds,
            "beam_idx": np.array([source for source, _ in matches], dtype=np.int32),
            INDEX_INPUT: np.arange(count - last, count, dtype=np.int64),
        }
        if self._has_gate:
            tensors[GATE_INPUT] = gates
        return tensors, cached

    def _embed(self, sequence: Sequence, start: int) -> Floats:
        """Return float32[T - start, H]: text embeddings, with the views' embeddings in their places."""
        ids = np.ascontiguousarray(sequence.ids[start:])[np.newaxis]
        out = infer(self._embeddings, {"input": ids}, doing="the text embeddings cannot run")
        for number, view in enumerate(sequence.views):
            here = sequence.view_of[start:] == number
            out[0, here] = view.embeddings[sequence.row_of[start:][here]]
        return out.reshape(len(sequence) - start, self.hidden_size)
