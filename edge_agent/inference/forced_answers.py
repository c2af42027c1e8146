"""Teacher forcing: lay out a given answer token by token and find where it decides, so that two bundles can be compared.

Free running compares what two bundles say; after the first difference they no longer answer the same question. Here the
answer is given, and at every decision the model's distribution over what it could have said is read. Nothing is sampled.

Only evaluation uses it, through ``Engine.forced``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Items
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ContractError
from edge_agent.inference.branched import BranchedModel
from edge_agent.inference.grammar import Answer, Decision, SchemaGrammar
from edge_agent.inference.language import LanguageModel
from edge_agent.inference.sequence import Sequence
from edge_agent.inference.side_branch import SideBranch
from edge_agent.inference.tokenizer import Tokenizer

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

WATCHED = 64  # tokens kept at a free position; the others count together


@dataclass(frozen=True, slots=True)
class Choice:
    """One place of an answer where the model decides.

    ``position`` is the index of the deciding token; ``field`` the field it decides, None for less or for free text;
    ``allowed`` int64[k] what may stand there, None for the whole vocabulary; ``is_closed``: ``allowed`` are the values
    of a field or the two ways of a list, few enough to keep all.
    """

    position: int
    field: str | None
    allowed: Ints | None
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Target:
    """An answer to be forced: its tokens and its choices, in order."""

    tokens: tuple[int, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class ForcedDecision:
    """What a model thought at one choice.

    ``ids`` int64[k] with ``logits`` float32[k]; ``rest`` is the log of the summed exponentials of every other allowed
    token (-inf where there is none); ``best`` the likeliest allowed token.
    """

    field: str | None
    ids: Ints
    logits: Floats
    rest: float
    best: int


@dataclass(frozen=True, slots=True)
class ForcedAnswer:
    """One forced step: ``best`` int64[T] the likeliest token of the whole vocabulary per position, and the decisions."""

    tokens: tuple[int, ...]
    best: Ints
    decisions: tuple[ForcedDecision, ...]


def schema_target(grammar: SchemaGrammar, text: str) -> Target:
    """Walk an answer through its grammar.

    Args:
        grammar: the step's.
        text: the JSON as a bundle wrote it.

    Raises:
        ContractError: the text does not fit the schema.
    """
    wanted, answer = text.encode("utf-8"), grammar.answer()
    choices: list[Choice] = []
    while True:
        step = answer.next()
        answer.take(step.forced)
        if step.is_done:
            break
        token = _token_towards(wanted, answer, step, tokenizer=grammar.tokenizer)
        if token is None:
            raise ContractError(
                f"{grammar.where}: the answer to force does not fit the output schema; use its own bundle"
            )
        choices.append(_choice(answer, step))
        answer.take([token])
    if answer.text() != wanted:
        raise ContractError(f"{grammar.where}: the answer to force is spelled otherwise than the grammar spells it")
    return Target(tuple(answer.tokens), tuple(choices))


def text_target(tokenizer: Tokenizer, text: str) -> Target:
    """Lay out a free text in its canonical tokens; every one of them is a choice among the whole vocabulary."""
    tokens = tuple(tokenizer.encode(text))
    return Target(tokens, tuple(Choice(place, None, None, is_closed=False) for place in range(len(tokens))))


def read_target(target: Target, logits: Floats, *, like: ForcedAnswer | None) -> ForcedAnswer:
    """Read a model's distributions off its logits.

    Args:
        target: what was forced.
        logits: float32[T, V], the logits that predict each of its tokens.
        like: another bundle's reading of the same target, whose tokens are watched at free positions; None watches the
            ``WATCHED`` likeliest.
    """
    watched: Items[Ints | None] = [None] * len(target.choices) if like is None else [d.ids for d in like.decisions]
    decisions = [
        _decision(choice, logits[choice.position], ids=ids) for choice, ids in zip(target.choices, watched, strict=True)
    ]
    return ForcedAnswer(target.tokens, logits.argmax(axis=-1).astype(np.int64), tuple(decisions))


def forced_logits(
    model: LanguageModel, sequences: Items[Sequence], targets: Items[Target], *, branch: SideBranch | None
) -> list[Floats]:
    """Run a batch of conversations that end in their answers, in one pass.

    Args:
        model: the language model.
        sequences: prompt and answer each.
        targets: the answers, in the same order.
        branch: the bundle's side branch; its bias stands where its policy puts it.

    Returns:
        Per row float32[T, V], the logits that predict each token of its answer.

    Raises:
        InferenceError: the runtime failed.
    """
    lengths = [len(target.tokens) for target in targets]
    last = max(lengths) + 1
    if branch is None:
        rows = list(model.advance(sequences, last=last))
    else:
        branched = BranchedModel(model, branch=branch)
        rows = [branched.forward(one, last=size + 1)[0] for one, size in zip(sequences, lengths, strict=True)]
        if branch.spec.policy != "every_token":  # only the first token of an answer is corrected
            plain = [model.advance([one], last=size + 1)[0] for one, size in zip(sequences, lengths, strict=True)]
            rows = [np.concatenate([first[:1], rest[1:]]) for first, rest in zip(rows, plain, strict=True)]
    return [row[len(row) - size - 1 : len(row) - 1] for row, size in zip(rows, lengths, strict=True)]


def _decision(choice: Choice, row: Floats, *, ids: Ints | None) -> ForcedDecision:
    allowed = np.arange(len(row), dtype=np.int64) if choice.allowed is None else choice.allowed
    best = int(allowed[np.argmax(row[allowed])])
    if choice.is_closed or len(allowed) <= WATCHED:
        return ForcedDecision(choice.field, allowed, row[allowed].astype(np.float32), -math.inf, best)
    if ids is None:
        ids = allowed[np.argpartition(-row[allowed], WATCHED)[:WATCHED]]
    others = row[np.setdiff1d(allowed, ids, assume_unique=True)].astype(np.float64)
    top = float(others.max()) if len(others) else 0.0
    rest = top + math.log(float(np.exp(others - top).sum())) if len(others) else -math.inf
    return ForcedDecision(choice.field, ids, row[ids].astype(np.float32), rest, best)


def _choice(answer: Answer, step: Decision) -> Choice:
    position = len(answer.tokens)
    if step.candidates:
        ids = np.array(list(step.candidates.values()), dtype=np.int64)
        return Choice(position, None if step.field is None else step.field.name, ids, is_closed=True)
    return Choice(position, None, np.flatnonzero(answer.allowed()).astype(np.int64), is_closed=False)


def _token_towards(wanted: bytes, answer: Answer, step: Decision, *, tokenizer: Tokenizer) -> int | None:
    """Return the allowed token that goes on towards the wanted text: the longest that fits."""
    left = wanted[len(answer.text()) :]
    if not step.candidates:
        return next(iter(tokenizer.encode(left.decode("utf-8", errors="replace"))), None)
    fitting = [
        (len(raw), token) for token in step.candidates.values() if left.startswith(raw := tokenizer.decode([token]))
    ]
    return max(fitting)[1] if fitting else None
