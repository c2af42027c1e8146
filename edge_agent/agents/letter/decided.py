"""What a referral letter tells of a clinician's decisions, as ids and as words; never a note.

Source: clinical-vocabulary sections 9, 11 and 13.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from edge_agent.agents.letter.terms import BLANK, LetterTerms, Row
from edge_agent.agents.plan.by_tier import is_general
from edge_agent.agents.report.answers import answer_words, key_of
from edge_agent.agents.report.review import AnswerCorrection, Review
from edge_agent.agents.report.terms import Terms


def decided_part(review: Review, *, is_tcm_told: bool) -> list[dict[str, Any]]:
    """Return what a clinician put right or did not confirm, part by part; nothing for a report without such a decision.

    A corrected syndrome is for TCM destinations alone. Before the signature no value of a clinician's is told.
    """
    rows = []
    for name, ruling in review.rulings.items():
        if review.stands(name):
            continue
        own = [one for one in review.corrections(name) if one.field != "syndrome" or is_tcm_told]
        rows.append(
            {
                "section": name,
                "is_in_words": review.is_signed and ruling.verdict == "corrected" and not ruling.corrections,
                "values": [{"of": one.of, "value": one.value} for one in own],
            }
        )
    return rows


def answers_part(review: Review, *, hidden: Collection[str]) -> list[dict[str, Any]]:
    """Return the answers that were put right after the hand-over, without those that this destination is not told."""
    names = ("question", "of", "was", "now", "reason", "by")
    return [
        {**{name: getattr(one, name) for name in names}, "at": one.at.isoformat()}
        for one in review.answers
        if key_of(one.question) not in hidden
    ]


def answer_rows(letter: Mapping[str, Any], words: LetterTerms) -> list[Row]:
    """Return each corrected answer as a line: the history above it already has the right one."""
    if not letter["corrected_answers"]:
        return []
    terms = Terms(words.vocabulary, words.lang)
    told = [AnswerCorrection(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in letter["corrected_answers"]]
    return [Row("", answer_words(one, terms), "strong") for one in told]


def general_advice(items: Collection[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return of a plan that a clinician refused only what everybody is told."""
    names = ("action", "object", "condition", "interval_days", "role", "status")
    return [{name: row[name] for name in names} for row in items if is_general(row)]


def overall(review: Review) -> str | None:
    """Return one word for a signed report: accepted as it is, or corrected; None while it is not signed."""
    if not review.is_signed:
        return None
    return "corrected" if review.has_doubts else "accepted"


def decided_rows(letter: Mapping[str, Any], words: LetterTerms) -> list[Row]:
    """Return a clinician's own values as theirs, and which parts of the program's answer nobody confirmed."""
    if letter["signature"] is None and not letter["decided"]:
        return []
    rows = [Row("", words.signed(letter))]
    for part in letter["decided"]:
        own = words.comma.join(_own(one, words) for one in part["values"])
        open_words = "changed_in_words" if part["is_in_words"] else "not_confirmed"
        text = own or words.label(open_words, "word").replace("{blank}", BLANK * 2)
        rows.append(Row(words.label(part["section"], "decided_section"), text, "strong" if own else "unknown"))
    return rows


def _own(one: Mapping[str, str], words: LetterTerms) -> str:
    if one["of"] == "triage":
        return words.tier(one["value"])
    return f"{words.name(one['of'])}{words.colon}{words.label(one['value'], one['of'])}"
