"""The shipped bundle on drawn cases: it reads pictures, and what it knows lies in its adapters."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from calibration.reference.evaluate import Result, evaluate_bundle
from calibration.reference.pool import pool_case
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from tests.simulators.reference import BUNDLE, FAR_END

CASES = 40


@pytest.fixture(scope="module")
def measured() -> Result:
    """Own and swapped adapters on the same 40 cases, in and out of scope as they come."""
    bundle = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    cases = [pool_case("test", FAR_END + 1_000 + number) for number in range(CASES)]
    return evaluate_bundle(bundle, cases, modes=["own", "swapped"], on_progress=lambda *_: None)


def constant_mean(figures: dict[str, Any], agent: str) -> float:
    """Return the mean over an agent's fields of the accuracy of the best constant answer."""
    rows = [row["constant"] for name, row in figures["fields"].items() if name.startswith(f"{agent}.")]
    return float(sum(rows) / len(rows))


@pytest.mark.parametrize("agent", ["recognition", "representation", "reasoning"])
def test_own_adapters_beat_the_constant_answer(measured: Result, agent: str) -> None:
    """Each agent's mean lies at least 15 points above always giving the most frequent answer."""
    own = measured["own"]
    assert own["means"][agent] >= constant_mean(own, agent) + 0.15


@pytest.mark.parametrize("agent", ["recognition", "representation", "reasoning"])
def test_swapped_adapters_are_clearly_worse(measured: Result, agent: str) -> None:
    """With another agent's adapter the mean falls by at least 20 points: adapters are on, and each on its agent."""
    assert measured["swapped"]["means"][agent] <= measured["own"]["means"][agent] - 0.20
