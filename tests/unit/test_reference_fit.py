"""What a fit takes from the device's answers: one judged decision per field, about the leading item of a list."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torch")

from calibration.reference.confidence import fit_field
from calibration.reference.fit import collect
from calibration.reference.list_values import items, leading, told

COLOURS = {"dark_red": 2.0, "bright_red": 1.0, "cannot_tell": -1.0}


@pytest.mark.parametrize(
    ("value", "every", "first"),
    [
        (["a", "b"], ("a", "b"), "a"),
        (("a",), ("a",), "a"),
        ("a", ("a",), "a"),
        (3, (3,), 3),
        (None, (None,), None),
    ],
)
def test_a_list_has_items_and_a_leading_one(value: Any, every: tuple[Any, ...], first: Any) -> None:
    """A field that is no list is its own only item; null is an answer too."""
    assert items(value) == every
    assert leading(value) == first


def test_two_lists_with_the_same_ids_are_the_same_answer() -> None:
    """The order of a list is no part of the answer; a further or missing id is."""
    assert told(["crust", "scale"]) == told(("scale", "crust"))
    assert told(["scale"]) != told(["scale", "crust"])
    assert told(None) == told("None")


def sample(value: Any, true: Any, logits: dict[str, float] | None = None) -> Any:
    """Collect one decision of Rec's field ``colour``."""
    row = {"colour": (value, COLOURS if logits is None else logits)}
    return collect([("recognition", row, {"colour": true})])


def test_the_leading_item_is_right_when_the_true_list_names_it() -> None:
    """Whether it leads there does not matter: the confidence is about this one id."""
    [found] = sample(["dark_red", "bright_red"], ("bright_red", "dark_red"))["recognition.colour"]
    assert found.is_right
    assert found.options == ("dark_red", "bright_red", "cannot_tell")
    assert found.logits == (2.0, 1.0, -1.0)


def test_a_wrong_leading_item_is_judged_against_the_true_one() -> None:
    """The temperature is fitted on the probability of what should have led."""
    [found] = sample(["dark_red"], ("bright_red", "cannot_tell"))["recognition.colour"]
    assert not found.is_right
    assert found.options[found.truth] == "bright_red"


def test_a_grade_is_found_by_its_label() -> None:
    """Numbers and null stand among the candidates as JSON."""
    logits = {"0": 0.0, "3": 1.0, "null": 2.0}
    [found] = sample(None, 3, logits)["recognition.colour"]
    assert (found.options[found.answer], found.options[found.truth]) == ("null", "3")
    [found] = sample(None, None, logits)["recognition.colour"]
    assert found.is_right


def test_what_tells_no_probability_is_not_judged() -> None:
    """A field that the bundle fixes, or that the answer lacks, has no temperature."""
    assert sample("cannot_tell", "dark_red", {}) == {}
    assert collect([("recognition", {}, {"colour": "dark_red"})]) == {}


def test_the_cascade_fits_nothing() -> None:
    """Its errors are those of earlier agents; Reason's own confidence is fitted on what it was given truly."""
    row = {"syndrome": ("blood_heat", {"blood_heat": 1.0, "blood_stasis": 0.0})}
    truth = {"syndrome": "blood_heat"}
    assert list(collect([("cascade", row, truth), ("reasoning", row, truth)])) == ["reasoning.syndrome"]
    assert len(collect([("cascade", row, truth), ("reasoning", row, truth)])["reasoning.syndrome"]) == 1


def test_a_decider_that_is_too_sure_gets_a_temperature_above_one() -> None:
    """100 answers at 98 %, of which 70 are right: after scaling, the shown confidence is about 70 %."""
    sure = {"dark_red": math.log(0.98), "bright_red": math.log(0.02)}
    answers = [
        ("recognition", {"colour": (["dark_red"], sure)}, {"colour": ("dark_red" if n < 70 else "bright_red",)})
        for n in range(100)
    ]
    rows = collect(answers)["recognition.colour"]
    temperature = fit_field(rows)["temperature"]
    assert temperature > 2
    assert rows[0].confidence(temperature) == pytest.approx(0.7, abs=0.04)
