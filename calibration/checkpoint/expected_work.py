"""Count what PyTorch has to run for a checkpoint's expected values: its canary and its golden cases, from the declaration.

Arithmetic on ``derm_edge.json`` and ``golden/cases.json``; nothing is tokenized or run. Lists are taken as half full, and
text by its bytes, so the count is of the right order and no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.declaration import BundleDeclaration, DeclaredAgent, load_declaration
from calibration.golden import TEXT_TOKENS, decode_png, load_golden_source, requests_of
from calibration.schema_writer import is_writable
from edge_agent.contracts.golden import GoldenCase, GoldenSet
from edge_agent.contracts.manifest import Step
from edge_agent.errors import ExportError

CANARY_PROMPTS = 3  # per adapter and for the bare backbone (calibration.canary)
CANARY_PIXELS = 84 * 112


@dataclass(frozen=True, slots=True)
class ExpectedWork:
    """Fresh passes over a whole conversation, and the tokens of all of them together."""

    passes: float
    tokens: float

    def __add__(self, other: ExpectedWork) -> ExpectedWork:
        """Return both one after the other."""
        return ExpectedWork(self.passes + other.passes, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a token stands for: pixels of a picture up to ``max_pixels`` in all, bytes of a text."""

    pixels_per_token: int
    max_pixels: int
    bytes_per_token: float

    def picture(self, pixels: int) -> float:
        """Return the tokens of one picture."""
        return max(1.0, min(pixels, self.max_pixels) / self.pixels_per_token)

    def text(self, text: str) -> float:
        """Return the tokens of a text."""
        return len(text.encode("utf-8")) / self.bytes_per_token


def read_expected_work(folder: Path, rates: Rates) -> ExpectedWork | None:
    """Count a checkpoint's passes; None where declaration or golden cases are missing or cannot be read.

    Args:
        folder: the checkpoint; faults in it are named elsewhere.
        rates: of its pictures and texts.
    """
    try:
        declaration, golden = load_declaration(folder), load_golden_source(folder / "golden")
    except ExportError:
        return None
    work = _canary(declaration, rates)
    for case in golden.cases:
        for agent in declaration.agents.values():
            work += _case(case, agent, golden, rates)
    return work


def _canary(declaration: BundleDeclaration, rates: Rates) -> ExpectedWork:
    adapted = [agent for agent in declaration.agents.values() if agent.adapter is not None]
    tokens = [
        rates.text(agent.steps[0].prompt) + (rates.picture(CANARY_PIXELS) if agent.inputs.images != "none" else 0)
        for agent in (*adapted, declaration.agents["recognition"])
    ]
    return ExpectedWork(CANARY_PROMPTS * len(tokens), CANARY_PROMPTS * sum(tokens))


def _case(case: GoldenCase, agent: DeclaredAgent, golden: GoldenSet, rates: Rates) -> ExpectedWork:
    """Return the work of one agent on one case: each of its requests, every step but those that nobody compares."""
    texts = sum(rates.text(case.texts.get(name, "")) for name in agent.inputs.text)
    work = ExpectedWork(0, 0)
    for pictures in requests_of(case, images=agent.inputs.images):
        shapes = [decode_png(golden.pictures[name], name=name).shape for name in pictures]
        seen = texts + sum(rates.picture(shape[0] * shape[1]) for shape in shapes)
        work += _request(agent.steps, seen, rates)
    return work


def _request(steps: Sequence[Step], seen: float, rates: Rates) -> ExpectedWork:
    """Follow ``TorchReference.decide``: prompts and answers pile up, a text ends the request after its first tokens."""
    work = ExpectedWork(0, 0)
    for number, step in enumerate(steps):
        seen += rates.text(step.prompt)
        if step.contract == "text":
            begun = ExpectedWork(TEXT_TOKENS, TEXT_TOKENS * (seen + TEXT_TOKENS / 2))
            return work if number else begun
        if step.output_schema is None or not is_writable(step.output_schema):
            break
        passes = _passes(step.output_schema)
        answer = rates.text(json.dumps(_example(step.output_schema), separators=(",", ":")))
        work += ExpectedWork(passes, passes * (seen + answer / 2))
        seen += answer
    return work


def _passes(rule: Mapping[str, Any]) -> float:
    """Return the decisions of an answer: one per enum with a choice, one wherever a list may end."""
    if "enum" in rule:
        return float(len(rule["enum"]) > 1)
    if rule.get("type") == "array":
        least, most = int(rule["minItems"]), int(rule["maxItems"])
        count = (least + most) / 2
        return count * _passes(rule["items"]) + (count - least + 1 if most > least else 0)
    return sum(_passes(inner) for inner in rule["properties"].values())


def _example(rule: Mapping[str, Any]) -> Any:
    """Return an answer of usual length."""
    if "enum" in rule:
        return rule["enum"][0]
    if rule.get("type") == "array":
        return [_example(rule["items"])] * round((rule["minItems"] + rule["maxItems"]) / 2)
    return {name: _example(inner) for name, inner in rule["properties"].items()}
