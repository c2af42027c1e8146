"""The shipped bundle on its golden cases, measured once; damaged copies are measured against it.

The whole bundle is its own reference here: FP32 is not shipped, and what a gate must notice is damage, whatever stands
undamaged beside it. The cases are few, so that only the gates on means and divergences can pass at all; those on rare
events are shown falling in ``test_every_gate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from calibration.evaluation.case_folder import EvaluationCase, read_cases
from calibration.evaluation.evaluate import Evaluation, Plan, evaluate
from calibration.evaluation.gates import GateResult
from calibration.evaluation.limits import QualityGate, default_gates
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from tests.attacks.gates.damage import Edit, damaged
from tests.simulators.evaluation_cases import golden_cases
from tests.simulators.reference import BUNDLE

Plant = Callable[[str, Edit], Evaluation]
MEANS = ("field_accuracy_loss", "divergence", "token_disagreement", "weight_error")


def gates_for_few_cases() -> list[QualityGate]:
    """Return the default gates on means with their own limits, for as few cases as there are."""
    return [gate.model_copy(update={"min_cases": 1}) for gate in default_gates() if gate.metric in MEANS]


def fallen(gates: Sequence[GateResult]) -> set[tuple[str, str, str]]:
    """Return metric, part and group of every gate that fell."""
    return {(row.gate.metric, row.part, row.group.name) for row in gates if not row.is_met}


@pytest.fixture(scope="session")
def shipped() -> Bundle:
    """The bundle as it is shipped."""
    return open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))


@pytest.fixture(scope="session")
def cases(shipped: Bundle, tmp_path_factory: pytest.TempPathFactory) -> list[EvaluationCase]:
    """The golden cases; the darker half of the pictures is tone group 5, the lighter half group 1."""
    folder = tmp_path_factory.mktemp("cases")
    found = golden_cases(shipped, folder)
    light = {case.case_id: float(np.mean(case.frames()[0])) for case in found}
    middle = float(np.median(list(light.values())))
    for case in found:
        tone = "1" if light[case.case_id] > middle else "5"
        text = case.file.model_copy(update={"tone_group": tone}).model_dump_json()
        (case.folder / "case.json").write_text(text, encoding="utf-8")
    return read_cases(folder)


@pytest.fixture(scope="session")
def plan(cases: list[EvaluationCase], tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Every case teacher-forced; the reference's answers are kept between damages."""
    return Plan(cases, gates_for_few_cases(), tmp_path_factory.mktemp("work"), is_timed=False)


@pytest.fixture
def plant(shipped: Bundle, plan: Plan, tmp_path: Path) -> Plant:
    """Return ``(part, edit) -> evaluation`` of a damaged copy against the undamaged bundle."""

    def run(part: str, edit: Edit) -> Evaluation:
        bundle = damaged(shipped, tmp_path / "damaged", part=part, edit=edit)
        return evaluate(bundle, shipped, plan, tell=lambda *_: None)

    return run


@pytest.fixture(scope="session")
def undamaged(shipped: Bundle, plan: Plan) -> Evaluation:
    """The shipped bundle against itself."""
    return evaluate(shipped, shipped, plan, tell=lambda *_: None)
