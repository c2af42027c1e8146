"""Measure a decider on reference cases: per field and tone, gold and cascade, beside the constant answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.declaration import load_declaration
from calibration.reference.agents_spec import REC_VALUES
from calibration.reference.confidence import Confidences
from calibration.reference.encode import encode_cases
from calibration.reference.engine_decider import EngineDecider, with_adapters
from calibration.reference.evaluation_table import print_result
from calibration.reference.exercises import EncodedCase, dominant_of
from calibration.reference.pool import PoolCase, draw_pool, drawing_digest, read_pool
from calibration.reference.scores import Scores, chance_of_tone
from calibration.reference.torch_decider import ReasonInput, Row, TorchDecider
from edge_agent.agents.prompts import DOMINANT_FIELDS
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder

Progress = Callable[[str, int, int, str], None]
OVERVIEW_FIELDS = ("applicability", "colour")  # what an overview can show; the rest is fixed there and scores nothing
OWN = {"recognition": "recognition", "representation": "representation", "reasoning": "reasoning"}
# Rep's adapter is not lent out: without its invocation token it does nothing, and the engine refuses such a prompt.
SWAPPED = {"recognition": "reasoning", "representation": "recognition", "reasoning": "recognition"}
BARE: dict[str, str | None] = dict.fromkeys(OWN)
MODES: dict[str, Mapping[str, str | None]] = {"own": OWN, "bare": BARE, "swapped": SWAPPED}
Result = dict[str, dict[str, Any]]  # mode -> what ``measure`` returned


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


def measure(
    decider: Decider,
    cases: Sequence[EncodedCase],
    on_progress: Progress,
    *,
    stage: str,
    confidences: Confidences | None = None,
) -> dict[str, Any]:
    """Run all three agents on the cases, Reason on the gold Representation and through the cascade.

    Args:
        decider: decides every agent's fields.
        cases: of the test split.
        on_progress: told of every agent.
        stage: what is measured, for the progress line.
        confidences: how logits become confidences; None measures accuracy only.
    """
    scores = Scores()

    def sure(agent: str, row: Row) -> dict[str, tuple[float, float]]:
        return {} if confidences is None else confidences.of(agent, row)

    def tell(agent: str) -> Callable[[int, int], None]:
        return lambda done, total: on_progress(f"{stage} {agent}", done, total, "")

    recognised = decider.recognition(cases, tell("rec"))
    for encoded, rows in zip(cases, recognised, strict=True):
        for view, row in zip(encoded.case.views, rows, strict=True):
            names = OVERVIEW_FIELDS if view.shot == "overview" else tuple(REC_VALUES)
            truth = {name: view.labels[name] for name in names}
            scores.add(
                "recognition",
                tone=encoded.case.tone,
                truth=truth,
                answer=values_of(row),
                confidences=sure("recognition", row),
            )
    inside = [(e, rows) for e, rows in zip(cases, recognised, strict=True) if e.case.in_scope]
    represented = decider.representation([e for e, _ in inside], tell("rep"))
    _score_representation(scores, [e.case for e, _ in inside], represented, sure=sure)
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
            scores.add(
                name,
                tone=case.tone,
                truth=case.reasoning,
                answer=values_of(answer),
                confidences=sure(name, answer) if name == "reasoning" else None,
            )
            if name == "cascade":
                rows_of_tone.append((case.tone, str(values_of(answer)["syndrome"])))
    fields_of = {agent: scores.names(agent) for agent in ("recognition", "representation", "reasoning", "cascade")}
    return {
        "cases": len(cases),
        "fields": scores.summary(),
        "means": {agent: round(scores.mean(fields), 4) for agent, fields in fields_of.items()},
        "means_per_tone": {agent: scores.mean_per_tone(fields) for agent, fields in fields_of.items()},
        "tone_to_syndrome": chance_of_tone(rows_of_tone),
    }


def represented_fields(case: PoolCase) -> tuple[str, ...]:
    """Return the fields of Rep that a case can tell: without an overview two are cannot_tell by rule and prove nothing."""
    seen = any(view.shot == "overview" for view in case.views)
    return ("mechanism", "distribution", "symmetry") if seen else ("mechanism",)


def _score_representation(
    scores: Scores,
    cases: Sequence[PoolCase],
    rows: Sequence[Row],
    *,
    sure: Callable[[str, Row], dict[str, tuple[float, float]]],
) -> None:
    for case, row in zip(cases, rows, strict=True):
        names = represented_fields(case)
        truth = {name: case.representation[name] for name in names}
        scores.add(
            "representation",
            tone=case.tone,
            truth=truth,
            answer=values_of(row),
            confidences=sure("representation", row),
        )


def cases_per_tone(cases: Sequence[PoolCase], per_tone: int) -> list[PoolCase]:
    """Return the first ``per_tone`` cases of each tone."""
    counts: dict[int, int] = {}
    chosen = []
    for case in cases:
        counts[case.tone] = counts.get(case.tone, 0) + 1
        if counts[case.tone] <= per_tone:
            chosen.append(case)
    return chosen


def draw_cases(pool: Path, *, per_tone: int, on_progress: Progress) -> list[PoolCase]:
    """Draw (or read) the test split's first ``per_tone`` cases of each tone.

    Args:
        pool: folder of pools; what an older renderer drew is never read.
    """
    shards = draw_pool(
        pool / f"test-{drawing_digest()[:8]}",
        split="test",
        cases=int(per_tone * 5 * 1.15) + 20,  # tones are drawn at random: a few more than needed
        processes=2,
        on_progress=lambda done, total: on_progress("draw test", done, total, ""),
    )
    return cases_per_tone(list(read_pool(shards)), per_tone)


def evaluate_torch(
    model: Path, cases: Sequence[PoolCase], *, modes: Sequence[str] = tuple(MODES), on_progress: Progress
) -> Result:
    """Measure a model folder in PyTorch + PEFT, float32, with its own, no and swapped adapters."""
    backbone = Qwen2_5_VLForConditionalGeneration.from_pretrained(model / "base", dtype=torch.float32).eval()
    encoded = encode_cases(backbone, cases, on_progress)
    fitted = load_declaration(model / "base").thresholds.fields
    confidences = Confidences(
        {name: row.temperature for name, row in fitted.items()},
        {name: row.min_confidence for name, row in fitted.items()},
    )
    return {
        mode: measure(
            TorchDecider(model, adapters=MODES[mode]),
            encoded,
            on_progress,
            stage=f"torch {mode}",
            confidences=confidences if mode == "own" else None,
        )
        for mode in modes
    }


def evaluate_bundle(
    bundle: Bundle, cases: Sequence[PoolCase], *, modes: Sequence[str] = tuple(MODES), on_progress: Progress
) -> Result:
    """Measure a bundle on the device's engine in production settings, with its own, no and swapped adapters."""
    plain = [EncodedCase(case, ()) for case in cases]  # the engine encodes the pictures itself
    fitted = bundle.manifest.thresholds.fields
    confidences = Confidences(least={name: row.min_confidence for name, row in fitted.items()})
    result: Result = {}
    for mode in modes:
        decider = EngineDecider(with_adapters(bundle, MODES[mode]))
        try:
            result[mode] = measure(
                decider,
                plain,
                on_progress,
                stage=f"{bundle.path.name} {mode}",
                confidences=confidences if mode == "own" else None,
            )
        finally:
            decider.close()
    return result


def evaluate(
    model: Path | None,
    bundles: Sequence[Path],
    *,
    pool: Path,
    per_tone: int,
    out: Path | None,
    on_progress: Progress,
) -> dict[str, Result]:
    """Measure a model folder and bundles on the same cases; print their tables and floors.

    Args:
        model: a folder with ``base/`` and ``adapters/``; None measures bundles only.
        bundles: signed with the development key.
        pool: folder of drawn test cases.
        per_tone: cases per skin tone.
        out: JSON file for all figures; None writes none.
        on_progress: told of every step worth showing.

    Raises:
        RejectedError: a bundle is damaged or nobody trusted signed it.
    """
    keys = load_keys(shipped_key_folder())
    opened = [open_bundle(path, keys=keys) for path in bundles]  # all are checked before the first hour is spent
    cases = draw_cases(pool, per_tone=per_tone, on_progress=on_progress)
    results: dict[str, Result] = {}
    if model is not None:
        results["PyTorch float32"] = evaluate_torch(model, cases, on_progress=on_progress)
    for bundle in opened:
        results[str(bundle.path)] = evaluate_bundle(bundle, cases, on_progress=on_progress)
    for name, result in results.items():
        print_result(name, result)
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results
