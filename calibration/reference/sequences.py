"""Turn reference cases into token sequences with the loss on what a model must say.

A sequence knows its pictures (as cached merged vision tokens), its token ids, and a weight per token; only decisions
carry weight, since the grammar forces the rest (``answer_layout``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference.agents_spec import SCHEMAS
from calibration.reference.answer_layout import AnswerLayout, Decision


@dataclass(frozen=True, slots=True)
class Picture:
    """Merged vision tokens of one view, float32[T, hidden], and its patch grid (rows, cols)."""

    tokens: Tensor
    rows: int
    cols: int


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """One training or evaluation sequence; ``weights`` is 0 on the prompt."""

    ids: list[int]
    weights: list[float]
    pictures: tuple[Picture, ...]
    decisions: tuple[Decision, ...] = ()


class SequenceMaker:
    """Encode prompts and answers with one tokenizer.

    Args:
        tokenizer: the reference tokenizer.
        image_pad: the text of the picture's pad token.
    """

    def __init__(self, tokenizer: Tokenizer, *, image_pad: str = "<|image_pad|>") -> None:
        self._tokenizer = tokenizer
        self._pad = image_pad
        self._end = tokenizer.token_to_id("<|im_end|>")
        self._layouts = {key: AnswerLayout(schema(), tokenizer) for key, schema in SCHEMAS.items()}

    def prompt_ids(self, prompt: str, pictures: Sequence[Picture]) -> list[int]:
        """Encode a prompt; each pad becomes as many pads as its picture has merged tokens."""
        pieces = prompt.split(self._pad)
        if len(pieces) != len(pictures) + 1:
            raise RuntimeError(f"{len(pieces) - 1} picture places for {len(pictures)} pictures")
        text = pieces[0]
        for picture, piece in zip(pictures, pieces[1:], strict=True):
            text += self._pad * len(picture.tokens) + piece
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, prompt: str, answer: str, pictures: Sequence[Picture] = ()) -> TokenSequence:
        """Make a free-text sequence: the loss is on the whole answer and its end."""
        head = self.prompt_ids(prompt, pictures)
        tail = [*self._tokenizer.encode(answer, add_special_tokens=False).ids, self._end]
        return TokenSequence(head + tail, [0.0] * len(head) + [1.0] * len(tail), tuple(pictures))

    def agent(
        self, turns: Sequence[tuple[tuple[str, str], str, Mapping[str, Any]]], pictures: Sequence[Picture]
    ) -> TokenSequence:
        """Make an agent's sequence of one or more turns: ((agent, step), prompt, answer values)."""
        ids: list[int] = []
        weights: list[float] = []
        decisions: list[Decision] = []
        for number, (key, prompt, values) in enumerate(turns):
            head = self.prompt_ids(prompt, pictures if number == 0 else ())
            ids += head
            weights += [0.0] * len(head)
            tail, found = self._answer(key, values, offset=len(ids))
            # The grammar forces the layout; an adapter that had to learn its 150 tokens would neglect the decisions.
            marked = {d.position for d in found}
            weights += [float(len(ids) + i in marked) for i in range(len(tail))]
            ids += tail
            decisions += found
        ids.append(self._end)
        weights.append(0.0)
        return TokenSequence(ids, weights, tuple(pictures), tuple(decisions))

    def _answer(
        self, key: tuple[str, str], values: Mapping[str, Any], *, offset: int
    ) -> tuple[list[int], list[Decision]]:
        ids, decisions = self._layouts[key].lay_out(values)
        return ids, [replace(one, position=one.position + offset) for one in decisions]


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded tensors: ids, mask (B, S); weights (B, S); features (N, hidden); grids (n, 3).

    ``allowed`` holds the candidates of each decision, row by row; None for free text.
    """

    ids: Tensor
    mask: Tensor
    weights: Tensor
    features: Tensor
    grids: Tensor
    allowed: tuple[tuple[int, ...], ...] | None


def collate(rows: Sequence[TokenSequence], *, pad: int) -> Batch:
    """Pad sequences on the right and stack their pictures' tokens in order."""
    length = max(len(r.ids) for r in rows)
    ids = torch.full((len(rows), length), pad)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    weights = torch.zeros(len(rows), length)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
        weights[i, : len(row.ids)] = torch.tensor(row.weights)
    pictures = [p for row in rows for p in row.pictures]
    features = torch.cat([p.tokens for p in pictures]) if pictures else torch.zeros(0, 0)
    grids = torch.tensor([[1, p.rows, p.cols] for p in pictures], dtype=torch.long).reshape(-1, 3)
    allowed = tuple(d.candidates for row in rows for d in row.decisions) or None
    return Batch(ids, mask, weights, features, grids, allowed)


def _ready_features(pixel_values: Tensor, image_grid_thw: Tensor | None = None) -> tuple[Tensor]:  # noqa: ARG001
    """Stand in for the tower: the "pixels" are its output already."""
    return (pixel_values,)


def run_model(model: torch.nn.Module, backbone: Qwen2_5_VLForConditionalGeneration, batch: Batch) -> Tensor:
    """Return logits (B, S, vocab) with the cached vision tokens in place of the tower's output.

    Args:
        model: the backbone itself or its PEFT wrapper.
        backbone: the model whose picture encoding is replaced for this call.
    """
    inner = backbone.model
    inner.rope_deltas = None
    arguments: dict[str, Any] = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if len(batch.grids):
        inner.get_image_features = _ready_features
        arguments |= {"pixel_values": batch.features, "image_grid_thw": batch.grids}
    try:
        return model(**arguments).logits
    finally:
        inner.__dict__.pop("get_image_features", None)


def weighted_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the weighted mean cross entropy of the next token, among the candidates where a grammar leaves a choice."""
    target, weight = batch.ids[:, 1:], batch.weights[:, 1:]
    chosen = weight > 0
    scores = logits[:, :-1][chosen]
    if batch.allowed is not None:
        forbidden = torch.ones(scores.shape, dtype=torch.bool)
        for row, candidates in enumerate(batch.allowed):
            forbidden[row, list(candidates)] = False
        scores = scores.masked_fill(forbidden, float("-inf"))
    losses = F.cross_entropy(scores, target[chosen], reduction="none")
    return (losses * weight[chosen]).sum() / weight.sum()
