"""``derm-calibrate evaluate``: measure a bundle beside its FP32 twin, and say which field and group fell.

``derm-calibrate reference cases`` writes rendered cases in the format that it reads.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.errors import CalibrationError, ConfigError, QualityGateError

if TYPE_CHECKING:
    from calibration.evaluation.evaluate import Evaluation
    from calibration.evaluation.judge import Judged
    from calibration.evaluation.limits import QualityGate
    from edge_agent.contracts.bundle import Bundle

_EVERY_S = 10.0


def add_parser(subparsers: Any) -> None:
    """Add ``evaluate`` to the command line of ``derm-calibrate``."""
    parser = subparsers.add_parser(
        "evaluate", help="measure a bundle on labelled cases, beside FP32, and judge its quality gates"
    )
    parser.add_argument("bundle", type=Path, help="signed, or as the build left it")
    parser.add_argument("--cases", type=Path, required=True, help="folder of labelled cases (docs/evaluation.md)")
    parser.add_argument(
        "--against", type=Path, metavar="BUNDLE_FP32", help="its FP32 twin; without it nothing is judged"
    )
    parser.add_argument("--out", type=Path, default=Path("work/evaluation"), help="report, figures and finished cases")
    parser.add_argument("--per-tone", type=int, help="first so many cases of each tone group; default: all")
    parser.add_argument("--forced-per-tone", type=int, default=200, help="of them teacher-forced (default 200)")
    parser.add_argument("--gates", type=Path, help="TOML file of [[gate]] rows on top of the bundle's recipe")
    parser.add_argument("--keys", type=Path, help="folder of NAME.pub.pem; default: the development key")
    parser.add_argument("--judge", metavar="URL", help="OpenAI-compatible endpoint that scores Reason's texts")
    parser.add_argument("--judge-model", default="default", help="its model's name")
    parser.add_argument("--judge-cases", type=int, default=50, help="texts to judge (default 50)")
    parser.add_argument("--judge-may-leave", action="store_true", help="the judge may be on another machine")
    parser.set_defaults(run=run_evaluate)


def add_cases_verb(verbs: Any) -> None:
    """Add ``cases`` and ``calibration-cases`` to the verbs of ``derm-calibrate reference``."""
    parser = verbs.add_parser("cases", help="write rendered, labelled cases for `evaluate`")
    parser.add_argument("--out", type=Path, required=True, help="folder of cases; finished ones are kept")
    parser.add_argument("--per-tone", type=int, default=2000, help="cases per skin tone (default 2000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many draw at once")
    parser.set_defaults(run=run_cases)
    parser = verbs.add_parser("calibration-cases", help="write rendered cases for recipes that look at activations")
    parser.add_argument("--out", type=Path, required=True, help="folder of cases, for --calibration-cases")
    parser.add_argument("--count", type=int, default=48, help="cases (default 48)")
    parser.set_defaults(run=run_calibration_cases)


def run_cases(arguments: argparse.Namespace) -> int:
    """Draw what is missing and print the folder."""
    from calibration.evaluation.drawn_cases import write_drawn_cases

    if arguments.per_tone < 1 or arguments.processes < 1:
        raise ConfigError("--per-tone and --processes are at least 1")
    write_drawn_cases(arguments.out, per_tone=arguments.per_tone, tell=Progress(), processes=arguments.processes)
    print(arguments.out)
    return 0


def run_calibration_cases(arguments: argparse.Namespace) -> int:
    """Draw the cases and print the folder."""
    from calibration.grafted.stage import MAX_CASES
    from calibration.reference.golden_cases import write_calibration_cases

    if not 1 <= arguments.count <= MAX_CASES:
        raise ConfigError(f"--count is 1 to {MAX_CASES}")
    write_calibration_cases(arguments.out, count=arguments.count)
    print(arguments.out)
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Measure, write the report, print its path; fail on a gate that is not met."""
    from calibration.evaluation.case_folder import read_cases
    from calibration.evaluation.evaluate import Plan, check_uncompressed, evaluate
    from calibration.evaluation.report import REPORT, write_report
    from calibration.evaluation.text_scope import advice
    from calibration.unsigned import open_built

    _check_counts(arguments)
    judge = _judge(arguments)  # refused before the first hour is spent
    candidate = open_built(arguments.bundle, keys=arguments.keys)
    reference = open_built(arguments.against, keys=arguments.keys) if arguments.against else None
    if reference is not None:
        check_uncompressed(reference)
    gates = _gates(candidate, arguments.gates)
    cases = read_cases(arguments.cases, per_tone=arguments.per_tone)
    tell = Progress()
    plan = Plan(cases, gates, arguments.out / "answers", forced_per_tone=arguments.forced_per_tone)
    found = evaluate(candidate, reference, plan, tell=tell)
    summary = write_report(found, arguments.out)  # before the judge: what took hours does not depend on it
    unjudged = None if judge is None else _add_scores(found, arguments.out, lambda: judge(found, tell))
    print(arguments.out / REPORT)
    if summary["text_scope"] is not None:
        print(advice(summary["text_scope"]), file=sys.stderr)
    if reference is None:
        print("measured, not judged: give --against the FP32 bundle to judge the gates", file=sys.stderr)
    else:
        _require_gates(found, arguments.bundle, besides=unjudged)
    if unjudged is not None:
        raise unjudged
    return 0


def _add_scores(found: Evaluation, out: Path, ask: Callable[[], Judged]) -> CalibrationError | None:
    """Ask the judge and write the report again with its scores; return why there are none, if so."""
    from calibration.evaluation.report import write_report

    try:
        write_report(found, out, judged=ask())
    except CalibrationError as exc:
        return exc
    return None


def _require_gates(found: Evaluation, bundle: Path, *, besides: CalibrationError | None) -> None:
    """Refuse a bundle whose gates fell; what else went wrong is told first, and never hides it.

    Raises:
        QualityGateError: names the fields and groups that fell.
    """
    from calibration.evaluation.gates import require

    try:
        require(found.gates)
    except QualityGateError:
        if besides is not None:
            print(besides, file=sys.stderr)
        print(f"{bundle} stays where it is: do not sign it, and withdraw it where it is in use", file=sys.stderr)
        raise


def _check_counts(arguments: argparse.Namespace) -> None:
    if arguments.per_tone is not None and arguments.per_tone < 1:
        raise ConfigError("--per-tone is at least 1")
    if arguments.forced_per_tone < 1:
        raise ConfigError("--forced-per-tone is at least 1")
    if arguments.judge_cases < 1:
        raise ConfigError("--judge-cases is at least 1; leave --judge out where nothing shall be judged")


def _gates(candidate: Bundle, path: Path | None) -> Sequence[QualityGate]:
    from calibration.evaluation.limits import default_gates, gates_of, load_gates, merge_gates

    gates = gates_of(candidate.manifest.recipe, defaults=default_gates())
    return gates if path is None else merge_gates(gates, load_gates(path), source=str(path))


def _judge(arguments: argparse.Namespace) -> Callable[[Evaluation, Progress], Judged] | None:
    """Return what asks the judge about a finished evaluation; None where none was named."""
    from calibration.evaluation.judge import Judge, judge_texts

    if not arguments.judge:
        return None
    judge = Judge(arguments.judge, model=arguments.judge_model, may_leave=arguments.judge_may_leave)

    def ask(found: Evaluation, tell: Progress) -> Judged:
        return judge_texts(
            judge,
            found.cases,
            found.candidate.answers,
            most=arguments.judge_cases,
            tell=lambda done, total: tell("judge", done, total),
        )

    return ask


class Progress:
    """Print one line per stage and every ten seconds, with the time that is left at the pace so far."""

    def __init__(self) -> None:
        self._stage, self._first, self._since, self._last = "", 0, 0.0, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell where a stage is."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._first, self._since = stage, done, now
        elif now - self._last < _EVERY_S and done != total:
            return
        self._last = now
        fresh, spent = done - self._first, now - self._since
        left = f"about {spent / fresh * (total - done) / 60:.0f} min left" if fresh and done < total else ""
        print(f"{stage:<12} {done:>6}/{total:<6} {left}", file=sys.stderr, flush=True)
