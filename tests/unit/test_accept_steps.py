"""An acceptance is one verdict over ordered steps: the first failure ends it, says what to do and gives the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from rich.console import Console

from calibration.acceptance.acceptance import check_recipes
from calibration.acceptance.report import print_acceptance, write_acceptance
from calibration.acceptance.steps import QUESTIONS, REMEDIES, Acceptance, State, Step, StepResult
from calibration.recipe import load_recipe
from edge_agent.errors import ConfigError, QualityGateError

PARITY = {"label": "reasoning", "max_abs": 3.6e-6, "argmax": 1.0, "max_abs_bound": 8e-4, "argmax_bound": 0.99}
RESEARCH = "Qwen2.5-VL-3B, published under qwen-research (its LICENSE)"


@pytest.fixture
def fallen() -> Acceptance:
    """A 3B checkpoint whose build fell."""
    steps = (
        StepResult(Step.INSPECT, State.PASSED, ("36 layers",)),
        StepResult(Step.PARITY, State.PASSED, ("logits agree",)),
        StepResult(Step.BUILD, State.FAILED, (), QualityGateError("canary: reasoning <b>differs</b>")),
        StepResult(Step.EVALUATE, State.NOT_RUN),
        StepResult(Step.VERIFY, State.NOT_RUN),
    )
    licences = ({"owner": "base", "name": "qwen-research", "source": "README.md"},)
    notes = ("the base carries the qwen-research licence: research and evaluation only, nothing commercial",)
    return Acceptance("base", "int4-se", steps, licences, RESEARCH, notes, (PARITY,))


def test_every_step_has_a_question_and_a_remedy() -> None:
    """Whatever fails, somebody is told what to do."""
    assert set(QUESTIONS) == set(REMEDIES) == set(Step)


def test_the_first_failure_is_the_verdict(fallen: Acceptance) -> None:
    """Its exit code, its step; behind it nothing was run."""
    assert fallen.exit_code == QualityGateError.exit_code
    assert fallen.headline == "Not accepted: build failed."
    assert [one.remedy != "" for one in fallen.steps] == [False, False, True, False, False]


def test_what_was_not_measured_is_not_accepted() -> None:
    """No cases, no judgement: whoever looks at the exit code alone must not take it for a pass."""
    states = {Step.EVALUATE: State.NOT_RUN}
    steps = tuple(StepResult(step, states.get(step, State.PASSED)) for step in Step)
    found = Acceptance("base", "int8", steps)
    assert (found.headline, found.exit_code) == ("Not accepted: evaluate was not run.", 83)
    whole = Acceptance("base", "int8", tuple(StepResult(step, State.PASSED) for step in Step))
    assert (whole.headline, whole.exit_code) == ("Accepted.", 0)


def test_the_page_says_it_all_and_escapes_what_others_wrote(fallen: Acceptance, tmp_path: Path) -> None:
    """Verdict, licence of the published base, parity per adapter, remedy; no markup of a checkpoint's own."""
    write_acceptance(fallen, tmp_path / "out")
    page = (tmp_path / "out" / "acceptance.html").read_text(encoding="utf-8")
    for words in (
        "Not accepted: build failed.",
        "Qwen2.5-VL-3B",
        "nothing commercial",
        "3.60e-06",
        "derm-calibrate sweep",
    ):
        assert words in page
    assert "<b>differs</b>" not in page
    document = json.loads((tmp_path / "out" / "acceptance.json").read_text(encoding="utf-8"))
    assert [one["state"] for one in document["steps"]] == ["passed", "passed", "FAILED", "not run", "not run"]
    assert document["known_base"] == RESEARCH


def test_the_screen_names_step_reason_and_remedy(fallen: Acceptance, tmp_path: Path) -> None:
    """One look is enough."""
    with (tmp_path / "screen").open("w") as stream:
        console = Console(record=True, width=160, file=stream)
        print_acceptance(fallen, console=console)
        text = console.export_text()
    assert "canary: reasoning" in text
    assert "A gentler recipe is int4-se" in text
    assert f"base: {RESEARCH}" in text


def test_only_an_uncompressed_recipe_is_a_reference() -> None:
    """What is compressed proves no parity; an uncompressed bundle is its own reference."""
    with pytest.raises(ConfigError, match="--reference int8 compresses weights"):
        check_recipes(load_recipe("int8"), load_recipe("int4"))
    names = [recipe.name for recipe in check_recipes(load_recipe("fp32"), load_recipe("int4"))]
    assert names == ["fp32", "int4-data-free"]
    assert [one.name for one in check_recipes(load_recipe("fp32"), load_recipe("fp32"))] == ["fp32"]
