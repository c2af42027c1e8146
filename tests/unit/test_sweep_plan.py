"""What goes into which stage: a change repeats what depends on it, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from calibration.evaluation.case_folder import CaseFile, LabelledView, write_case
from calibration.recipe import load_recipe
from calibration.sweep.plan import SweepPlan, SweepRequest, make_plan
from edge_agent.errors import ConfigError


@pytest.fixture
def request_(tmp_path: Path) -> SweepRequest:
    """A checkpoint of files that hold nothing, one adapter, two labelled cases."""
    base, adapter, cases = tmp_path / "base", tmp_path / "adapter", tmp_path / "cases"
    for path in (base / "golden", adapter):
        path.mkdir(parents=True)
    for path in (base / "model.safetensors", base / "config.json", base / "README.md", base / "golden" / "p.png"):
        path.write_bytes(b"1")
    (adapter / "adapter_model.safetensors").write_bytes(b"1")
    for tone in "15":
        file = CaseFile(case_id=f"c{tone}", tone_group=tone, in_scope=True, views=[LabelledView(picture="1.png")])
        write_case(cases, file, {"1.png": b"not read"})
    recipes = [load_recipe(name) for name in ("int8", "int4-se")]
    return SweepRequest(base, {"reasoning": adapter}, recipes, tmp_path / "out", cases=cases)


def _keys(plan: SweepPlan) -> dict[str, str]:
    return {stage.title: stage.key for stage in plan.stages}


def _changed(before: SweepPlan, after: SweepPlan) -> set[str]:
    old, new = _keys(before), _keys(after)
    assert set(old) == set(new)
    return {title for title in old if old[title] != new[title]}


BUILDS = {"build fp32", "build int8", "build int4-se"}
EVALUATIONS = {"evaluate fp32", "evaluate int8", "evaluate int4-se"}


def test_one_export_and_an_uncompressed_twin(request_: SweepRequest) -> None:
    """Without an uncompressed recipe the shipped one joins, first, and is marked as not asked for."""
    plan = make_plan(request_)
    assert [stage.title for stage in plan.stages] == [
        "export", "build fp32", "build int8", "build int4-se", "evaluate fp32", "evaluate int8", "evaluate int4-se",
    ]  # fmt: skip
    assert plan.twin is plan.recipes[0]
    assert [one.is_asked for one in plan.recipes] == [False, True, True]


def test_without_cases_there_is_nothing_to_compare_with(request_: SweepRequest) -> None:
    """No measurement, so no twin."""
    plan = make_plan(replace(request_, cases=None))
    assert [stage.title for stage in plan.stages] == ["export", "build int8", "build int4-se"]
    assert plan.twin is None


def test_the_same_inputs_are_the_same_stages(request_: SweepRequest) -> None:
    """Another folder for the results changes nothing."""
    assert _changed(make_plan(request_), make_plan(replace(request_, out=Path("elsewhere")))) == set()


def test_a_weight_changes_everything(request_: SweepRequest) -> None:
    """One byte of the base."""
    before = make_plan(request_)
    (request_.base / "model.safetensors").write_bytes(b"2")
    assert _changed(before, make_plan(request_)) == {"export", *BUILDS, *EVALUATIONS}


def test_a_model_card_does_not_repeat_the_export(request_: SweepRequest) -> None:
    """It is in the bundle, not in the weights."""
    before = make_plan(request_)
    (request_.base / "README.md").write_bytes(b"2")
    assert _changed(before, make_plan(request_)) == {*BUILDS, *EVALUATIONS}


def test_an_adapter_does_not_repeat_the_export(request_: SweepRequest) -> None:
    """The FP32 parts are the bare backbone's."""
    before = make_plan(request_)
    (request_.adapters["reasoning"] / "adapter_model.safetensors").write_bytes(b"2")
    assert _changed(before, make_plan(request_)) == {*BUILDS, *EVALUATIONS}


def test_a_label_repeats_measurements_alone(request_: SweepRequest) -> None:
    """Bundles do not depend on labelled cases."""
    before = make_plan(request_)
    assert request_.cases is not None
    (request_.cases / "c1" / "1.png").write_bytes(b"another picture")
    assert _changed(before, make_plan(request_)) == EVALUATIONS


def test_threads_are_an_input(request_: SweepRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart with another number of threads must not mix both."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = make_plan(request_)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert _changed(before, make_plan(request_)) == {"export", *BUILDS, *EVALUATIONS}


def test_another_recipe_leaves_its_neighbour_alone(request_: SweepRequest) -> None:
    """int4-se with another subset is another build of int4-se only."""
    before = make_plan(request_)
    int8, int4 = request_.recipes
    language = int4.language_model.model_copy(update={"subset_size": 64})
    after = make_plan(replace(request_, recipes=[int8, int4.model_copy(update={"language_model": language})]))
    assert _changed(before, after) == {"build int4-se", "evaluate int4-se"}


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "at least one --recipe"), (["int8", "int8"], "two recipes are called int8")],
)
def test_recipes_that_cannot_stand_side_by_side(request_: SweepRequest, names: list[str], words: str) -> None:
    """Each recipe is a folder of its own."""
    with pytest.raises(ConfigError, match=words):
        make_plan(replace(request_, recipes=[load_recipe(name) for name in names]))


def test_a_name_that_leaves_the_folder_is_refused(request_: SweepRequest) -> None:
    """A recipe's name is part of a path."""
    evil = load_recipe("int8").model_copy(update={"name": "../int8"})
    with pytest.raises(ConfigError, match="cannot be a folder's"):
        make_plan(replace(request_, recipes=[evil]))


def test_results_inside_an_input_are_refused(request_: SweepRequest) -> None:
    """They would change the input's digest, and no stage would ever be finished."""
    with pytest.raises(ConfigError, match="lies inside"):
        make_plan(replace(request_, out=request_.base / "out"))
