"""``derm-calibrate reference``: train, evaluate and export the reference model."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from calibration.evaluation import cli as evaluation_cli


class Reporter:
    """Print one line per stage and every ten seconds, with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last = ("", 0.0)

    def __call__(self, stage: str, done: int, total: int, remark: str) -> None:
        """Tell where a stage is."""
        now = time.monotonic()
        name, at = self._last
        if stage == name and now - at < 10 and done != total:
            return
        self._last = (stage, now)
        minutes, seconds = divmod(int(now - self._start), 60)
        print(f"{minutes:3d}:{seconds:02d}  {stage:<14} {done:>6}/{total:<6} {remark}", file=sys.stderr, flush=True)


def add_parser(subparsers: Any) -> None:
    """Add ``reference train | evaluate | cases | calibration-cases | scope | ceiling`` to the command line of ``derm-calibrate``."""
    parser = subparsers.add_parser("reference", help="train and evaluate the reference model (not for clinical use)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train", help="train from nothing; run again to go on after an interruption")
    train.add_argument("--work", type=Path, default=Path("work/reference"), help="checkpoints and pools")
    train.add_argument("--out", type=Path, required=True, help="folder for base/ and adapters/")
    train.add_argument("--tiny", action="store_true", help="seconds instead of hours: proves the command only")
    train.add_argument(
        "--photos", type=Path, help="folder of the PAD-UFES-20 sample; its half `tune` may raise a threshold"
    )
    train.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    train.set_defaults(run=run_train)
    evaluate = verbs.add_parser("evaluate", help="measure accuracy per field and tone on the test split")
    evaluate.add_argument(
        "--bundle", type=Path, action="append", default=[], help="a built bundle, by default the one shipped; repeat it"
    )
    evaluate.add_argument("--work", type=Path, default=Path("work/reference"), help="where the drawn cases lie")
    evaluate.add_argument("--per-tone", type=int, default=500, help="cases per skin tone")
    evaluate.add_argument("--out", type=Path, help="write the figures as JSON")
    evaluate.set_defaults(run=run_evaluate)
    evaluation_cli.add_cases_verb(verbs)
    scope = verbs.add_parser("scope", help="one table of what a bundle must find and what it must refuse")
    scope.add_argument("--bundle", type=Path, required=True, help="a built bundle, signed with a trusted key")
    scope.add_argument("--photos", type=Path, required=True, help="folder of the PAD-UFES-20 sample")
    scope.add_argument("--out", type=Path, help="write the figures as JSON")
    scope.set_defaults(run=run_scope)
    ceiling = verbs.add_parser("ceiling", help="measure how well a plain CNN reads each field from the same pictures")
    ceiling.add_argument("--train", type=int, default=8000, help="pictures to learn from")
    ceiling.add_argument("--test", type=int, default=1500, help="pictures to measure on")
    ceiling.add_argument("--epochs", type=int, default=8)
    ceiling.add_argument("--out", type=Path, help="write the figures as JSON")
    ceiling.set_defaults(run=run_ceiling)


def stay_offline() -> None:
    """Keep PEFT from asking the Hugging Face hub, before transformers or PEFT are imported.

    PEFT asks for the configuration of the base model that an adapter names, and without a network it waits through
    retries. Checkpoints come from local folders only.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def run_train(arguments: argparse.Namespace) -> int:
    """Train, calibrate and write the model folder."""
    import torch

    from calibration.reference.photographs import tune_photographs
    from calibration.reference.release import release
    from calibration.reference.train import FULL, TINY, ReferenceTraining

    torch.set_num_threads(arguments.threads)
    schedule = TINY if arguments.tiny else FULL
    training = ReferenceTraining(arguments.work, schedule=schedule, on_progress=Reporter())
    photos = () if arguments.photos is None else tuple(tune_photographs(arguments.photos))
    training.adapters()
    release(training, arguments.out, calibration_cases=6 if arguments.tiny else 1500, photos=photos)
    print(arguments.out)
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Print accuracy per field and tone, beside the constant answer, without and with swapped adapters."""
    from calibration.reference.evaluate import evaluate
    from calibration.reference.floors import require

    results = evaluate(
        arguments.bundle or [Path("edge_agent/bundles/reference")],
        pool=arguments.work / "pool",
        per_tone=arguments.per_tone,
        out=arguments.out,
        on_progress=Reporter(),
    )
    require(results)
    return 0


def run_scope(arguments: argparse.Namespace) -> int:
    """Print what a bundle finds and refuses on drawn, pasted and photographed cases; fail below a floor."""
    from calibration.reference.scope_table import scope_table

    scope_table(arguments.bundle, arguments.photos, out=arguments.out, on_progress=Reporter())
    return 0


def run_ceiling(arguments: argparse.Namespace) -> int:
    """Print what a plain CNN reads from the drawn pictures, beside the constant answer."""
    from calibration.reference.ceiling import measure_ceiling

    measure_ceiling(arguments.train, arguments.test, arguments.epochs, out=arguments.out)
    return 0
