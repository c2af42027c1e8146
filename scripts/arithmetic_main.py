"""Measure what the profile's arithmetic does to decisions: ``python -m scripts.arithmetic_main --work DIR``.

The shipped bundle answers drawn test cases in strict f32. Then every combination of KV cache and activation quantisation
answers the same cases, and is led along the strict answers, so that each decision is asked at the same place. Writes one JSON
file per arithmetic and prints it as a table. Four minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from calibration.reference.cli import Reporter, stay_offline
from calibration.reference.evaluate import draw_cases
from calibration.reference.exercises import record_text
from calibration.reference.pool import PoolCase
from device_profiles.loader import load_profile
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.case import AgentOutput, Request
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.inference.engine import Engine, EngineSettings
from edge_agent.inference.forced_answers import ForcedAnswer, ForcedDecision
from scripts.benchmarks_table import table

SHIPPED = Path(__file__).resolve().parents[1] / "edge_agent" / "bundles" / "reference"
RESULTS = Path(__file__).resolve().parent / "arithmetic"
PRECISIONS: dict[str, str | None] = {"f32": "f32", "default": None}
KV_PRECISIONS = ("f32", "f16", "u8")
GROUP_SIZES = (0, 32)
WARM_UP = 3  # first cases make kernels for new shapes and are not timed
TONES = 5

Asked = dict[AgentName, list[Request]]
Forced = dict[AgentName, list[tuple[ForcedAnswer, ...]]]
Told = dict[AgentName, list[list[str]]]


@dataclass(slots=True)
class Effect:
    """What one combination changed, counted decision by decision and answer by answer."""

    decisions: int = 0
    differing: int = 0
    changes: list[float] = field(default_factory=list)
    answers: int = 0
    answers_differing: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, expected: Forced, found: Forced) -> None:
        """Compare every decision of one case along the same answers."""
        for agent, rows in expected.items():
            for steps, others in zip(rows, found[agent], strict=True):
                for one, other in zip(steps, others, strict=True):
                    for wanted, made in zip(one.decisions, other.decisions, strict=True):
                        self.decisions += 1
                        self.differing += wanted.best != made.best
                        self.changes.append(float(np.abs(chances(wanted) - chances(made)).max()))

    def as_data(self) -> dict[str, Any]:
        """Return shares, the largest and the mean change of a probability, and the median seconds of a case."""
        return {
            "decisions": self.decisions,
            "decisions_differing": self.differing / self.decisions,
            "max_change": round(max(self.changes), 4),
            "mean_change": round(statistics.fmean(self.changes), 5),
            "answers": self.answers,
            "answers_differing": self.answers_differing / self.answers,
            "case_s": round(statistics.median(self.seconds[WARM_UP:]), 4),
        }


def chances(decision: ForcedDecision) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return float64[k + 1]: the probabilities of the watched tokens, and of all others together."""
    scores = np.append(decision.logits.astype(np.float64), decision.rest)
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def measure(bundle: Bundle, cases: Sequence[PoolCase], *, precision: str, tell: Reporter) -> dict[str, Any]:
    """Run every combination of cache and activations in one arithmetic beside strict f32.

    Args:
        bundle: verified.
        cases: more than ``WARM_UP``.
        precision: ``f32`` or ``default``, which is OpenVINO's choice for the processor.
        tell: told of every case.
    """
    threads = load_profile("generic").inference.threads
    told: list[Told] = []
    expected: list[Forced] = []
    with Engine(bundle, settings=EngineSettings(threads=threads, strict=True)) as engine:
        for number, case in enumerate(cases):
            asked = _requests(engine, case)
            told.append(_texts(_answers(engine, asked)))
            expected.append({agent: engine.forced(agent, rows, told[-1][agent]) for agent, rows in asked.items()})
            tell("strict", number + 1, len(cases), "")
    rows = []
    for kv, group in product(KV_PRECISIONS, GROUP_SIZES):
        settings = EngineSettings(
            threads=threads, precision=PRECISIONS[precision], kv_precision=kv, activation_group_size=group
        )
        name = {"precision": precision, "kv_precision": kv, "activation_group_size": group}
        effect = Effect()
        with Engine(bundle, settings=settings) as engine:
            for number, case in enumerate(cases):
                _compare(engine, case, told=told[number], expected=expected[number], effect=effect)
                tell(f"{precision} {kv} {group}", number + 1, len(cases), "")
        rows.append(name | effect.as_data())
    return {"bundle": bundle.manifest.name, "cases": len(cases), "threads": threads, "rows": rows}


def _compare(engine: Engine, case: PoolCase, *, told: Told, expected: Forced, effect: Effect) -> None:
    """Answer one case freely, timed, and once more along the strict answers."""
    started = time.perf_counter()
    asked = _requests(engine, case)
    found = _texts(_answers(engine, asked))
    effect.seconds.append(time.perf_counter() - started)
    pairs = [pair for agent in found for pair in zip(found[agent], told[agent], strict=True)]
    effect.answers += len(pairs)
    effect.answers_differing += sum(one != other for one, other in pairs)
    effect.add(
        expected,
        {agent: engine.forced(agent, asked[agent], told[agent], like=expected[agent]) for agent in asked},
    )
    engine.forget()


def _requests(engine: Engine, case: PoolCase) -> Asked:
    views = [engine.encode(np.ascontiguousarray(view.pixels[:, :, ::-1])) for view in case.views]
    return {
        "recognition": [Request(views=(view,), texts={}) for view in views],
        "representation": [Request(views=tuple(views), texts={})],
        "reasoning": [Request(views=(), texts={"record": record_text(case.record)})],
    }


def _answers(engine: Engine, asked: Asked) -> Iterator[tuple[AgentName, list[tuple[AgentOutput, ...]]]]:
    for agent in AGENTS:
        yield agent, engine.run(agent, asked[agent])


def _texts(answers: Iterator[tuple[AgentName, list[tuple[AgentOutput, ...]]]]) -> Told:
    return {agent: [[output.text for output in steps] for steps in rows] for agent, rows in answers}


def printed(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    head = ["arithmetic", "KV cache", "activation group", "decisions that differ", "largest change of a probability"]
    head += ["mean change", "answers that differ", "s per case"]
    rows = [
        [
            row["precision"],
            row["kv_precision"],
            str(row["activation_group_size"]),
            f"{row['decisions_differing']:.4f} of {row['decisions']}",
            f"{row['max_change']:.4f}",
            f"{row['mean_change']:.5f}",
            f"{row['answers_differing']:.3f} of {row['answers']}",
            f"{row['case_s']:.3f}",
        ]
        for row in figures["rows"]
    ]
    return table(head, rows)


def main() -> int:
    """Draw, measure, write and print.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.arithmetic_main", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for drawn cases; kept for the next time")
    parser.add_argument("--cases", type=int, default=60, help="about how many, the same number of each tone")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="f32", help="of the arithmetic")
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    options = parser.parse_args()
    stay_offline()
    tell = Reporter()
    cases = draw_cases(options.work / "pool", per_tone=max(1, options.cases // TONES), on_progress=tell)
    bundle = open_bundle(options.bundle, keys=load_keys(shipped_key_folder()))
    figures = measure(bundle, cases, precision=options.precision, tell=tell)
    path = options.out / f"{bundle.path.name}-{options.precision}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(printed(figures))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
