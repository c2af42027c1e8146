"""The time that is left, from what stages of the same kind took and from the pace of the running step."""

from __future__ import annotations

from calibration.sweep.forecast import Forecast, Remaining
from calibration.sweep.stages import Kind, Stage

EXPORT = Stage(Kind.EXPORT, "", {})
BUILDS = [Stage(Kind.BUILD, name, {}) for name in ("fp32", "int8", "int4")]


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_claimed_before_a_stage_of_the_kind_has_run() -> None:
    """Unknown is said to be unknown."""
    forecast = Forecast([EXPORT, *BUILDS], known={}, clock=_Clock())
    assert forecast.remaining(None) == Remaining(0.0, is_least=True)
    assert forecast.remaining(None).words() == "time left not known yet"


def test_the_rest_is_what_stages_of_the_kind_took() -> None:
    """One build took 60 s: two further ones take 120 s, and 40 s into one of them 80 s are left."""
    clock = _Clock()
    forecast = Forecast(BUILDS, known={}, clock=clock)
    forecast.begin()
    clock.now = 60.0
    forecast.end(BUILDS[0], is_timed=True)
    assert forecast.remaining(None) == Remaining(120.0, is_least=False)
    forecast.begin()
    clock.now = 100.0
    assert forecast.remaining(BUILDS[1]) == Remaining(80.0, is_least=False)


def test_a_failed_stage_tells_nothing_about_others() -> None:
    """It ended at once; the others will not."""
    clock = _Clock()
    forecast = Forecast(BUILDS, known={Kind.BUILD: [50.0]}, clock=clock)
    forecast.begin()
    clock.now = 1.0
    forecast.end(BUILDS[0], is_timed=False)
    assert forecast.remaining(None) == Remaining(100.0, is_least=False)


def test_a_step_that_counts_gives_its_own_pace() -> None:
    """10 of 50 cases in 20 s: 80 s are left of an evaluation that nobody has timed, and 70 s ten seconds later."""
    clock = _Clock()
    stage = Stage(Kind.EVALUATE, "int8", {})
    forecast = Forecast([stage], known={}, clock=clock)
    forecast.begin()
    forecast.at("candidate", 0, 50)
    clock.now = 20.0
    forecast.at("candidate", 10, 50)
    assert forecast.remaining(stage) == Remaining(80.0, is_least=False)
    clock.now = 30.0
    assert forecast.remaining(stage) == Remaining(70.0, is_least=False)


def test_words_are_for_people() -> None:
    """Seconds, minutes, hours."""
    said = [Remaining(seconds, is_least=False).words() for seconds in (0.2, 90.0, 600.0, 9000.0)]
    assert said == ["almost done", "about 90 s left", "about 10 min left", "about 2.5 h left"]
    assert Remaining(600.0, is_least=True).words() == "at least 10 min left"
