"""``sweep`` and ``accept`` with labelled cases: measured, judged, published and signed, or withdrawn.

The shipped gates ask for thousands of cases, which a test has not. So a copy of the program runs here whose default gates
two cases can meet; everything else is as shipped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")
pytest.importorskip("matplotlib")

from calibration.sign import development_key
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from tests.simulators.program_copy import copy_program
from tests.simulators.sweep_run import run_for
from tests.simulators.sweep_source import EXACT, SweepSource, write_labelled_cases, write_papers, write_source

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Bench:
    """What a model team brings, and the folder that all runs share."""

    source: SweepSource
    cases: Path
    out: Path

    def accept(self, program: Path) -> tuple[list[str], int]:
        """Accept INT8 and sign it."""
        words = [*self.source.acceptance(self.source.base, out=self.out), f"--cases={self.cases}"]
        return run_for([*words, f"--key={development_key()}"], seconds=None, program=program)

    def sweep(self) -> tuple[list[str], int]:
        """Sweep both recipes with the program as it is shipped."""
        recipes = self.source.recipe("fp32", gates=EXACT), self.source.recipe("int8")
        arguments = self.source.arguments(*recipes, out=self.out)
        return run_for([*arguments, f"--cases={self.cases}"], seconds=None)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the table of the last run by recipe."""
        document = json.loads((self.out / "sweep.json").read_text(encoding="utf-8"))
        return {row["name"]: row for row in document["recipes"]}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A random checkpoint with its papers, and two labelled cases."""
    folder = tmp_path_factory.mktemp("measured")
    source = write_source(folder)
    write_papers(source.base)
    return Bench(source, write_labelled_cases(folder / "cases"), folder / "out")


def test_a_measured_bundle_is_accepted_and_withdrawn_when_a_gate_falls(bench: Bench, tmp_path: Path) -> None:
    """One folder, two runs.

    With gates that two cases can meet: every step passed, INT8 lies there signed, FP32 is its reference. With the gates
    as shipped, which ask for thousands of cases: the bundle of the first run is withdrawn, and the line says why.
    """
    said, code = bench.accept(copy_program(tmp_path / "program"))
    report = json.loads((bench.out / "acceptance.json").read_text(encoding="utf-8"))
    steps = ("inspect", "parity", "build", "evaluate", "verify")
    assert {one["step"]: one["state"] for one in report["steps"]} == dict.fromkeys(steps, "passed"), report["steps"]
    assert code == 0, said
    bundle = bench.out / "bundles" / "int8"
    assert open_bundle(bundle, keys=load_keys(shipped_key_folder())).signed_by == "development key"
    assert {name: row["state"] for name, row in bench.rows().items()} == {"fp32": "reference", "int8": "gates met"}
    assert (bench.out / bench.rows()["int8"]["report"]).is_file()

    said, code = bench.sweep()
    assert code == 83, said
    row = bench.rows()["int8"]
    assert (row["state"], row["bundle"]) == ("gates NOT met", "")
    assert "2000 are asked" in row["failure"]
    assert not bundle.exists()
