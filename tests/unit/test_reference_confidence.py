"""Calibration error, temperature and the least confidence to show: against figures worked out by hand."""

from __future__ import annotations

import math
import random

import pytest

from calibration.reference.confidence import (
    HIGHEST,
    LEAST_KEPT,
    Confidences,
    Sample,
    adaptive_calibration_error,
    calibration_error,
    confidence_of,
    error_by_chance,
    fit_field,
    least_confidence_of,
    record,
    temperature_of,
)
from calibration.reference.floors import CALIBRATION_ERROR, calibrated
from calibration.reference.scores import Tally, wilson

OPTIONS = ("none", "peripheral", "cannot_tell")


def rows(confidence: float, right: int, wrong: int) -> list[tuple[float, bool]]:
    return [(confidence, True)] * right + [(confidence, False)] * wrong


def sample(confidence: float, *, answer: int = 0, right: bool = True) -> Sample:
    """Return a decision whose answer has this probability, the rest split evenly."""
    rest = (1 - confidence) / 2
    logits = tuple(math.log(confidence if n == answer else rest) for n in range(3))
    return Sample(logits, OPTIONS, answer if right else (answer + 1) % 3)


def test_a_calibrated_decider_has_no_error() -> None:
    """Nine of ten at .9 and three of five at .6: every bin is right as often as it says."""
    perfect = rows(0.9, 9, 1) + rows(0.6, 3, 2)
    assert calibration_error(perfect) == pytest.approx(0)
    assert adaptive_calibration_error(perfect, bins=1) == pytest.approx(0)


def test_an_overconfident_decider_has_the_gap() -> None:
    """By hand: 10 answers at .95, 6 right, gap .35; 5 at .55, 3 right, gap .05: (10 x .35 + 5 x .05) / 15 = .25."""
    assert calibration_error(rows(0.95, 6, 4) + rows(0.55, 3, 2)) == pytest.approx(0.25)


def test_an_underconfident_decider_has_the_gap_too() -> None:
    """Always right at .6 is an error of .4: the sign of the gap is dropped."""
    assert calibration_error(rows(0.6, 8, 0)) == pytest.approx(0.4)


def test_gaps_cancel_inside_a_bin_only() -> None:
    """.61 and .65 share the bin (9/15, 10/15]; .59 lies below it. By hand: |1 - 1.26| / 2 = .13, then (.41 + .65) / 2."""
    assert calibration_error([(0.61, True), (0.65, False)]) == pytest.approx(0.13)
    assert calibration_error([(0.59, True), (0.65, False)]) == pytest.approx(0.53)


def test_an_edge_belongs_to_the_lower_bin() -> None:
    """With two bins .5 stands beside .4, as in (m-1)/M < p <= m/M: |1 - .9| / 2; the other way it would be .45."""
    assert calibration_error([(0.5, True), (0.4, False)], bins=2) == pytest.approx(0.05)


def test_adaptive_bins_hold_equal_counts() -> None:
    """Four answers, two bins: (.5, .6 both right) gap .45, (.7 right, .9 wrong) gap .3: mean .375."""
    four = [(0.9, False), (0.5, True), (0.7, True), (0.6, True)]
    assert adaptive_calibration_error(four, bins=2) == pytest.approx(0.375)


def test_no_rows_have_no_error() -> None:
    """Nothing measured is not a perfect score."""
    assert math.isnan(calibration_error([]))
    assert math.isnan(error_by_chance([]))


def test_chance_alone_makes_an_error() -> None:
    """A calibrated coin of .8: the mean error over 400 draws of 50 answers is what the formula says, within a tenth."""
    rng = random.Random(4)
    draws = [calibration_error([(0.8, rng.random() < 0.8) for _ in range(50)]) for _ in range(400)]
    assert error_by_chance(rows(0.8, 40, 10)) == pytest.approx(sum(draws) / len(draws), rel=0.1)


def test_the_temperature_makes_confidence_true() -> None:
    """Answers that say .97 and are right in four of five need a temperature that brings them to about .8."""
    said = [sample(0.97, right=n % 5 != 0) for n in range(500)]
    temperature = temperature_of(said)
    assert temperature > 1.5
    assert said[0].confidence(temperature) == pytest.approx(0.8, abs=0.03)


def test_the_largest_logit_gives_the_confidence() -> None:
    """Two equal logits are one half at every temperature; a difference of ln 4 is four fifths."""
    assert confidence_of((7.0, 7.0), 3.0) == pytest.approx(0.5)
    assert confidence_of((math.log(4), 0.0), 1.0) == pytest.approx(0.8)


def test_the_least_confidence_is_the_lowest_that_keeps_the_precision() -> None:
    """100 sure and right, 50 less sure of which half is right: nine of ten hold only without those."""
    said = [sample(0.8) for _ in range(100)] + [sample(0.6, right=n % 2 == 0) for n in range(50)]
    assert least_confidence_of(said, 1.0) == pytest.approx(0.7)  # half-way between the two confidences
    assert least_confidence_of(said, 1.0, precision=0.8) == 0.0  # 125 of 150 are right


def test_a_field_that_nobody_can_trust_is_not_shown() -> None:
    """Where no threshold reaches the precision, the field is withheld, and few answers prove nothing."""
    assert least_confidence_of([sample(0.9, right=n % 2 == 0) for n in range(200)], 1.0) == HIGHEST
    few = [sample(0.9, right=n > 5) for n in range(LEAST_KEPT - 1)]
    assert least_confidence_of(few, 1.0) == HIGHEST
    assert least_confidence_of([sample(0.9)] * 5, 1.0) == 0.0


def test_an_answer_that_says_nothing_does_not_count() -> None:
    """A hundred wrong "cannot tell" neither lower the precision nor withhold anything."""
    said = [sample(0.9)] * 60 + [sample(0.95, answer=2, right=False)] * 100
    assert least_confidence_of(said, 1.0) == 0.0


def test_what_is_fitted_goes_into_the_manifest() -> None:
    """A field's entry and the record have the manifest's keys."""
    from edge_agent.contracts.manifest import CalibrationRecord, FieldCalibration

    said = {"recognition.scale_type": [sample(0.9, right=n % 10 != 0) for n in range(100)]}
    fields = {name: fit_field(rows_) for name, rows_ in said.items()}
    assert FieldCalibration.model_validate(fields["recognition.scale_type"]).min_confidence == 0.0
    made = CalibrationRecord.model_validate(record(said, fields, split="calibration", cases=7))
    assert (made.cases, list(made.ece)) == (7, ["recognition.scale_type"])
    assert made.ece["recognition.scale_type"] < 0.03


def test_an_engine_has_applied_the_temperature_already() -> None:
    """PyTorch's rows are raw logits; a missing name keeps them as they are."""
    row = {"colour": ("brown", {"brown": math.log(16), "dark_red": 0.0}), "border": ("mixed", {})}
    raw = Confidences({"recognition.colour": 2.0}, {"recognition.colour": 0.7}).of("recognition", row)
    assert raw == {"colour": (pytest.approx(0.8), 0.7)}
    assert Confidences().of("recognition", row)["colour"] == (pytest.approx(16 / 17), 0.0)


def test_a_tally_tells_error_and_what_is_kept() -> None:
    """By hand: four answers of .75, three right; one of them says nothing; two of the other three reach their least."""
    tally = Tally()
    assert "ece" not in tally.summary()
    tally.add(1, "a", "a", (0.75, 0.7))
    tally.add(1, "b", "b", (0.75, 0.7))
    tally.add(2, "c", "b", (0.75, 0.8))
    tally.add(2, "cannot_tell", "cannot_tell", (0.75, 0.7))
    found = tally.summary()
    assert (found["ece"], found["ece_per_tone"]) == (0.0, {"1": 0.25, "2": 0.25})
    assert (found["kept"], found["kept_precision"]) == (0.6667, 1.0)


@pytest.mark.parametrize(
    ("error", "worst", "met"), [(0.05, 0.08, [True, True]), (0.051, 0.08, [False, True]), (0.02, 0.09, [True, False])]
)
def test_the_floors_of_calibration(error: float, worst: float, met: list[bool]) -> None:
    """Over all tones the bound itself, on one tone the bound and what chance adds on as many answers."""
    row = {"ece": error, "ece_per_tone": {"1": 0.01, "5": worst}, "ece_by_chance_per_tone": {"1": 0.03, "5": 0.03}}
    assert CALIBRATION_ERROR == 0.05
    assert [floor.is_met for floor in calibrated("recognition.colour", row)] == met
    assert list(calibrated("recognition.colour", {"accuracy": 1.0})) == []


@pytest.mark.parametrize(("precision", "met"), [(0.87, [True]), (0.869, [False]), (None, [])])
def test_the_floor_of_what_is_shown(precision: float | None, met: list[bool]) -> None:
    """Three points below the promise and no more; a field that shows nothing is not judged."""
    row = {"ece": 0.0, "ece_per_tone": {"1": 0.0}, "ece_by_chance_per_tone": {"1": 0.0}}
    judged = list(calibrated("recognition.border", {**row, "kept": 0.5, "kept_precision": precision}))
    assert [floor.is_met for floor in judged[2:]] == met


def test_wilson_by_hand() -> None:
    """29 of 30: .8333 to .9941 (Wilson 1927, z = 1.96)."""
    low, high = wilson(29, 30)
    assert (round(low, 4), round(high, 4)) == (0.8333, 0.9941)
