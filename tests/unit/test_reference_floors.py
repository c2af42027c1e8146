"""The floors of the reference model: each can fail, and the benchmark document says so."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from calibration.reference.floors import Floor, above_constant, floors, require
from calibration.reference.scores import Tally
from edge_agent.errors import QualityGateError
from scripts.benchmarks_doc import document
from scripts.benchmarks_main import require_scope
from scripts.benchmarks_trust import scope

# One field's calibration figures, and two lines of the scope table: 8 of 10 found, and a tone without any case.
SURE = {
    "ece": 0.031, "ece_adaptive": 0.04, "ece_by_chance": 0.02, "kept": 0.7, "kept_precision": 0.93,
    "ece_per_tone": {"1": 0.1, "5": 0.09}, "ece_by_chance_per_tone": {"1": 0.09, "5": 0.05},
}  # fmt: skip
SCOPE_ROWS: list[dict[str, Any]] = [
    {"name": "drawn, in scope", "wish": "in scope", "n": 10, "hits": 8, "share": 0.8, "interval": [0.4902, 0.9433],
     "floor": 0.9, "is_met": False, "always_refuse": 0.0, "always_accept": 1.0, "missed": ["a", "b"]},
    {"name": "  tone 1: refused", "wish": "few", "n": 0, "hits": 0, "share": None, "interval": None,
     "floor": None, "is_met": None, "always_refuse": 1.0, "always_accept": 0.0, "missed": []},
]  # fmt: skip
AGENTS = ("recognition", "representation", "reasoning", "cascade")


def figures(mean: float, *, z: float = 0.0, verified: float | None = 0.9) -> dict[str, Any]:
    """Return what a measurement gives when every field has the same accuracy and a constant answer has .4."""
    checked = {"steps": 400, "verifiability": verified, "constant": 0.31}
    tones = {str(tone): mean for tone in range(1, 6)}
    row = {"accuracy": mean, "interval": [mean, mean], "constant": 0.4, "balanced": mean, "values": 4, "n": 100}
    names = ("recognition.colour", "recognition.border", "representation.mechanism", "reasoning.syndrome")
    answers = {tone: {"blood_heat": 5, "blood_stasis": 5} for tone in tones}
    return {
        "cases": 100,
        "per_tone": 20,
        "fields": {name: {**row, "per_tone": tones} for name in names},
        "means": dict.fromkeys(AGENTS, mean),
        "means_per_tone": dict.fromkeys(AGENTS, tones),
        "tone_to_syndrome": {"chi2": 1.0, "dof": 4, "z": z, "answers": answers},
        "verifiability": {"reasoning": {**checked, "verifiability": 0.97}, "cascade": checked},
    }


def failed(rows: list[Floor]) -> list[str]:
    """Return the names of the floors that are not met."""
    return [floor.name for floor in rows if not floor.is_met]


def test_a_good_model_meets_every_floor() -> None:
    """Nothing is asked that a model at .95, with adapters that matter, does not give."""
    assert failed(floors(figures(0.95), others={"bare": figures(0.3), "swapped": figures(0.3)})) == []


def test_a_missed_floor_is_an_error() -> None:
    """Whoever evaluates a model in a script finds out by the exit code."""
    good = {"own": figures(0.95), "bare": figures(0.3)}
    require({"fp32": good})
    with pytest.raises(QualityGateError, match=r"4 floors are missed, first int4: NOT met +Rec mean"):
        require({"fp32": good, "int4": {"own": figures(0.79, z=2.0)}})


@pytest.mark.parametrize(
    ("mean", "others", "z", "missing"),
    [
        (0.79, 0.3, 0.0, ["Rec mean >= 0.80", "Rep mean >= 0.85", "syndrome on gold Representation >= 0.90"]),
        (0.84, 0.3, 0.0, ["Rep mean >= 0.85", "syndrome on gold Representation >= 0.90"]),
        (0.89, 0.3, 0.0, ["syndrome on gold Representation >= 0.90"]),
        (0.95, 0.3, 1.7, ["tone -> syndrome at chance"]),
        (0.95, 0.76, 0.0, [f"{agent} with swapped adapters 0.20 lower" for agent in AGENTS[:3]]),
    ],
)
def test_each_floor_can_fail(mean: float, others: float, z: float, missing: list[str]) -> None:
    """A figure just below its floor is named, and nothing else."""
    assert failed(floors(figures(mean, z=z), others={"swapped": figures(others)})) == missing


@pytest.mark.parametrize(("verified", "met"), [(0.85, True), (0.849, False), (None, False)])
def test_the_steps_must_be_verifiable_at_the_end_of_the_cascade(verified: float | None, met: bool) -> None:
    """85 % of what Reason says of the device's own record; what says nothing verifies nothing."""
    rows = floors(figures(0.95, verified=verified), others={})
    assert (failed(rows) == []) == met
    [line] = [floor.figures for floor in rows if floor.name.startswith("verifiability")]
    assert line.endswith("of 400 steps; always the same step 0.310")


def test_a_field_must_beat_the_constant_answer() -> None:
    """15 points above the constant answer, or not met."""
    row = {"accuracy": 0.54, "constant": 0.4, "balanced": 0.9, "values": 4}
    assert not above_constant("recognition.colour", row).is_met
    assert above_constant("recognition.colour", {**row, "accuracy": 0.56}).is_met


def test_where_the_constant_answer_is_nearly_always_right_balanced_accuracy_counts() -> None:
    """At a constant answer of .87 no accuracy is 15 points better: a model that only says it does not pass."""
    tally = Tally()
    for number in range(100):
        tally.add(1, "lesion_visible" if number < 87 else "normal_skin", "lesion_visible")
    lazy = above_constant("recognition.applicability", tally.summary())
    assert not lazy.is_met
    assert "balanced 0.500 against 0.500" in lazy.figures


def test_balanced_accuracy_weighs_values_alike() -> None:
    """Worked by hand: 8 of 8 a found, 1 of 2 b found: (1 + 0.5) / 2."""
    tally = Tally()
    for truth, answer, times in [("a", "a", 8), ("b", "b", 1), ("b", "a", 1)]:
        for _ in range(times):
            tally.add(1, truth, answer)
    assert tally.balanced() == pytest.approx(0.75)
    assert tally.accuracy() == pytest.approx(0.9)


def test_the_document_shows_a_missed_floor() -> None:
    """What is not reached stands in docs/benchmarks.md as not met, with its figure."""
    modes = {"own": figures(0.79, z=2.0), "bare": figures(0.3), "swapped": figures(0.3)}
    modes["own"]["fields"]["recognition.colour"] |= SURE
    switch = {
        "encode_ms_per_view": 1.0,
        "case_ms": 2.0,
        "decision_ms": dict.fromkeys(AGENTS[:3], 3.0),
        "tokens_sampled": 4.0,
        "tokens_forced": 5.0,
    }
    speed = {"cases": 7, "threads": 2, "on": switch, "off": {**switch, "case_ms": 9.5}}
    text = document(
        {
            "date": "2026-01-31",
            "model": "0123456789ab",
            "cpu_count": 2,
            "cpu_flags": ["avx2"],
            "ceiling": [{"field": "colour", "ceiling": 0.99}],
            "accuracy": {precision: copy.deepcopy(modes) for precision in ("fp32", "int8", "int4")},
            "speed": dict.fromkeys(("fp32", "int8", "int4"), speed),
            "scope": {"has_photographs": False, "rows": SCOPE_ROWS},
            "sizes": {name: {"language_model": 1000, "recipe": 20} for name in ("fp32", "int8", "int4")},
        }
    )
    assert "| **not met** | Rec mean >= 0.80 | 0.790 |" in text
    assert "**z = 2.0**: not at chance" in text
    assert "Not for clinical use" in text
    assert "| INT4, off | 3.00 | 3.00 | 3.00 | 1.00 | 9.5 | 4.0 | 5.0 |" in text
    assert "| **bundle** | **1,020** | **1,020** | **1,020** |" in text
    assert "| recognition.colour | 0.790 | 0.790–0.790 |" in text
    assert "| 0.400 | 0.990 |" in text
    assert "| recognition.colour | 0.031 | 0.020 | 0.040 | 0.090 (5) | 0.700 | 0.930 | 0.031 | 0.031 |" in text
    assert "recognition.border | 0.0" not in text  # it tells no confidence
    assert "| INT4, own, true record | 400 | 0.970 | 0.310 |" in text
    assert "| FP32, bare, cascade | 400 | 0.900 | 0.310 |" in text
    assert "| **not met** | verifiability" not in text
    assert "| drawn, in scope | in scope | 10 | 0.800 | 0.490–0.943 | 0.900 | 0 | 1 | **not met** |" in text
    assert "| tone 1: refused | few | 0 | – | – |  | 1 | 0 |  |" in text
    assert "**not measured here**" in text


def test_with_photographs_the_scope_says_where_they_come_from() -> None:
    """Only what was not measured is said to be missing."""
    text = scope({"has_photographs": True, "rows": SCOPE_ROWS})
    assert "not measured here" not in text
    assert "PAD-UFES-20" in text


def test_a_missed_scope_floor_is_an_error() -> None:
    """The lines are named; lines without a floor judge nothing."""
    require_scope(SCOPE_ROWS[1:])
    with pytest.raises(QualityGateError, match=r"misses 1 floors \(drawn, in scope\)"):
        require_scope(SCOPE_ROWS)
