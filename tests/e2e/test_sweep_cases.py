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
from tests.simulators.sweep_source import SweepSource, write_labelled_cases, write_source
from tests.simulators.trusted_bundle import CARD, NOTICE, PLAN

pytestmark = pytest.mark.long

EXACT = "[gates]\ncanary_max_of_range = 0.0001\ncanary_min_argmax = 0.99\ngolden_min_agreement = 0.0\n"


@dataclass(frozen=True)
class Bench:
    """What a model team brings, and the folder that all runs share."""

    source: SweepSource
    cases: Path
    out: Path

    @property
    def fp32(self) -> Path:
        """Return the recipe of the reference: strict on logits, golden decisions of random weights are thrown dice."""
        return self.source.recipe("fp32", gates=EXACT)

    def accept(self, program: Path) -> tuple[list[str], int]:
        """Accept INT8 and sign it."""
        adapters = [f"--adapter={name}={folder}" for name, folder in self.source.adapters.items()]
        recipes = [f"--reference={self.fp32}", f"--recipe={self.source.recipe('int8')}"]
        words = ["accept", str(self.source.base), *adapters, *recipes, f"--cases={self.cases}", f"--out={self.out}"]
        return run_for([*words, f"--key={development_key()}"], seconds=None, program=program)

    def sweep(self) -> tuple[list[str], int]:
        """Sweep both recipes with the program as it is shipped."""
        arguments = self.source.arguments(self.fp32, self.source.recipe("int8"), out=self.out)
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
    notice = json.loads((source.base / "derm_edge.json").read_text(encoding="utf-8"))["notice"]
    (source.base / "README.md").write_text(CARD.replace(NOTICE, notice), encoding="utf-8")
    (source.base / "pccp.toml").write_text(PLAN.replace('lineage = "paper"', 'lineage = "random"'), encoding="utf-8")
    figures = {"accuracy": {"family": 0.95}, "accuracy_per_tone": {"5": 0.94}}
    (source.base / "metrics.json").write_text(json.dumps(figures), encoding="utf-8")
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
