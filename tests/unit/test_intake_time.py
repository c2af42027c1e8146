"""How long the intake's screens take to fill in, by a model of touches: nobody was timed."""

from __future__ import annotations

from datetime import UTC, datetime

from edge_agent.consultation.draft import Draft, Person
from edge_agent.consultation.questions import COMPLAINT, EXAMINATION, HISTORY, Question, asked_of

# Keystroke-level model (Card, Moran, Newell: The Keystroke-Level Model for User Performance Time with Interactive Systems,
# Communications of the ACM 23(7), 1980), for somebody who knows the screens.
THINK_S, POINT_S, PRESS_S = 1.35, 1.10, 0.20
DIGIT_S = 0.28  # an average typist's key; a number has three
TURN_S = THINK_S + POINT_S + PRESS_S  # read a question, find the answer, touch it
CHOICES = 2  # of a list, named by an ordinary person
PAGES = 3
LIMIT_S = 180


def grown_woman() -> Draft:
    """Who is asked the most questions."""
    person = Person(age_years=30, sex="female")
    return Draft(case_id="case-0001", owner="worker", created=datetime(2026, 3, 1, tzinfo=UTC), person=person)


def seconds(question: Question) -> float:
    """Time to answer one question once its answer is known."""
    more = POINT_S + PRESS_S
    if question.kind in ("number", "text"):
        return TURN_S + 3 * DIGIT_S
    if question.kind in ("many", "treatments"):
        return TURN_S + (CHOICES - 1) * more
    return TURN_S


def test_every_question_is_answered_within_three_minutes() -> None:
    """The longest form (a woman of 30, all questions asked and all answered) takes no more than 180 s of touching."""
    asked = asked_of((*COMPLAINT, *HISTORY, *EXAMINATION), grown_woman())
    spent = sum(map(seconds, asked)) + PAGES * TURN_S
    assert spent <= LIMIT_S, f"{len(asked)} questions take {spent:.0f} s"


def test_what_must_be_answered_takes_a_quarter_of_a_minute() -> None:
    """With nothing but the starred questions the three screens are passed in 15 s."""
    asked = [one for one in asked_of((*COMPLAINT, *HISTORY, *EXAMINATION), grown_woman()) if one.is_required]
    assert sum(map(seconds, asked)) + PAGES * TURN_S <= 15
