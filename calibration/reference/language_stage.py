"""Stages 2 and 3 of the reference training: the language model learns to read, then one adapter per agent.

The backbone learns ordinary descriptions and reading exercises only (``corpus``). Adapters are trained by PEFT on
the frozen backbone, rounded to bf16 as it is shipped, so that what an agent knows stands in its adapter alone.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference.optimiser import MatrixOptimiser
from calibration.reference.sequences import TokenSequence, collate, run_model, weighted_loss

SequenceSource = Callable[[random.Random], TokenSequence]


@dataclass(frozen=True, slots=True)
class TextSettings:
    """Length and speed of one language stage."""

    steps: int
    batch: int
    learning_rate: float
    seed: int
    save_every: int = 200


class TextStage:
    """Train some parameters of a model on drawn sequences, resumably.

    Args:
        model: the backbone or its PEFT wrapper; parameters that require gradients are trained.
        backbone: the backbone inside.
        checkpoint: file that holds parameters, optimiser and step.
    """

    def __init__(
        self,
        model: nn.Module,
        backbone: Qwen2_5_VLForConditionalGeneration,
        *,
        checkpoint: Path,
        settings: TextSettings,
        pad: int,
    ) -> None:
        self._model, self._backbone, self._path = model, backbone, checkpoint
        self._settings, self._pad = settings, pad
        self._named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._optimiser = MatrixOptimiser(self._named.items(), weight_decay=0.01)
        self.step = 0
        if checkpoint.exists():
            self._load()

    def _load(self) -> None:
        state = torch.load(self._path, weights_only=True)
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(state["parameters"][name])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def _save(self) -> None:
        state = {
            "parameters": {name: p.detach() for name, p in self._named.items()},
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
        }
        temporary = self._path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self._path)

    def _rate(self) -> float:
        s = self._settings
        warm = min(1.0, (self.step + 1) / 60)
        return s.learning_rate * warm * max(0.02, 0.5 * (1 + math.cos(math.pi * self.step / s.steps)))

    def train(self, draw: SequenceSource, *, on_step: Callable[[int, int, float], None]) -> None:
        """Run the remaining steps on sequences from ``draw``; every step has its own seed."""
        running, since = 0.0, time.monotonic()
        while self.step < self._settings.steps:
            rng = random.Random(self._settings.seed * 1_000_003 + self.step)
            loss = self._one([draw(rng) for _ in range(self._settings.batch)])
            running = loss if running == 0 else 0.95 * running + 0.05 * loss
            self.step += 1
            if self.step % self._settings.save_every == 0 or self.step == self._settings.steps:
                self._save()
            if time.monotonic() - since > 10 or self.step == self._settings.steps:
                on_step(self.step, self._settings.steps, running)
                since = time.monotonic()

    def _one(self, rows: Sequence[TokenSequence]) -> float:
        batch = collate(rows, pad=self._pad)
        loss = weighted_loss(run_model(self._model, self._backbone, batch), batch)
        self._optimiser.descend(loss, rate=self._rate())
        return float(loss.detach())
