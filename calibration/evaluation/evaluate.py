"""Measure a bundle on labelled cases beside its FP32 twin, judge the gates, and write figures and report.

The twin runs first; its answers are what both bundles are teacher-forced along. Bundles are loaded one after the other,
so that two of them need not fit into memory. Finished cases are kept: an interrupted run goes on.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.evaluation.answers import AnswerFile, CaseAnswer, bundle_digest
from calibration.evaluation.case_folder import EvaluationCase, cases_digest
from calibration.evaluation.comparison import Comparison
from calibration.evaluation.figures import paired_text_scores
from calibration.evaluation.forcing import force
from calibration.evaluation.gates import GateResult, judge
from calibration.evaluation.limits import QualityGate
from calibration.evaluation.run import BundleRun
from calibration.evaluation.weights import weight_errors
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AGENTS, Manifest
from edge_agent.errors import CalibrationError
from edge_agent.inference.engine import Engine

CHUNK = 8  # cases of one batch
TIMED = 12  # cases timed alone; the first of them warm the kernels up
_WARM_UP = 3

Tell = Callable[[str, int, int], None]  # stage, cases done, cases in all


@dataclass(frozen=True, slots=True)
class Measured:
    """One bundle's answers on the cases, its size, and the median milliseconds of a case alone (None: not timed)."""

    name: str
    bundle: Bundle
    answers: tuple[CaseAnswer, ...]
    size_bytes: int
    case_ms: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was measured; ``comparison`` and ``gates`` are empty without a reference."""

    cases: Sequence[EvaluationCase]
    candidate: Measured
    reference: Measured | None = None
    comparison: Comparison | None = None
    gates: tuple[GateResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    ``forced_per_tone`` cases of each tone group are teacher-forced. ``work`` keeps finished cases. ``is_timed`` False
    leaves the latency out (tests, and runs beside other work).
    """

    cases: Sequence[EvaluationCase]
    gates: Sequence[QualityGate]
    work: Path
    forced_per_tone: int = 200
    is_timed: bool = True


def evaluate(candidate: Bundle, reference: Bundle | None, plan: Plan, *, tell: Tell) -> Evaluation:
    """Measure, compare and judge; does not write the report and does not raise on a gate that falls.

    Args:
        candidate: the bundle in question.
        reference: its FP32 twin; None measures only, and judges nothing.
        plan: cases, gates, where to work.
        tell: told of every chunk.

    Raises:
        CalibrationError: the two bundles do not answer the same questions, or the work folder cannot be written.
        PictureError: a case's picture cannot be read.
        InferenceError: an engine failed.
    """
    if reference is None:
        return Evaluation(plan.cases, _measure(candidate, "candidate", plan, along=None, tell=tell))
    check_comparable(candidate.manifest, reference.manifest)
    first = _measure(reference, "reference", plan, along=None, tell=tell)
    second = _measure(candidate, "candidate", plan, along=first, tell=tell)
    pairs = paired_text_scores(plan.cases, first.answers, second.answers)
    tell("weights", 0, 1)
    weights = weight_errors(candidate, reference)
    comparison = Comparison(plan.cases, first.answers, second.answers, text_pairs=pairs, weights=weights)
    tell("gates", 0, len(plan.gates))
    return Evaluation(plan.cases, second, first, comparison, tuple(judge(comparison, plan.gates)))


def check_comparable(candidate: Manifest, reference: Manifest) -> None:
    """Refuse a reference that is of other weights, is asked other questions, or may give other answers.

    Raises:
        CalibrationError: names what differs.
    """
    if candidate.backbone.content_digest != reference.backbone.content_digest:
        raise CalibrationError("the two bundles are of different weights; give the FP32 build of the same checkpoint")
    for agent in AGENTS:
        ours, theirs = candidate.agents[agent], reference.agents[agent]
        if (ours.inputs, ours.steps) != (theirs.inputs, theirs.steps):
            raise CalibrationError(
                f"the two bundles declare another {agent}; give the FP32 build of the same checkpoint"
            )
    if candidate.thresholds != reference.thresholds:
        raise CalibrationError("the two bundles have other thresholds; give the FP32 build of the same checkpoint")


def check_uncompressed(reference: Bundle) -> None:
    """Refuse a reference that is compressed itself: beside it nothing looks lost.

    Raises:
        CalibrationError: names its recipe and a part.
    """
    recipe = reference.manifest.recipe
    for part in ("language_model", "vision", "embeddings", "adapters"):
        told = recipe.get(part)
        if not isinstance(told, dict) or told.get("mode") != "none":
            raise CalibrationError(
                f"--against {reference.path} is no FP32 build: its recipe {recipe.get('name')} compresses {part}; build "
                "the same checkpoint with --recipe fp32"
            )


def forced_cases(cases: Sequence[EvaluationCase], *, per_tone: int) -> frozenset[str]:
    """Return the first so many cases of each tone group, by name."""
    counts: dict[str, int] = {}
    chosen = set()
    for case in cases:
        tone = case.file.tone_group
        counts[tone] = counts.get(tone, 0) + 1
        if counts[tone] <= per_tone:
            chosen.add(case.case_id)
    return frozenset(chosen)


def _measure(bundle: Bundle, role: str, plan: Plan, *, along: Measured | None, tell: Tell) -> Measured:
    digest = bundle_digest(bundle.path, bundle.manifest)
    other = "" if along is None else bundle_digest(along.bundle.path, along.bundle.manifest)
    key = hashlib.sha256(f"{digest} {other} {cases_digest(plan.cases)} {plan.forced_per_tone}".encode()).hexdigest()
    file = AnswerFile(plan.work / f"{role}.jsonl", key=key)
    done = list(file.found)
    with Engine(bundle) as engine:
        run = BundleRun(engine, bundle.manifest)
        chosen = forced_cases(plan.cases, per_tone=plan.forced_per_tone)
        while len(done) < len(plan.cases):
            tell(role, len(done), len(plan.cases))
            chunk = plan.cases[len(done) : len(done) + CHUNK]
            twins = None if along is None else along.answers[len(done) : len(done) + CHUNK]
            answers = _with_readings(engine, chunk, run.answer(chunk), twins=twins, chosen=chosen)
            file.append(answers)
            done += answers
        tell(role, len(done), len(plan.cases))
        spent = _time(run, plan) if plan.is_timed else None
    size = sum((bundle.path / entry.path).stat().st_size for entry in bundle.manifest.files)
    return Measured(bundle.path.name, bundle, tuple(done), size, spent)


def _with_readings(
    engine: Engine,
    cases: Sequence[EvaluationCase],
    answers: Sequence[CaseAnswer],
    *,
    twins: Sequence[CaseAnswer] | None,
    chosen: frozenset[str],
) -> list[CaseAnswer]:
    """Add the teacher-forced readings of the chosen cases: along the twin's answers, or the bundle's own."""
    places = [number for number, case in enumerate(cases) if case.case_id in chosen]
    if not places:
        return list(answers)
    along = answers if twins is None else twins
    found = force(engine, [cases[n] for n in places], [along[n] for n in places], has_readings=twins is not None)
    out = list(answers)
    for number, readings in zip(places, found, strict=True):
        out[number] = answers[number].model_copy(update={"readings": readings})
    return out


def _time(run: BundleRun, plan: Plan) -> float | None:
    """Return the median milliseconds of a case in scope alone; None where there are too few."""
    inside = [case for case in plan.cases if case.file.in_scope][:TIMED]
    spent = [run.time_one(case) for case in inside][_WARM_UP:]
    return statistics.median(spent) if spent else None
