"""Measure single tokens and prefills of one loaded shape: with adapters and without, in turns, in one process."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence as Items
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AGENTS, Activation
from edge_agent.inference.language import LanguageModel
from edge_agent.inference.loading import Loaded, load
from edge_agent.inference.runtime import EngineSettings
from edge_agent.inference.sequence import Gate, Sequence
from scripts.speed.interleave import Tell

CONTEXT = 450
_TOKENS = 12  # per turn: short, so that both see the same noise
_ROUNDS = 9


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """Median seconds: one token ``with_adapters`` and ``bare``, a prefill of CONTEXT tokens each, a switch of adapter."""

    with_adapters: float
    bare: float
    prefill_with_adapters: float
    prefill_bare: float
    switch: float


def measure_tokens(bundle: Bundle, *, tell: Tell) -> TokenTimes:
    """Load the shape twice, with and without adapters, and time them in turns."""
    settings = EngineSettings(threads=os.cpu_count())
    tell("load with adapters and bare")
    engines = {
        "with": load(bundle, settings=settings, adapters=True),
        "bare": load(bundle, settings=settings, adapters=False),
    }
    tokens: dict[str, list[float]] = {name: [] for name in engines}
    prefills: dict[str, list[float]] = {name: [] for name in engines}
    switches: list[float] = []
    for number in range(_ROUNDS + 1):
        tell(f"tokens, round {number} of {_ROUNDS}")
        order = list(engines) if number % 2 == 0 else list(reversed(engines))
        for name in order:
            prefill, each = _round(engines[name], seed=number)
            if number:
                prefills[name].append(prefill)
                tokens[name] += each
        if number:
            switches.append(_switch(engines["with"], seed=number))
    return TokenTimes(
        statistics.median(tokens["with"]), statistics.median(tokens["bare"]),
        statistics.median(prefills["with"]), statistics.median(prefills["bare"]), statistics.median(switches),
    )  # fmt: skip


def _round(loaded: Loaded, *, seed: int) -> tuple[float, list[float]]:
    """Return seconds of a fresh prefill, and of every token behind it."""
    model, conversation = loaded.language, _conversation(loaded.gates[AGENTS[0]], seed=seed)
    model.reset()
    started = perf_counter()
    model.advance([conversation])
    prefill = perf_counter() - started
    return prefill, _tokens(model, conversation)


def _tokens(model: LanguageModel, conversation: Sequence) -> list[float]:
    spent = []
    for number in range(_TOKENS):
        conversation = conversation.with_tokens([100 + number])
        started = perf_counter()
        model.advance([conversation])
        spent.append(perf_counter() - started)
    return spent[2:]


def _switch(loaded: Loaded, *, seed: int) -> float:
    """Return what the first token under another adapter takes longer than one under the same."""
    model = loaded.language
    short = [_conversation(loaded.gates[agent], seed=seed, count=4) for agent in AGENTS[:2]]
    spent = []
    model.reset()
    for conversation in (short[0], short[0], short[1]):
        model.reset()
        started = perf_counter()
        model.advance([conversation])
        spent.append(perf_counter() - started)
    return spent[2] - spent[1]


def _conversation(gate: Gate, *, seed: int, count: int = CONTEXT) -> Sequence:
    ids: Items[int] = np.random.default_rng(seed).integers(300, 2000, count).tolist()
    always = Gate(gate.width, gate.column, Activation(kind="always"))
    return text_under(ids, always)


def text_under(ids: Items[int], gate: Gate) -> Sequence:
    """Return a conversation of text alone under a gate."""
    grown = Sequence.empty(gate.width).with_tokens(ids)
    return replace(grown, gates=gate.over(grown.ids))
