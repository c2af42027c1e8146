"""SIGKILL a sweep at ten random moments: the bundles are those of an undisturbed run, byte for byte."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")

from tests.simulators.program_copy import copy_program
from tests.simulators.sweep_run import run_for
from tests.simulators.sweep_source import SweepSource, write_labelled_cases, write_source

KILLS = int(os.environ.get("DERM_SWEEP_KILLS", "10"))
SEED = int(os.environ.get("DERM_SWEEP_SEED", "4"))
# GPTQ of random weights answers otherwise than FP32: nothing but its weights can be asked for
GATES = """[[gate]]
metric = "weight_error"
part = "language_model"
limit = 0.9
min_cases = 1
"""


def _bundles(out: Path) -> dict[str, str]:
    """Return the sha256 of every file of every published bundle."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((out / "bundles").rglob("*"))
        if path.is_file()
    }


def _half_written(out: Path) -> list[str]:
    return [str(path) for path in out.rglob("*") if path.name.startswith((".tmp-", "derm-export-"))]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SweepSource:
    """A random small checkpoint."""
    return write_source(tmp_path_factory.mktemp("sweep"))


@pytest.mark.long
def test_ten_kills_change_no_byte(source: SweepSource, tmp_path: Path) -> None:
    """A sweep that is killed ten times and started again ends with the undisturbed run's bundles.

    INT8, and GPTQ on calibration cases; both are measured beside FP32 on two labelled cases, by a copy of the program whose
    gates so few can meet. Each kill takes the sweep's process alone; its worker must die with it, or the next start would
    find the lock taken. Moments are drawn evenly over the time of the undisturbed run, so a long step is hit as often as it is long. A run that
    was done before its moment came is compared and begun anew.
    """
    recipes = [source.recipe("fp32"), source.recipe("int8"), source.recipe("int4-gptq")]
    cases, program = write_labelled_cases(tmp_path / "cases"), copy_program(tmp_path / "program", gates=GATES)

    def run(out: Path, seconds: float | None) -> tuple[list[str], int]:
        arguments = [*source.arguments(*recipes, out=out), f"--cases={cases}"]
        return run_for(arguments, seconds=seconds, program=program)

    began = time.monotonic()
    said, code = run(tmp_path / "calm", None)
    whole_s = time.monotonic() - began
    assert code == 0, said
    calm, draw, killed = _bundles(tmp_path / "calm"), random.Random(SEED), 0
    assert {name.split("/")[1] for name in calm} == {"fp32", "int8", "int4-gptq"}
    out = tmp_path / "out"
    while killed < KILLS:
        said, code = run(out, draw.uniform(0.0, whole_s))
        assert code in (0, -9), said
        killed += code == -9
        if code == 0:
            assert _bundles(out) == calm
            shutil.rmtree(out)
    said, code = run(out, None)
    assert code == 0, said
    assert _bundles(out) == calm
    assert _half_written(out) == []
