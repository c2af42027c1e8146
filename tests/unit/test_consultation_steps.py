"""The machine of a consultation: order, interruptions, resume."""

from __future__ import annotations

import pytest

from edge_agent.consultation.steps import INTERRUPTIONS, QUESTIONS, RESUME, TRANSITIONS, Event, Step, step


def test_danger_signs_come_before_consent_and_consent_before_the_camera() -> None:
    """The order is the policy's; the worker's own impression is the last question before the agents run."""
    place = list(QUESTIONS).index
    assert place(Step.DANGER_SIGNS) == 0
    assert place(Step.DANGER_SIGNS) < place(Step.AGE) < place(Step.CONSENT) < place(Step.SITES) < place(Step.VIEWS)
    assert QUESTIONS[-1] is Step.IMPRESSION
    assert step(Step.IMPRESSION, Event.NEXT) is Step.RUNNING


@pytest.mark.parametrize("here", QUESTIONS)
def test_an_emergency_interrupts_every_question(here: Step) -> None:
    """From every screen that asks something the instruction can come, and the case goes on where it was."""
    assert step(here, Event.ALERT) is Step.EMERGENCY
    assert step(here, Event.SAFEGUARD) is Step.SAFEGUARDING
    for shown in INTERRUPTIONS:
        assert step(shown, Event.CONTINUE, resume_at=here) is here


@pytest.mark.parametrize("here", list(Step))
def test_every_step_names_what_a_restart_does(here: Step) -> None:
    """A power cut leaves a draft at a step, and each says how it goes on."""
    assert RESUME[here]


@pytest.mark.parametrize("here", QUESTIONS[1:])
def test_each_question_leads_back_to_the_one_before(here: Step) -> None:
    """Back undoes next; the first question has nothing before it."""
    before = step(here, Event.BACK)
    assert step(before, Event.NEXT) is here
    assert (Step.DANGER_SIGNS, Event.BACK) not in TRANSITIONS


def test_a_handed_over_case_has_no_way_back_into_the_questions() -> None:
    """What the agents read is not changed behind their back."""
    assert not [event for (here, event) in TRANSITIONS if here is Step.RUNNING and event is Event.BACK]
    reachable = {TRANSITIONS[here, event] for here, event in TRANSITIONS if here in {Step.RUNNING, Step.REPORT}}
    assert reachable.isdisjoint(QUESTIONS)


def test_past_the_camera_and_back() -> None:
    """Without a picture the views are left out in both directions."""
    assert step(Step.SITES, Event.WITHOUT_PICTURES) is Step.COMPLAINT
    assert step(Step.COMPLAINT, Event.BACK_WITHOUT_PICTURES) is Step.SITES


def test_a_move_that_is_not_in_the_table_is_a_mistake() -> None:
    """So is an interruption that does not know where it came from."""
    with pytest.raises(RuntimeError, match="cannot"):
        step(Step.DONE, Event.NEXT)
    with pytest.raises(RuntimeError, match="go on"):
        step(Step.EMERGENCY, Event.CONTINUE)
    with pytest.raises(RuntimeError, match="go on"):
        step(Step.EMERGENCY, Event.CONTINUE, resume_at=Step.RUNNING)
