"""Measure what building a real shape takes: ``python -m scripts.scale_main --shape 3b --work DIR``.

Makes a random checkpoint of the shape (kept in the work folder), builds it to INT4, runs one case on the device's engine,
and samples the memory of each. Writes one JSON file that docs/benchmarks.md is made from, and prints it as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from calibration.checkpoint.inspection import InspectionRequest, inspect_checkpoint
from calibration.checkpoint.shape_declared import ADAPTERS_FOLDER, RECIPE_NAME
from calibration.checkpoint.sizes import parameters
from calibration.checkpoint.workstation import detect_workstation
from calibration.recipe import load_recipe
from edge_agent.contracts.manifest import AGENTS
from scripts.scale_doc import printed
from scripts.scale_memory import Run, run_measured

RESULTS = Path(__file__).resolve().parent / "scale"
NAMES = {"7b": "qwen2.5-vl-7b", "3b": "qwen2.5-vl-3b", "0.6b": "0.6b", "reference": "reference"}
# Measured once on a 2-core AVX2 computer with optimum-intel 2.1.0; --plain measures it again, with this sampler.
KNOWN_PLAIN = {"qwen2.5-vl-3b": {"seconds": 324.0, "anonymous_bytes": None, "resident_bytes": 23_800_000_000}}
PLAIN = ("--task", "image-text-to-text", "--weight-format", "int4")


def main() -> int:
    """Measure one shape.

    Returns:
        0, or the exit code of the step that failed; what was measured until then is written all the same.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.scale_main", description=__doc__)
    parser.add_argument("--shape", required=True, choices=tuple(NAMES))
    parser.add_argument("--work", type=Path, required=True, help="a folder on a disk with room for checkpoint and IRs")
    parser.add_argument("--plain", action="store_true", help="also measure optimum-cli; takes 3.4 x the bf16 weights")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    options = parser.parse_args()
    name = NAMES[options.shape]
    options.work.mkdir(parents=True, exist_ok=True)
    code, figures = measure(name, options.work, is_plain=options.plain)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{name}.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(printed(figures))
    print(path)
    return code


def measure(name: str, work: Path, *, is_plain: bool) -> tuple[int, dict[str, Any]]:
    """Run every step that the one before it allows and return the exit code and all figures as plain data."""
    checkpoint, bundle = work / name, work / f"{name}.bundle"
    if not checkpoint.is_dir():
        make = [sys.executable, "-m", "calibration", "shape", "--like", name, "--out", str(checkpoint)]
        subprocess.run(make, check=True)
    figures: dict[str, Any] = {**_machine(), "shape": name, **_expected(checkpoint), "steps": {}, "stages": {}}
    steps: dict[str, Sequence[str]] = {
        "build": (sys.executable, "-m", "scripts.scale_steps", "build", str(checkpoint), str(bundle)),
        "case": (sys.executable, "-m", "scripts.scale_steps", "case", str(bundle)),
    }
    for step, command in steps.items():
        run = run_measured(command, on_stage=lambda stage: print(f"  {stage}", file=sys.stderr, flush=True))
        _keep(figures, step, run)
        if run.code:
            figures["failed"] = f"{step} ended with code {run.code}: {_last(run)}"
            return run.code, figures
    figures["plain"] = _plain(checkpoint, work) if is_plain else KNOWN_PLAIN.get(name)
    return 0, figures


def _keep(figures: dict[str, Any], step: str, run: Run) -> None:
    """Add what a step took and what it found."""
    figures["steps"][step] = asdict(run.whole)
    figures["stages"][step] = {stage: asdict(usage) for stage, usage in run.stages.items()}
    if run.code == 0:
        figures |= json.loads(run.lines[-1])


def _last(run: Run) -> str:
    said = [line for line in run.lines if line.strip()]
    return said[-1][:200] if said else "nothing was said (killed?)"


def _plain(checkpoint: Path, work: Path) -> dict[str, Any]:
    """Measure optimum-cli's own INT4 export of the same checkpoint; its files go at once."""
    out = work / "plain"
    program = str(Path(sys.executable).with_name("optimum-cli"))
    run = run_measured([program, "export", "openvino", "--model", str(checkpoint), *PLAIN, str(out)], on_stage=print)
    subprocess.run(["rm", "-rf", str(out)], check=True)
    if run.code:
        return {**asdict(run.whole), "failed": f"code {run.code}: {_last(run)}"}
    return asdict(run.whole)


def _machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def _expected(checkpoint: Path) -> Mapping[str, Any]:
    """Return the bytes of the weights in bf16, and what the preflight says of this build."""
    request = InspectionRequest(
        folder=checkpoint,
        adapters={agent: checkpoint / ADAPTERS_FOLDER / agent for agent in AGENTS},
        recipes=[load_recipe(str(checkpoint / RECIPE_NAME))],
        profiles=[],
        workstation=detect_workstation(checkpoint.parent),
        is_hashed=False,
    )
    found = inspect_checkpoint(request)
    return {"bf16_bytes": 2 * parameters(found.architecture), "estimate": asdict(found.estimates[0].build)}


if __name__ == "__main__":
    sys.exit(main())
