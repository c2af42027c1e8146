"""Run one stage in a process of its own: ``python -m calibration.sweep.worker``, the task as JSON on stdin.

A process of its own, because what PyTorch and the exporters leave in memory goes with it, because a stage that the system
kills for lack of memory must not end the sweep, and because thread counts are fixed when libraries are loaded. Messages
are JSON lines on stdout; whatever vendors print goes to stderr.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from calibration.sweep.tasks import TASK, At, BuildTask, Done, EvaluateTask, ExportTask, Refused, Say
from edge_agent.errors import EdgeError

BUNDLE = "bundle"
_PR_SET_PDEATHSIG = 1  # Source: prctl(2)
Tell = Callable[[Say | At | Done | Refused], None]


def main() -> int:
    """Read a task, run it, write its messages; end with the sweep's process, however that ends."""
    parent = int(os.environ["DERM_SWEEP_PID"])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        return 1
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = TASK.validate_json(sys.stdin.buffer.read())
    tell = _teller(channel)
    try:
        if isinstance(task, ExportTask):
            result = _export(task, tell)
        elif isinstance(task, BuildTask):
            result = _build(task, tell)
        else:
            result = _evaluate(task, tell)
    except EdgeError as exc:
        tell(Refused(error=type(exc).__name__, message=str(exc)))
        return exc.exit_code
    tell(Done(result=result))
    return 0


def _teller(channel: TextIO) -> Tell:
    def tell(message: Say | At | Done | Refused) -> None:
        channel.write(message.model_dump_json() + "\n")
        channel.flush()

    return tell


def _export(task: ExportTask, tell: Tell) -> dict[str, Any]:
    tell(Say(line="load libraries"))
    from calibration.export import export_parts

    tell(Say(line=f"export {task.base.name} to OpenVINO"))
    paths = export_parts(task.base, task.target)
    kept = {path.with_suffix(kind) for path in paths.values() for kind in (".xml", ".bin")}
    for path in task.target.iterdir():  # optimum leaves its own configuration files beside the parts
        if path not in kept:
            path.unlink() if path.is_file() else shutil.rmtree(path)
    return {"size_bytes": _size(task.target)}


def _build(task: BuildTask, tell: Tell) -> dict[str, Any]:
    tell(Say(line="load libraries"))
    from calibration.build import BuildRequest, build
    from calibration.recipe import Recipe, is_uncompressed

    request = BuildRequest(
        base=task.base,
        adapters=task.adapters,
        recipe=Recipe.model_validate(task.recipe),
        out=task.target / BUNDLE,
        cases=task.calibration_cases,
        exported=task.exported,
    )
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        tell(Say(line=line))

    manifest = build(request, announce=announce)
    census = [row.model_dump(mode="json") for row in manifest.census]
    gates = next((line for line in reversed(said) if line.startswith("canary:")), "")
    parity = _parity(task.target / BUNDLE) if is_uncompressed(request.recipe) else []
    return {
        "size_bytes": sum(entry.size_bytes for entry in manifest.files),
        "census": census,
        "gates": gates,
        "parity": parity,
    }


def _parity(bundle: Path) -> list[dict[str, Any]]:
    """Return, per adapter and for the bare backbone, how far the FP32 parts are from PyTorch + PEFT."""
    from calibration.unsigned import open_unsigned
    from edge_agent.inference.engine import Engine, EngineSettings

    with Engine(open_unsigned(bundle), settings=EngineSettings(strict=True)) as engine:
        report = engine.run_canary()
    bounds = {"max_abs_bound": report.bounds.strict_max_abs, "argmax_bound": report.bounds.strict_min_argmax}
    return [{"label": row.label, "max_abs": row.max_abs, "argmax": row.argmax, **bounds} for row in report.rows]


def _evaluate(task: EvaluateTask, tell: Tell) -> dict[str, Any]:
    tell(Say(line="load libraries"))
    from calibration.evaluation.case_folder import read_cases
    from calibration.evaluation.evaluate import Plan, evaluate
    from calibration.evaluation.gates import require
    from calibration.evaluation.limits import default_gates, gates_of
    from calibration.evaluation.report import write_report
    from calibration.unsigned import open_unsigned
    from edge_agent.errors import QualityGateError

    candidate = open_unsigned(task.bundle)
    reference = None if task.against is None else open_unsigned(task.against)
    _take_over(task.twin_answers, task.answers)
    plan = Plan(
        cases=read_cases(task.cases, per_tone=task.per_tone),
        gates=gates_of(candidate.manifest.recipe, defaults=default_gates()),
        work=task.answers,
        forced_per_tone=task.forced_per_tone,
    )
    found = evaluate(
        candidate, reference, plan, tell=lambda step, done, total: tell(At(step=step, done=done, total=total))
    )
    summary = write_report(found, task.target)
    fallen = ""
    if reference is not None:
        try:
            require(found.gates)
        except QualityGateError as exc:  # a result like any other: it is kept, and the sweep tells it
            fallen = str(exc)
    return {
        "fields": summary["fields"]["candidate"],
        "gates": summary["gates"],
        "losses": summary["losses"],
        "fallen": fallen,
        "case_ms": summary["bundles"]["candidate"]["case_ms"],
    }


def _take_over(twin: Path | None, answers: Path) -> None:
    """Use what the twin said when it was measured alone; ``AnswerFile`` throws it away if anything differs."""
    source = None if twin is None else twin / "candidate.jsonl"
    target = answers / "reference.jsonl"
    if source is not None and source.is_file() and not target.exists():
        answers.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".copy")
        shutil.copyfile(source, temporary)
        temporary.replace(target)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
