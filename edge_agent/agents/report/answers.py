"""Draw the answers of the form that somebody put right after the hand-over: what was, what is, who, when and why.

Beside the report, whose program answered before. The person's copy never names a private question. Does not correct anything
(``review.corrections`` does).

Source: policy R13 (the person can see and correct the record).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_agent.agents.report.parts import CAUTION, Block, Line
from edge_agent.agents.report.reading import Reader
from edge_agent.agents.report.review import AnswerCorrection, Review
from edge_agent.agents.report.terms import Terms
from edge_agent.contracts.terms import Vocabulary

# Where the words of a question stand, in the order of looking; else they are those of its list.
_QUESTIONS: Final = ("danger_sign", "form_field", "vital_sign", "worker_examination", "pest", "mood", "letter_word")
_UNANSWERED: Final[tuple[Any, ...]] = (None, "", [])


def corrected_answers(review: Review, words: Terms, audience: Reader) -> list[Block]:
    """Return the lines about corrected answers, oldest first; none where nothing was corrected."""
    hidden = frozenset[str]() if audience == "clinician" else private_questions(words.vocabulary)
    shown = [one for one in review.answers if key_of(one.question) not in hidden]
    rows: list[Block] = [Line(answer_words(one, words), "strong", CAUTION) for one in shown]
    if rows:
        rows.append(Line(words.word("answered_before"), "quiet"))
    if audience != "person" and review.fallen:
        rows.append(Line(words.word("no_longer_fires", rules=words.comma.join(review.fallen)), "quiet"))
    return rows


def answer_words(one: AnswerCorrection, words: Terms) -> str:
    """Return one corrected answer as a line."""
    return words.word(
        "answer_corrected",
        question=question_words(one, words),
        was=value_words(one.was, of=one.of, words=words),
        now=value_words(one.now, of=one.of, words=words),
        name=one.by or words.word("somebody"),
        date=words.dates.date(one.at),
        reason=words.label(one.reason, of="correction_reason"),
    )


def question_words(one: AnswerCorrection, words: Terms) -> str:
    """Return what was asked."""
    key = key_of(one.question)
    found = next((of for of in _QUESTIONS if words.vocabulary.has(key, of=of)), None)
    return words.name(one.of) if found is None else words.label(key, of=found)


def value_words(value: Any, *, of: str, words: Terms) -> str:
    """Return an answer in words; what nobody answered is "not examined", never "no"."""
    if value in _UNANSWERED:
        return words.label("not_examined", of="examined")
    if isinstance(value, list):
        return words.comma.join(value_words(one, of=of, words=words) for one in value)
    if isinstance(value, Mapping):
        told = words.label(str(value["kind"]), of=of)
        response = value.get("response")
        return told if response is None else words.said(told, words.label(str(response), of="treatment_response"))
    return words.label(value, of=of) if isinstance(value, str) else str(value)


def key_of(question: str) -> str:
    """Return the last part of a question's place: the rules' name of it."""
    return question.rpartition(".")[2]


def private_questions(vocabulary: Vocabulary) -> frozenset[str]:
    """Return the questions whose answers only one destination may read; the person's copy has none of them."""
    terms = vocabulary.lists["plan_object"].terms.values()
    named = {str(name) for term in terms for name in term.facts.get("private_inputs", ())}
    return frozenset(named | set(vocabulary.lists["mood"].terms))
