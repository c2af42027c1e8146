"""SIGKILL a sweep at ten random lines of what it says: the bundles are those of an undisturbed run, byte for byte."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")

from tests.simulators.sweep_run import run_until
from tests.simulators.sweep_source import SweepSource, write_source

KILLS = int(os.environ.get("DERM_SWEEP_KILLS", "10"))
SEED = int(os.environ.get("DERM_SWEEP_SEED", "4"))
# A start says one line, an export three, a build ten: most kills come inside a stage, some just behind one.
MOST_LINES = 11
MOST_SECONDS_MORE = 0.6


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


@pytest.mark.slow
def test_ten_kills_change_no_byte(source: SweepSource, tmp_path: Path) -> None:
    """A sweep of two recipes that is killed ten times and started again ends with the undisturbed run's bundles.

    Each kill takes the sweep's process alone; its worker must die with it, or the next start would find the lock taken.
    """
    recipes = [source.recipe("int8"), source.recipe("int4-data-free")]
    said, code = run_until(source.arguments(*recipes, out=tmp_path / "calm"), lines=None)
    assert code == 0, said
    calm, draw, killed = _bundles(tmp_path / "calm"), random.Random(SEED), 0
    out = tmp_path / "out"
    while killed < KILLS:
        lines, delay_s = draw.randint(1, MOST_LINES), draw.uniform(0.0, MOST_SECONDS_MORE)
        said, code = run_until(source.arguments(*recipes, out=out), lines=lines, delay_s=delay_s)
        assert code in (0, -9), said
        killed += code == -9
        if code == 0:  # it was done before the kill came: once more from the beginning
            assert _bundles(out) == calm
            shutil.rmtree(out)
    said, code = run_until(source.arguments(*recipes, out=out), lines=None)
    assert code == 0, said
    assert {name.split("/")[1] for name in calm} == {"int8", "int4-data-free"}
    assert _bundles(out) == calm
    assert _half_written(out) == []
