"""What the store holds of a clinician's decisions, as ``agents.report.review`` tells it.

Does not judge a decision and never hands on a note: what a clinician wrote in words stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_agent.agents.report.review import Correction, Review, Ruling
from edge_agent.review.decisions import Decision, standing
from edge_agent.review.sections import CORRECTABLE, SECTIONS
from edge_agent.store.database import Database
from edge_agent.store.reviews import ReviewStore


def ruling_of(one: Decision, names: Mapping[str, str]) -> Ruling:
    """Return a decision with the name as people write it; empty for an account that is not in ``names``."""
    lists = CORRECTABLE[one.section]
    values = tuple(Correction(name, lists[name], value) for name, value in one.values.items())
    return Ruling(one.section, one.verdict, names.get(one.account, ""), one.decided, one.reason, values)


def nameless_review(database: Database, case_id: str) -> Review:
    """Return what was decided about a case's report and whether it is signed, without names and without the next visit's day.

    Raises:
        StoreCorrupt: a decision cannot be read.
    """
    reviews = ReviewStore(database)
    done, signed = standing(reviews.decisions(case_id)), reviews.sign_off(case_id)
    rulings: dict[str, Ruling] = {name: ruling_of(done[name], {}) for name in SECTIONS if name in done}
    return Review(rulings, signed=None if signed is None else signed.signed)
