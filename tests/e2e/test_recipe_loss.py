"""What INT4 loses against FP32 on 200 drawn cases of each skin tone, adapters on, on the device's engine.

The shipped bundle and the FP32 build of the same checkpoint, the default gates with their own limits. Gates on rare events
ask for 2,000 cases per tone (docs/evaluation.md has the command); two hundred can judge means, divergences and weights. One
hundred could not: beside a loss of half a point, their bound on one tone reaches the limit by chance.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")
pytest.importorskip("matplotlib")

from calibration.build import BuildRequest, build
from calibration.evaluation.case_folder import read_cases
from calibration.evaluation.drawn_cases import write_drawn_cases
from calibration.evaluation.evaluate import Evaluation, Plan, evaluate
from calibration.evaluation.figures import field_figures, mean_accuracy
from calibration.evaluation.gates import GateResult
from calibration.evaluation.limits import default_gates
from calibration.recipe import load_recipe
from calibration.unsigned import open_unsigned
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS
from tests.simulators.reference import BUNDLE, MODEL

pytestmark = pytest.mark.long

PER_TONE, FORCED_PER_TONE = 200, 20
SEEN_BY_FEW = ("field_accuracy_loss", "divergence", "token_disagreement", "weight_error")
TONES = {f"tone {number}" for number in range(1, 6)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Both bundles on the same cases; nothing but ``min_cases`` of the gates on means is changed."""
    folder = tmp_path_factory.mktemp("loss")
    write_drawn_cases(folder / "cases", per_tone=PER_TONE, tell=lambda *_: None, size=168, processes=2)
    request = BuildRequest(
        base=MODEL / "base",
        adapters={agent: MODEL / "adapters" / agent for agent in AGENTS},
        recipe=load_recipe("fp32"),
        out=folder / "fp32",
    )
    build(request, announce=lambda _: None)
    gates = [
        gate.model_copy(update={"min_cases": PER_TONE}) if gate.metric in SEEN_BY_FEW else gate
        for gate in default_gates()
    ]
    plan = Plan(read_cases(folder / "cases"), gates, folder / "work", forced_per_tone=FORCED_PER_TONE, is_timed=False)
    shipped = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    return evaluate(shipped, open_unsigned(folder / "fp32"), plan, tell=lambda *_: None)


def judged(measured: Evaluation, metric: str, part: str = "mean") -> list[GateResult]:
    """Return the gates of one metric."""
    return [row for row in measured.gates if row.gate.metric == metric and row.part == part]


def test_mean_accuracy_falls_by_less_than_a_point(measured: Evaluation) -> None:
    """Over all cases 1 point, on each tone 2: the bound, not only the value."""
    rows = judged(measured, "field_accuracy_loss")
    assert {row.group.name for row in rows} >= TONES
    assert [row.line() for row in rows if not row.is_met] == []


def test_answers_are_worth_something(measured: Evaluation) -> None:
    """Both bundles beat the constant answer on the mean of fields; a loss beside nothing would mean nothing."""
    assert measured.comparison is not None
    for rows in (measured.comparison.before, measured.comparison.after):
        figures = field_figures(rows)
        constant = sum(row["constant"] for row in figures.values()) / len(figures)
        assert mean_accuracy(figures) > constant + 0.2


@pytest.mark.parametrize("agent", AGENTS)
def test_decisions_along_the_references_answers_stay(measured: Evaluation, agent: str) -> None:
    """Divergence and token agreement with this agent's adapter on."""
    rows = judged(measured, "divergence", agent) + judged(measured, "token_disagreement", agent)
    assert len(rows) >= 2
    assert [row.line() for row in rows if not row.is_met] == []


def test_every_weight_is_near_its_own(measured: Evaluation) -> None:
    """Language model, vision, embeddings and adapters."""
    rows = [row for row in measured.gates if row.gate.metric == "weight_error"]
    assert len(rows) == 7
    assert [row.line() for row in rows if not row.is_met] == []


def test_two_hundred_cases_judge_no_rare_event(measured: Evaluation) -> None:
    """Every hard gate falls for lack of cases, and says how many it asks for."""
    rows = [row for row in measured.gates if row.gate.is_hard]
    assert rows
    assert all(not row.is_met and "2000 are asked" in row.line() for row in rows)
