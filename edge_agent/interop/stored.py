"""Read a case for an export: with its report, and with what clinicians decided about it, by the names that people write.

Page and command line read through here, so paper and file are the same from both. Does not export, and never hands on a note:
what a clinician wrote in words stays on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from edge_agent.agents.report.review import NO_REVIEW, TIER, AnswerCorrection, Correction, Review, Ruling
from edge_agent.contracts.case import Case
from edge_agent.errors import CaseError
from edge_agent.review.corrections import Look, corrected
from edge_agent.review.decisions import Decision, standing
from edge_agent.review.sections import CORRECTABLE, SECTIONS
from edge_agent.store.accounts import display_names
from edge_agent.store.cases import CaseStore
from edge_agent.store.corrections import Corrections
from edge_agent.store.database import Database
from edge_agent.store.episodes import Episodes
from edge_agent.store.reviews import ReviewStore
from edge_agent.store.vault import ImageVault
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose


@dataclass(frozen=True, slots=True)
class Stored:
    """A case of the store with its report, what clinicians decided about it, and whether the person took the package back."""

    case: Case
    report: dict[str, Any]
    review: Review = field(default=NO_REVIEW)
    is_taken_back: bool = False


def stored_case(
    database: Database, *, cases: CaseStore, vault: ImageVault, case_id: str, has_pictures: bool = False
) -> Stored:
    """Return a case for an export.

    Args:
        database: the device's store.
        cases: its cases.
        vault: their pictures.
        case_id: which one.
        has_pictures: open the pictures too; a damaged one is left out, for it must not stop the rest.

    Raises:
        CaseError: there is no such case, or it has no report yet.
        StoreCorrupt: a decision cannot be read.
    """
    report = cases.report(case_id)
    if report is None:
        state = cases.status(case_id).state
        raise CaseError(f"case {case_id} has no report yet ({state}): wait until it is ready")
    case = cases.load_readable(case_id) if has_pictures else cases.load(case_id, has_pictures=False)
    answers = [answer for one in Corrections(database).of(case_id) for answer in one.answers]
    return Stored(
        replace(case, intake=corrected(case.intake, answers)),
        report,
        review_of(database, cases=cases, case_id=case_id),
        is_taken_back(database, vault=vault, case_id=case_id),
    )


def review_of(database: Database, *, cases: CaseStore, case_id: str) -> Review:
    """Return what clinicians decided about a case's report, in the order of its parts."""
    reviews, names = ReviewStore(database), display_names(database)
    done = standing(reviews.decisions(case_id))
    signed = reviews.sign_off(case_id)
    rulings: dict[str, Ruling] = {name: _ruling(done[name], names) for name in SECTIONS if name in done}
    corrections = Corrections(database)
    after, told = corrections.after_signing(case_id), corrections.of(case_id)
    if after.is_raised:  # the tier that was signed counts no more, and nobody has set another
        rulings.pop("triage", None)
    elif after.look is not None:
        rulings["triage"] = _look(after.look, names, program=str((cases.report(case_id) or {})["triage"]["final"]))
    return Review(
        rulings,
        signed_by=None if signed is None else names.get(signed.account, ""),
        signed=None if signed is None else signed.signed,
        follow_up=None if signed is None else _follow_up(database, cases, case_id),
        answers=tuple(
            AnswerCorrection(row.question, row.of, row.was, row.now, one.reason, names.get(one.account, ""), one.at)
            for one in told
            for row in one.answers
        ),
        fallen=tuple(dict.fromkeys(rule for one in told for rule in one.fallen)),
        is_unseen=after.is_unseen,
    )


def is_taken_back(database: Database, *, vault: ImageVault, case_id: str) -> bool:
    """Say whether the person took back what a file for another system needs."""
    taken = {one.purpose for one in Withdrawals(database, vault=vault).of(case_id)}
    return bool(taken & {WithdrawnPurpose.REFERRAL_PACKAGE, WithdrawnPurpose.CARE_PICTURES})


def _look(one: Look, names: Mapping[str, str], *, program: str) -> Ruling:
    """Return a clinician's new look at the tier as the decision that counts."""
    verdict = "accepted" if one.tier == program else "corrected"
    own = () if one.tier == program else (Correction(TIER, "triage", one.tier),)
    return Ruling("triage", verdict, names.get(one.account, ""), one.at, one.reason, own)


def _ruling(one: Decision, names: Mapping[str, str]) -> Ruling:
    lists = CORRECTABLE[one.section]
    values = tuple(Correction(name, lists[name], value) for name, value in one.values.items())
    return Ruling(one.section, one.verdict, names.get(one.account, ""), one.decided, one.reason, values)


def _follow_up(database: Database, cases: CaseStore, case_id: str) -> date | None:
    """Return the day on which the person comes back; None for a case from the command line, which is no visit."""
    episodes = Episodes(database, cases=cases)
    return episodes.visit(case_id).follow_up_due if episodes.has_visit(case_id) else None
