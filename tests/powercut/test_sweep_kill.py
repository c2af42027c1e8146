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

from tests.simulators.sweep_run import run_for
from tests.simulators.sweep_source import SweepSource, write_source

KILLS = int(os.environ.get("DERM_SWEEP_KILLS", "10"))
SEED = int(os.environ.get("DERM_SWEEP_SEED", "4"))


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
    """A sweep of two recipes that is killed ten times and started again ends with the undisturbed run's bundles.

    Each kill takes the sweep's process alone; its worker must die with it, or the next start would find the lock taken.
    Moments are drawn evenly over the time of the undisturbed run, so a long step is hit as often as it is long. A run that
    was done before its moment came is compared and begun anew.
    """
    recipes = [source.recipe("int8"), source.recipe("int4-data-free")]
    began = time.monotonic()
    said, code = run_for(source.arguments(*recipes, out=tmp_path / "calm"), seconds=None)
    whole_s = time.monotonic() - began
    assert code == 0, said
    calm, draw, killed = _bundles(tmp_path / "calm"), random.Random(SEED), 0
    assert {name.split("/")[1] for name in calm} == {"int8", "int4-data-free"}
    out = tmp_path / "out"
    while killed < KILLS:
        said, code = run_for(source.arguments(*recipes, out=out), seconds=draw.uniform(0.0, whole_s))
        assert code in (0, -9), said
        killed += code == -9
        if code == 0:
            assert _bundles(out) == calm
            shutil.rmtree(out)
    said, code = run_for(source.arguments(*recipes, out=out), seconds=None)
    assert code == 0, said
    assert _bundles(out) == calm
    assert _half_written(out) == []
