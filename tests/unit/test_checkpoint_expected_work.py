"""How much PyTorch has to run for expected values: counted by hand on small declarations, and beside what was measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibration.checkpoint.architecture import read_architecture
from calibration.checkpoint.estimates import Subject, estimate_recipe
from calibration.checkpoint.expected_work import ExpectedWork, Rates, read_expected_work
from calibration.checkpoint.factors import load_factors
from calibration.checkpoint.inspection import InspectionRequest, inspect_checkpoint
from calibration.checkpoint.shape import model_config
from calibration.checkpoint.shape_declared import write_declared
from calibration.checkpoint.shapes import SHAPES
from calibration.checkpoint.workstation import Workstation
from calibration.recipe import load_recipe
from tests.simulators import hf_folder
from tests.simulators.text_bundle import text_agents

RATES = Rates(pixels_per_token=28 * 28, max_pixels=448 * 448, bytes_per_token=4.0)
MEASURED = Path(__file__).resolve().parents[2] / "scripts" / "scale" / "qwen2.5-vl-3b.json"
GOLDEN = Path("golden") / "cases.json"
CANARY_PASSES = 4 * 3  # three adapters and the bare backbone, three prompts each


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``derm-calibrate shape`` writes beside random weights: one case with one picture of 112 x 84 px."""
    folder = tmp_path_factory.mktemp("declared")
    write_declared(folder, SHAPES["reference"].with_layers(1), seed=0)
    return folder


def changed(folder: Path, to: Path, file: Path | str, **values: Any) -> Path:
    """A copy with other values in one of its JSON files."""
    shutil.copytree(folder, to)
    document = json.loads((to / file).read_text(encoding="utf-8")) | values
    (to / file).write_text(json.dumps(document), encoding="utf-8")
    return to


def work_of(folder: Path) -> ExpectedWork:
    """The count of a folder that has all it needs."""
    work = read_expected_work(folder, RATES)
    assert work is not None
    return work


def test_passes_are_the_decisions(declared: Path) -> None:
    """Two enums and a list of one to two (5), two enums and such a list (5), two enums; a list: 1.5 values and 1.5 ends."""
    assert work_of(declared).passes == CANARY_PASSES + 5 + 5 + 2


def test_every_case_and_every_picture_counts(declared: Path, tmp_path: Path) -> None:
    """A second picture is one more request to Rec and makes Rep's longer; a second case is all of it once more."""
    (case,) = json.loads((declared / GOLDEN).read_text())["cases"]
    two_views = changed(declared, tmp_path / "views", GOLDEN, cases=[{**case, "pictures": ["view.png", "view.png"]}])
    two_cases = changed(declared, tmp_path / "cases", GOLDEN, cases=[case, {**case, "case_id": "b"}])
    one, views, cases = (work_of(folder) for folder in (declared, two_views, two_cases))
    assert views.passes - one.passes == 5
    assert cases.passes - one.passes == 12
    assert one.tokens < views.tokens < cases.tokens


def test_a_longer_text_and_a_larger_picture_cost_tokens(declared: Path, tmp_path: Path) -> None:
    """400 bytes more are 100 tokens in each of Reason's two passes; 784 px per token in each that sees the picture."""
    (case,) = json.loads((declared / GOLDEN).read_text())["cases"]
    texts = {"record": case["texts"]["record"] + "x" * 400}
    longer = changed(declared, tmp_path / "text", GOLDEN, cases=[{**case, "texts": texts}])
    assert work_of(longer).tokens - work_of(declared).tokens == pytest.approx(200)
    finer = read_expected_work(declared, replace(RATES, pixels_per_token=28 * 14))
    assert finer is not None
    # 12 tokens more: in 5 + 5 golden passes, and in the canary of Rec, Rep and the bare backbone
    assert finer.tokens - work_of(declared).tokens == pytest.approx(12 * (10 + 3 * 3))


def test_a_text_takes_its_first_tokens(declared: Path, tmp_path: Path) -> None:
    """Eight passes per request of an agent that begins with free text, and none for what stands behind it."""
    (case,) = json.loads((declared / GOLDEN).read_text())["cases"]
    texts = dict.fromkeys(("recognition_text", "representation_text", "intake_zh"), "")
    folder = changed(declared, tmp_path / "text", "derm_edge.json", agents=text_agents())
    (folder / GOLDEN).write_text(json.dumps({"cases": [{**case, "texts": texts}]}))
    assert work_of(folder).passes == CANARY_PASSES + 3 * 8


@pytest.mark.parametrize("missing", ["derm_edge.json", str(GOLDEN)])
def test_nothing_is_counted_where_something_is_missing(missing: str, declared: Path, tmp_path: Path) -> None:
    """The estimate then rests on the table's assumption; what is missing is named by the build."""
    folder = shutil.copytree(declared, tmp_path / "folder")
    (folder / missing).unlink()
    assert read_expected_work(folder, RATES) is None


def test_the_time_of_a_build_is_of_the_measured_order(declared: Path, tmp_path: Path) -> None:
    """The 3b shape with one golden case: within a third of what was measured; by the assumption it would be far above."""
    (tmp_path / "config.json").write_text(json.dumps(model_config(SHAPES["qwen2.5-vl-3b"])))
    measured = json.loads(MEASURED.read_text())["steps"]["build"]["seconds"]
    subject = Subject(read_architecture(tmp_path), (), 448 * 448)
    counted, assumed = (
        estimate_recipe(one, load_recipe("int4-data-free"), profiles=[], factors=load_factors()).build.seconds
        for one in (replace(subject, expected=work_of(declared)), subject)
    )
    assert counted == pytest.approx(measured, rel=1 / 3)
    assert assumed > 3 * measured


def test_inspect_counts_the_golden_cases_of_the_folder(declared: Path, tmp_path: Path) -> None:
    """The preflight reads them: without its cases the same folder is estimated by the assumption, which is longer."""
    folder = hf_folder.write_folder(tmp_path / "base")
    shutil.copy(declared / "derm_edge.json", folder)
    request = InspectionRequest(
        folder, {}, [load_recipe("int8")], [], Workstation(1 << 40, 1 << 40, 2), is_hashed=False
    )
    without = inspect_checkpoint(request).estimates[0].build
    shutil.copytree(declared / "golden", folder / "golden", dirs_exist_ok=True)
    counted = inspect_checkpoint(request).estimates[0].build
    assert counted.seconds < without.seconds
    assert (counted.memory_bytes, counted.disk_bytes) == (without.memory_bytes, without.disk_bytes)
