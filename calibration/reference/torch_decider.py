"""Let PyTorch + PEFT decide reference cases in float32: the judge that a built bundle is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference.exercises import EncodedCase, Exercises
from calibration.reference.sequences import SequenceMaker, TokenSequence, decide
from calibration.reference.train import load_adapter

Row = dict[str, tuple[Any, dict[str, float]]]  # field -> (value, logit per candidate)


@dataclass(frozen=True, slots=True)
class ReasonInput:
    """What Reason reads: merged signs, Representation, intake."""

    dominant: Mapping[str, Any]
    representation: Mapping[str, Any]
    intake: Mapping[str, Any]


class TorchDecider:
    """Decide with one adapter (or none) per agent.

    Args:
        folder: a model folder with ``base/`` and ``adapters/<name>/``.
        adapters: agent -> adapter name, None for the bare backbone; swapping is done here.
    """

    def __init__(self, folder: Path, *, adapters: Mapping[str, str | None]) -> None:
        self._folder, self._adapters = folder, dict(adapters)
        tokenizer = Tokenizer.from_file(str(folder / "base" / "tokenizer.json"))
        self.exercises = Exercises(SequenceMaker(tokenizer))
        self._pad = int(tokenizer.token_to_id("<|endoftext|>"))

    def _load(self, agent: str) -> tuple[torch.nn.Module, Qwen2_5_VLForConditionalGeneration]:
        name = self._adapters[agent]
        if name is not None:
            return load_adapter(self._folder / "base", self._folder / "adapters" / name)
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(self._folder / "base", dtype=torch.float32).eval()
        return model, model

    def _decide(self, agent: str, rows: Sequence[TokenSequence], tell: Callable[[int, int], None]) -> Iterator[Row]:
        model, backbone = self._load(agent)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
        found: dict[int, Row] = {}
        for first in range(0, len(order), 64):
            part = order[first : first + 64]
            for i, answer in zip(part, decide(model, backbone, [rows[i] for i in part], pad=self._pad), strict=True):
                marks = {d.field: d for d in rows[i].decisions}
                found[i] = {
                    name: (value, {str(v): float(s) for v, s in zip(marks[name].values, scores, strict=True)})
                    for name, (value, scores) in answer.items()
                }
            tell(min(first + 64, len(order)), len(order))
        return iter([found[i] for i in range(len(rows))])

    def recognition(self, cases: Sequence[EncodedCase], tell: Callable[[int, int], None]) -> list[list[Row]]:
        """Return per case and view Rec's fields."""
        rows = [self.exercises.recognition(case, n) for case in cases for n in range(len(case.pictures))]
        answers = self._decide("recognition", rows, tell)
        return [[next(answers) for _ in case.pictures] for case in cases]

    def representation(self, cases: Sequence[EncodedCase], tell: Callable[[int, int], None]) -> list[Row]:
        """Return per case Rep's fields of both steps."""
        return list(self._decide("representation", [self.exercises.representation(c) for c in cases], tell))

    def reasoning(self, inputs: Sequence[ReasonInput], tell: Callable[[int, int], None]) -> list[Row]:
        """Return per input Reason's fields."""
        rows = [
            self.exercises.reasoning(i.dominant, i.representation, i.intake, syndrome="insufficient_information")
            for i in inputs
        ]
        return list(self._decide("reasoning", rows, tell))
