"""When a lost part starts again: pauses that double, a slow pace after five losses in a minute, forgiveness after a steady one."""

from __future__ import annotations

import itertools

import pytest

from edge_agent.supervision.restarts import (
    TRANSITIONS,
    PartEvent,
    PartHistory,
    PartState,
    RestartPolicy,
    lost,
    settled,
    started,
    step,
    stopped,
)

POLICY = RestartPolicy(first_s=1.0, most_s=6.0, burst=5, window_s=60.0, slow_s=60.0, steady_s=60.0)


def _lose(history: PartHistory, now_s: float) -> PartHistory:
    return lost(started(history, now_s), now_s, fault="gone", policy=POLICY)


def _lose_often(times_s: tuple[float, ...]) -> PartHistory:
    history = PartHistory()
    for now_s in times_s:
        history = _lose(history, now_s)
    return history


def test_pauses_double_up_to_the_longest() -> None:
    """1, 2, 4, then 6 seconds: never longer, and never at once."""
    history, pauses = PartHistory(), []
    for now_s in (0.0, 1.0, 2.0, 3.0):
        history = _lose(history, now_s)
        pauses.append(history.rest_s(now_s))
    assert pauses == [1.0, 2.0, 4.0, 6.0]


def test_the_fifth_loss_in_a_minute_degrades() -> None:
    """Four do not; the fifth does, and the next try is a minute away."""
    assert not _lose_often((0.0, 10.0, 20.0, 30.0)).is_degraded
    history = _lose_often((0.0, 10.0, 20.0, 30.0, 59.0))
    assert history.state is PartState.DEGRADED
    assert history.rest_s(59.0) == 60.0


def test_five_losses_over_more_than_a_minute_do_not_degrade() -> None:
    """One loss every quarter of a minute is restarted for ever."""
    assert not _lose_often((0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)).is_degraded


def test_one_loss_on_trial_degrades_again() -> None:
    """A part that was degraded has one try a minute, not five."""
    history = _lose(_lose_often((0.0, 1.0, 2.0, 3.0, 4.0)), 64.0)
    assert history.state is PartState.DEGRADED
    assert history.restarts == 6


def test_on_trial_is_still_told() -> None:
    """People hear that it is degraded until it has run steadily, not only until it starts."""
    history = started(_lose_often((0.0, 1.0, 2.0, 3.0, 4.0)), 64.0)
    assert settled(history, 123.9, policy=POLICY).is_degraded
    assert settled(history, 124.0, policy=POLICY).state is PartState.RUNNING


def test_a_steady_minute_forgives() -> None:
    """After it, the pauses begin at the first again."""
    history = started(_lose_often((0.0, 1.0, 2.0, 3.0)), 4.0)
    assert lost(history, 100.0, fault="gone", policy=POLICY).rest_s(100.0) == 1.0


def test_every_state_can_be_stopped() -> None:
    """The daemon ends in any state of its parts."""
    for state in PartState:
        assert stopped(PartHistory(state=state), 1.0).state is PartState.STOPPED


def test_a_move_outside_the_table_is_a_mistake() -> None:
    """Every pair is either in the table or refused; none is guessed."""
    for state, event in itertools.product(PartState, PartEvent):
        if (state, event) not in TRANSITIONS:
            with pytest.raises(RuntimeError, match="cannot happen"):
                step(state, event)
