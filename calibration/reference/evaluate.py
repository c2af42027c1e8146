"""Measure a decider on reference cases: per field and tone, gold and cascade, beside the constant answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.table import Table
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference.agents_spec import REC_VALUES
from calibration.reference.encode import encode_cases
from calibration.reference.exercises import EncodedCase, dominant_of
from calibration.reference.pool import PoolCase, draw_pool, read_pool
from calibration.reference.scores import Scores, chance_of_tone
from calibration.reference.torch_decider import ReasonInput, Row, TorchDecider
from edge_agent.agents.prompts import DOMINANT_FIELDS

Progress = Callable[[str, int, int, str], None]
OVERVIEW_FIELDS = ("applicability", "colour")  # what an overview can show; the rest is fixed there and scores nothing
OWN = {"recognition": "recognition", "representation": "representation", "reasoning": "reasoning"}
SWAPPED = {"recognition": "representation", "representation": "reasoning", "reasoning": "recognition"}
BARE: dict[str, str | None] = dict.fromkeys(OWN)


class Decider(Protocol):
    """Decides the three agents' fields; PyTorch and the device's engine both do."""

    def recognition(self, cases: Sequence[EncodedCase], tell: Callable[[int, int], None]) -> list[list[Row]]:
        """Return per case and view Rec's fields."""

    def representation(self, cases: Sequence[EncodedCase], tell: Callable[[int, int], None]) -> list[Row]:
        """Return per case Rep's fields."""

    def reasoning(self, inputs: Sequence[ReasonInput], tell: Callable[[int, int], None]) -> list[Row]:
        """Return per input Reason's fields."""


def values_of(row: Row) -> dict[str, Any]:
    """Drop the logits of a row."""
    return {name: value for name, (value, _) in row.items()}


def leading_signs(case: PoolCase, rows: Sequence[Row]) -> dict[str, Any]:
    """Merge Rec's answers for Reason: per sign the most confident near view's known value, else ``cannot_tell``."""
    merged: dict[str, Any] = {}
    for name in DOMINANT_FIELDS:
        best, confidence = None, -1.0
        for view, row in zip(case.views, rows, strict=True):
            value, logits = row[name]
            if view.shot == "overview" or value in (None, "cannot_tell"):
                continue
            share = float(torch.tensor(list(logits.values())).softmax(0).max())
            if share > confidence:
                best, confidence = value, share
        merged[name] = best
    return merged


def measure(decider: Decider, cases: Sequence[EncodedCase], on_progress: Progress, *, stage: str) -> dict[str, Any]:
    """Run all three agents on the cases, Reason on the gold Representation and through the cascade."""
    scores = Scores()

    def tell(agent: str) -> Callable[[int, int], None]:
        return lambda done, total: on_progress(f"{stage} {agent}", done, total, "")

    recognised = decider.recognition(cases, tell("rec"))
    for encoded, rows in zip(cases, recognised, strict=True):
        for view, row in zip(encoded.case.views, rows, strict=True):
            names = OVERVIEW_FIELDS if view.shot == "overview" else tuple(REC_VALUES)
            truth = {name: view.labels[name] for name in names}
            scores.add("recognition", tone=encoded.case.tone, truth=truth, answer=values_of(row))
    inside = [(e, rows) for e, rows in zip(cases, recognised, strict=True) if e.case.in_scope]
    represented = decider.representation([e for e, _ in inside], tell("rep"))
    _score_representation(scores, [e.case for e, _ in inside], represented)
    gold = [ReasonInput(dominant_of(e.case.signs), e.case.representation, e.case.intake) for e, _ in inside]
    chained = [
        ReasonInput(leading_signs(e.case, rows), values_of(rep), e.case.intake)
        for (e, rows), rep in zip(inside, represented, strict=True)
    ]
    rows_of_tone = []
    for name, inputs in (("reasoning", gold), ("cascade", chained)):
        answers = decider.reasoning(inputs, tell(name))
        for (encoded, _), answer in zip(inside, answers, strict=True):
            case = encoded.case
            scores.add(name, tone=case.tone, truth=case.reasoning, answer=values_of(answer))
            if name == "cascade":
                rows_of_tone.append((case.tone, str(values_of(answer)["syndrome"])))
    means = {a: round(scores.mean(scores.names(a)), 4) for a in ("recognition", "representation", "reasoning", "cascade")}
    return {"fields": scores.summary(), "means": means, "tone_to_syndrome": chance_of_tone(rows_of_tone)}


def _score_representation(scores: Scores, cases: Sequence[PoolCase], rows: Sequence[Row]) -> None:
    for case, row in zip(cases, rows, strict=True):
        names = ["mechanism"]
        if any(view.shot == "overview" for view in case.views):
            names += ["distribution", "symmetry"]  # without an overview both are cannot_tell by rule and score nothing
        truth = {name: case.representation[name] for name in names}
        scores.add("representation", tone=case.tone, truth=truth, answer=values_of(row))


def cases_per_tone(cases: Sequence[PoolCase], per_tone: int) -> list[PoolCase]:
    """Return the first ``per_tone`` cases of each tone."""
    counts: dict[int, int] = {}
    chosen = []
    for case in cases:
        counts[case.tone] = counts.get(case.tone, 0) + 1
        if counts[case.tone] <= per_tone:
            chosen.append(case)
    return chosen


def evaluate_folder(
    model: Path, *, work: Path, per_tone: int, out: Path | None, on_progress: Progress
) -> dict[str, Any]:
    """Evaluate a model folder in float32 with its own, no and swapped adapters; print a table."""
    shards = draw_pool(
        work / "pool",
        split="test",
        cases=int(per_tone * 5 * 1.15) + 20,
        processes=2,
        on_progress=lambda done, total: on_progress("draw test", done, total, ""),
    )
    chosen = cases_per_tone(list(read_pool(shards)), per_tone)
    backbone = Qwen2_5_VLForConditionalGeneration.from_pretrained(model / "base", dtype=torch.float32).eval()
    encoded = encode_cases(backbone, chosen, on_progress)
    variants: dict[str, Mapping[str, str | None]] = {"own adapters": OWN, "bare backbone": BARE, "swapped": SWAPPED}
    result = {
        name: measure(TorchDecider(model, adapters=adapters), encoded, on_progress, stage=name)
        for name, adapters in variants.items()
    }
    print_table(result)
    if out is not None:
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def print_table(result: Mapping[str, Mapping[str, Any]]) -> None:
    """Print one row per field: accuracy with interval, constant answer, worst tone, then the other variants."""
    names = list(result)
    table = Table(title="reference model on drawn cases - not for clinical use")
    for column in ("field", names[0], "95 %", "constant", "worst tone", *names[1:]):
        table.add_column(column)
    for name, row in result[names[0]]["fields"].items():
        low, high = row["interval"]
        tone, worst = min(row["per_tone"].items(), key=lambda item: item[1])
        others = [f"{result[other]['fields'][name]['accuracy']:.3f}" for other in names[1:]]
        table.add_row(
            name, f"{row['accuracy']:.3f}", f"{low:.3f}-{high:.3f}", f"{row['constant']:.3f}", f"{worst:.3f} ({tone})", *others
        )
    for agent, value in result[names[0]]["means"].items():
        others = [f"{result[other]['means'][agent]:.3f}" for other in names[1:]]
        table.add_row(f"mean {agent}", f"{value:.3f}", "", "", "", *others)
    Console(width=140).print(table)
