"""How long a case still takes: from earlier cases, else from the prediction, else unknown."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.remaining import NO_PACE, Countdown, learn, remaining_s
from tests.simulators.clock import ManualClock

PACE = {"encode": 1.0, "recognition": 2.0, "second_look": 3.0, "representation": 4.0, "reasoning": 5.0}


def report(views: int, **timings_ms: float) -> dict[str, Any]:
    """The part of a report that is read."""
    return {"recognition": [{}] * views, "provenance": {"timings_ms": timings_ms}}


@pytest.mark.parametrize(
    ("stage", "done", "total", "spent_s", "expected"),
    [
        ("rules", 1, 1, 0.0, 2 * (1 + 2 + 3) + 4 + 5),
        ("encode", 0, 2, 0.0, 21.0),
        ("encode", 1, 2, 0.5, 20.0 - 0.5),
        ("encode", 2, 2, 9.0, 19.0),
        ("recognition", 0, 2, 1.0, 18.0),
        ("representation", 0, 1, 60.0, 5.0),
        ("reasoning", 1, 1, 0.0, 0.0),
        ("report", 1, 1, 0.0, 0.0),
    ],
)
def test_what_is_left_is_this_stage_and_the_later_ones(
    stage: str, done: int, total: int, spent_s: float, expected: float
) -> None:
    """Two pictures; a stage that takes longer than usual never makes the rest negative."""
    told = remaining_s(PACE, stage=stage, done=done, total=total, views=2, spent_s=spent_s)
    assert told == pytest.approx(expected)


def test_nobody_knows_before_the_first_case() -> None:
    """No earlier case and no prediction: null, never a made-up number."""
    assert remaining_s(NO_PACE, stage="encode", done=0, total=1, views=1, spent_s=0.0) is None
    assert Countdown(NO_PACE, clock=ManualClock().monotonic).at("encode", 0, 3) is None


def test_the_pace_is_learnt_per_picture_and_follows_the_newest_case() -> None:
    """Two pictures in 4 s are 2 s each; the next case counts half; a stage that it lacks keeps its figure."""
    first = learn(NO_PACE, report(2, encode=4000, reasoning=6000))
    second = learn(first, report(1, encode=4000))
    assert dict(first) == {"encode": 2.0, "reasoning": 6.0}
    assert dict(second) == {"encode": 3.0, "reasoning": 6.0}


def test_a_report_of_the_rules_alone_teaches_nothing() -> None:
    """No picture, no stage: the figures stay."""
    assert dict(learn(PACE, report(0, rules=1))) == PACE


def test_the_prediction_counts_down_while_nothing_was_measured() -> None:
    """The profile's seconds for as many pictures as the case has, less what has passed, never below zero."""
    clock = ManualClock()
    countdown = Countdown(NO_PACE, clock=clock.monotonic, predict=lambda views: 10.0 * views)
    first = countdown.at("encode", 0, 3)
    clock.now_s += 12.0
    second = countdown.at("recognition", 0, 3)
    clock.now_s += 90.0
    assert (first, second, countdown.at("reasoning", 0, 1)) == (30.0, 18.0, 0.0)


def test_words_on_their_way_count_inside_their_stage() -> None:
    """While an agent writes, its stage's time goes on running down."""
    clock = ManualClock()
    countdown = Countdown(PACE, clock=clock.monotonic)
    countdown.at("encode", 0, 1)
    before = countdown.at("reasoning", 0, 1)
    clock.now_s += 2.0
    assert (before, countdown.at("writing", 32, 32)) == (5.0, 3.0)
