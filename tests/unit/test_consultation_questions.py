"""The intake's questions as data: every one has a place in the form, and no answer is made up."""

from __future__ import annotations

import pytest

from edge_agent.consultation import answers
from edge_agent.consultation.course import Course
from edge_agent.consultation.questions import (
    COMPLAINT,
    EXAMINATION,
    HISTORY,
    TCM,
    Question,
    answer_of,
    asked_of,
    count_answered,
    read_answers,
)
from edge_agent.consultation.steps import Step
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.terms import Vocabulary
from edge_agent.kiosk.pages.consultation.intake import LABELS
from tests.simulators.consultations import ADULT, COURSE, blank

EVERY = (*COMPLAINT, *HISTORY, *EXAMINATION, *TCM)
VOCABULARY = Vocabulary.load()


@pytest.mark.parametrize("question", EVERY, ids=lambda question: str(question.name))
def test_a_question_has_a_place_words_and_no_answer_beforehand(question: Question) -> None:
    """Its field exists, nobody has answered it in an empty form, and the screen has words for it."""
    assert answer_of(Intake(), question) in (None, ())
    label = question.name in LABELS or VOCABULARY.has(question.key or question.name, of=question.of)
    assert label, "the screen would show an id"


def test_an_empty_form_answers_nothing() -> None:
    """Skipping a whole screen leaves every field as it was: not asked."""
    parts, refused = read_answers(Intake(), EVERY, {})
    draft, contradicting = answers.with_history_each(blank(), parts)
    assert (refused, contradicting) == ((), ())
    assert draft.history == Intake()
    assert count_answered(draft.history, EVERY) == 0


def test_unknown_not_examined_and_unanswered_stay_three_things() -> None:
    """The nothing-values are never merged: each comes back as it was told."""
    sent = {
        "known_eczema": ["unknown"],
        "pest.pest_heel_pain": ["not_examined"],
        "pregnancy": ["not_applicable"],
        "comorbidity": ["none"],
    }
    parts, _ = read_answers(Intake(), EVERY, sent)
    history = answers.with_history(blank(), parts).history
    assert history.known_eczema == "unknown" and history.known_psoriasis is None
    assert history.pest == {"pest_heel_pain": "not_examined"}
    assert history.pregnancy == "not_applicable"
    assert (history.comorbidity, history.family_history) == (("none",), None)


def test_numbers_come_as_people_write_them() -> None:
    """A comma is a decimal point; a word is refused and named, and costs nothing else."""
    sent = {"vital_signs.temp_c": ["37,4"], "vital_signs.heart_rate": ["fast"], "itch_nrs": ["7"], "fitzpatrick": ["5"]}
    parts, refused = read_answers(Intake(), EVERY, sent)
    history = answers.with_history(blank(), parts).history
    assert refused == ("vital_signs.heart_rate",)
    assert (history.vital_signs.temp_c, history.itch_nrs, history.fitzpatrick) == (37.4, 7, 5)


def test_one_choice_per_treatment_says_use_and_effect() -> None:
    """In use, in use with its effect, or not named."""
    sent = {
        "current_treatment.emollient": ["used"],
        "current_treatment.coal_tar": ["worse"],
        "current_treatment.biologic": [""],
    }
    parts, refused = read_answers(Intake(), HISTORY, sent)
    notes = answers.with_history(blank(), parts).history.current_treatment
    assert refused == () and notes is not None
    assert [(note.kind, note.response) for note in notes] == [("emollient", None), ("coal_tar", "worse")]


def test_a_screen_keeps_what_it_does_not_ask() -> None:
    """Signs of one dictionary that another screen or a narrower form asked are not lost."""
    draft = answers.with_history(blank(), {"general": {"thirst": "yes"}, "pest": {"pest_heel_pain": "no"}})
    only = tuple(question for question in HISTORY if question.name == "pest.pest_nail_pits")
    parts, _ = read_answers(draft.history, only, {"pest.pest_nail_pits": ["yes"]})
    history = answers.with_history(draft, parts).history
    assert history.pest == {"pest_heel_pain": "no", "pest_nail_pits": "yes"}
    assert history.general == {"thirst": "yes"}


def test_questions_fit_the_age() -> None:
    """A small child is asked neither for pregnancy nor for joints, mood, tobacco or alcohol."""
    child = answers.with_person(blank(), ADULT.model_copy(update={"age_years": 4, "guardian_present": "yes"}))
    asked = {question.name for question in asked_of(EVERY, child)}
    assert asked.isdisjoint({"pregnancy", "smoking", "alcohol", "pest.pest_heel_pain", "mood.self_harm_thoughts"})
    grown = {question.name for question in asked_of(EVERY, answers.with_person(blank(), ADULT))}
    assert {"pregnancy", "smoking", "pest.pest_heel_pain", "mood.self_harm_thoughts"} <= grown


def test_thoughts_of_self_harm_interrupt_at_once() -> None:
    """RF-24 is an emergency wherever it is told."""
    course: Course = COURSE
    draft = answers.with_history(blank().changed(step=Step.HISTORY), {})
    parts, _ = read_answers(draft.history, HISTORY, {"mood.self_harm_thoughts": ["yes"]})
    assert course.onward(answers.with_history(draft, parts)).step is Step.EMERGENCY
