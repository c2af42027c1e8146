"""Run a bundle along given answers: whole ones for evaluation, beginnings for golden cases. Samples nothing."""

from __future__ import annotations

from collections.abc import Sequence as Items

from edge_agent.contracts.case import Request
from edge_agent.contracts.manifest import AgentName, Step
from edge_agent.inference.forced_answers import (
    ForcedAnswer,
    Target,
    forced_logits,
    read_target,
    schema_target,
    text_target,
)
from edge_agent.inference.loading import Loaded
from edge_agent.inference.turns import Turns


class Forcing:
    """One loaded bundle, led along answers that somebody else gave."""

    def __init__(self, loaded: Loaded, turns: Turns) -> None:
        self._loaded, self._turns = loaded, turns

    def read(
        self,
        agent: AgentName,
        requests: Items[Request],
        answers: Items[Items[str]],
        *,
        steps: Items[Step],
        like: Items[Items[ForcedAnswer]] | None,
    ) -> list[tuple[ForcedAnswer, ...]]:
        """Read the distributions along whole answers, one pass per step for the batch; see ``Engine.forced``."""
        loaded = self._loaded
        conversations = [self._turns.empty() for _ in requests]
        found: list[tuple[ForcedAnswer, ...]] = [() for _ in requests]
        for number, step in enumerate(steps):
            targets = [self._target(agent, step, told[number]) for told in answers]
            conversations = [
                self._turns.add(one, request, agent=agent, number=number).with_tokens(target.tokens)
                for one, request, target in zip(conversations, requests, targets, strict=True)
            ]
            loaded.language.begin()
            logits = forced_logits(loaded.language, conversations, targets, branch=loaded.side_branch)
            for row, (target, scores) in enumerate(zip(targets, logits, strict=True)):
                earlier = None if like is None else like[row][number]
                found[row] = (*found[row], read_target(target, scores, like=earlier))
        return found

    def follow(self, agent: AgentName, requests: Items[Request], begun: Items[Items[int]]) -> list[list[int]]:
        """Return the likeliest token at every place of given beginnings, one by one; see ``Engine.follow``."""
        loaded = self._loaded
        out: list[list[int]] = []
        for request, ids in zip(requests, begun, strict=True):
            prompt = self._turns.add(self._turns.empty(), request, agent=agent, number=0)
            loaded.language.begin()
            [logits] = forced_logits(
                loaded.language, [prompt.with_tokens(ids)], [Target(tuple(ids), ())], branch=loaded.side_branch
            )
            out.append([int(token) for token in logits.argmax(axis=-1)])
        return out

    def _target(self, agent: AgentName, step: Step, text: str) -> Target:
        grammar = self._loaded.grammars.get((agent, step.name))
        return text_target(self._loaded.tokenizer, text) if grammar is None else schema_target(grammar, text)
