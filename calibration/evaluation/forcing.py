"""Teacher forcing over labelled cases: read a bundle along given answers, and say how far two readings lie apart.

The answers are the reference bundle's own. At every decision the two distributions over what may stand there are
compared; positions that the grammar forces are no decisions and prove nothing. Where many tokens are allowed only the
reference's likeliest are kept apart and all others count together: the divergence is then a lower bound of the true one
(grouping outcomes never raises it; Kullback & Leibler, 1951, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.evaluation.answers import CaseAnswer, Reading, Turn
from calibration.evaluation.case_folder import EvaluationCase
from edge_agent.contracts.case import Request
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.inference.engine import Engine
from edge_agent.inference.forced_answers import ForcedAnswer, ForcedDecision

_LARGEST_LOGITS = 64_000_000  # numbers of one batch: 256 MB
_ANSWER_TOKENS = 400  # about what one answer is long; only the batch's size rests on it


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far two readings of one case and agent lie apart.

    ``nats`` is the sum over ``decisions`` of KL(reference || candidate); ``same`` counts decisions with the same
    likeliest allowed token, ``tokens_same`` positions with the same likeliest token of the whole vocabulary.
    """

    decisions: int = 0
    nats: float = 0.0
    same: int = 0
    tokens: int = 0
    tokens_same: int = 0

    def __add__(self, other: Divergence) -> Divergence:
        return Divergence(
            self.decisions + other.decisions,
            self.nats + other.nats,
            self.same + other.same,
            self.tokens + other.tokens,
            self.tokens_same + other.tokens_same,
        )


def force(
    engine: Engine,
    cases: Sequence[EvaluationCase],
    references: Sequence[CaseAnswer],
    *,
    has_readings: bool,
) -> list[list[list[Reading]]]:
    """Read a bundle along the answers of a reference, case by case, turn by turn, step by step.

    Args:
        engine: holds the bundle to be read, adapters on.
        cases: their pictures are encoded by this bundle's own vision tower.
        references: the same cases' answers, whose turns are repeated.
        has_readings: the references carry readings, and the same tokens are watched; False reads the reference itself.

    Raises:
        ContractError: the bundle's schema is not the reference's.
        InferenceError: the engine failed.
    """
    encoded = [[engine.encode(frame) for frame in case.frames()] for case in cases]
    found: list[list[list[Reading]]] = [[[] for _ in one.turns] for one in references]
    for agent in AGENTS:
        places = [
            (case, number)
            for case, one in enumerate(references)
            for number, turn in enumerate(one.turns)
            if turn.agent == agent
        ]
        for part in _parts(places, _batch_size(engine)):
            turns = [references[case].turns[number] for case, number in part]
            requests = [
                Request(views=tuple(encoded[case][view] for view in turn.views), texts=turn.texts)
                for (case, _), turn in zip(part, turns, strict=True)
            ]
            like = [[forced(r) for r in references[c].readings[n]] for c, n in part] if has_readings else None
            for (case, number), steps in zip(part, _read(engine, agent, requests, turns, like), strict=True):
                found[case][number] = steps
    engine.forget()
    return found


def _parts(places: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    return (places[first : first + size] for first in range(0, len(places), size))


def _read(
    engine: Engine,
    agent: AgentName,
    requests: Sequence[Request],
    turns: Sequence[Turn],
    like: Sequence[Sequence[ForcedAnswer]] | None,
) -> list[list[Reading]]:
    answers = engine.forced(agent, requests, [turn.answers for turn in turns], like=like)
    return [[reading(step) for step in steps] for steps in answers]


def _batch_size(engine: Engine) -> int:
    return max(1, min(16, _LARGEST_LOGITS // (engine.bundle.manifest.backbone.vocab_size * _ANSWER_TOKENS)))


def reading(step: ForcedAnswer) -> Reading:
    """Write an engine's reading as plain data; logits keep five digits behind the point."""
    return Reading(
        tokens=list(step.tokens),
        best=step.best.tolist(),
        decisions=[
            (
                one.ids.tolist(),
                [round(float(logit), 5) for logit in one.logits],
                None if math.isinf(one.rest) else round(one.rest, 5),
                one.best,
            )
            for one in step.decisions
        ],
    )


def forced(step: Reading) -> ForcedAnswer:
    """Return what the engine needs of an earlier reading."""
    decisions = tuple(
        ForcedDecision(
            None, np.array(ids, np.int64), np.array(logits, np.float32), -math.inf if rest is None else rest, best
        )
        for ids, logits, rest, best in step.decisions
    )
    return ForcedAnswer(tuple(step.tokens), np.array(step.best, np.int64), decisions)


def diverge(reference: Reading, candidate: Reading) -> Divergence:
    """Compare two readings of one step.

    Raises:
        RuntimeError: they are not of the same tokens (a programmer's mistake).
    """
    if reference.tokens != candidate.tokens or len(reference.decisions) != len(candidate.decisions):
        raise RuntimeError("two readings of different answers cannot be compared")
    nats, same = 0.0, 0
    for before, after in zip(reference.decisions, candidate.decisions, strict=True):
        if before[0] != after[0]:
            raise RuntimeError("two readings watch different tokens")
        nats += kl_nats(_chances(before[1], before[2]), _chances(after[1], after[2]))
        same += before[3] == after[3]
    return Divergence(
        decisions=len(reference.decisions),
        nats=nats,
        same=same,
        tokens=len(reference.tokens),
        tokens_same=sum(a == b for a, b in zip(reference.best, candidate.best, strict=True)),
    )


def diverge_case(reference: CaseAnswer, candidate: CaseAnswer) -> dict[str, Divergence]:
    """Compare all readings of one case, summed by agent; empty where a side was not forced."""
    found: dict[str, Divergence] = {}
    for turn, before, after in zip(reference.turns, reference.readings, candidate.readings, strict=False):
        for one, other in zip(before, after, strict=True):
            found[turn.agent] = found.get(turn.agent, Divergence()) + diverge(one, other)
    return found


def kl_nats(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return KL(before || after) in nats of two log-probability rows; infinite where ``after`` excludes something."""
    chances = np.exp(before)
    is_possible = chances > 0
    terms = chances[is_possible] * (before[is_possible] - after[is_possible])
    return max(0.0, float(terms.sum()))  # rounding may leave -1e-17


def _chances(logits: Sequence[float], rest: float | None) -> NDArray[np.float64]:
    """Return log-probabilities of the watched tokens, and of all others together where there are any."""
    row = np.array([*logits, *([] if rest is None else [rest])], dtype=np.float64)
    shifted = row - row.max()
    return np.asarray(shifted - math.log(float(np.exp(shifted).sum())))
