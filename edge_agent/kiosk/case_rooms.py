"""What the rooms of stored cases share: who may enter, the words' language, pictures by the policy, earlier visits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from edge_agent.contracts.policy import Policy
from edge_agent.contracts.speech import Speech
from edge_agent.contracts.terms import Language
from edge_agent.contracts.translations import closed_language
from edge_agent.errors import CaseError
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, parts_of
from edge_agent.policy.reading import URGENT_TIER
from edge_agent.policy.rules import PictureKind, ViewingRule, second_reading_reasons, viewing_rule
from edge_agent.policy.whom_to_call import whom_to_call
from edge_agent.review.worklist import Row, with_final_deadline
from edge_agent.store.accounts import Person, Role
from edge_agent.store.case_list import CaseList, Listed
from edge_agent.store.episodes import Episodes, VisitRow
from edge_agent.store.reviews import Noted
from edge_agent.store.vault import ImageVault
from edge_agent.store.views import StoredView

CARERS = (Role.WORKER, Role.CLINICIAN, Role.PRESCRIBER, Role.TCM_PRACTITIONER)  # whoever only maintains sees no case
DECIDERS = (Role.CLINICIAN, Role.TCM_PRACTITIONER)
Carer = Annotated[Person, Depends(requires(*CARERS))]


@dataclass(frozen=True, slots=True)
class Shown:
    """How one stored picture stands on a page for one person; ``rule`` is the policy's answer."""

    view: StoredView
    rule: ViewingRule

    @property
    def is_hidden(self) -> bool:
        """Say whether the picture is drawn only when it is asked for."""
        return not self.rule.shows_thumbnail


def policy_of(parts: KioskParts) -> Policy:
    """Return the policy in force; the strict defaults where none was signed."""
    return parts.policy if isinstance(parts.policy, Policy) else Policy()


def paper_language(request: Request) -> Language:
    """Return the language in which paper is offered first: it is Chinese or English."""
    return closed_language(language_of(request).code)


def speech_of(request: Request) -> Language | Speech:
    """Return in what a report's clinical words are told on this page."""
    return parts_of(request).translations.speech(language_of(request).code)


def noting(parts: KioskParts, person: Person, action: str, *, case_id: str, detail: str | None = None) -> Noted:
    """Return what writes a person's deed on a case into the trail, in the transaction of the deed."""
    return lambda connection: parts.audit.append(connection, person.name, action, case_ref=case_id, detail=detail)


def term_of(request: Request, of: str, term_id: str) -> str:
    """Return the words of an id that a worker or a patient reads, in the page's language."""
    parts = parts_of(request)
    return parts.translations.label(parts.vocabulary, term_id, language_of(request).code, of=of)


def is_foreign(request: Request) -> bool:
    """Say whether a report stands in English on a page of another language, so that it needs its own direction."""
    return isinstance(speech := speech_of(request), str) and not language_of(request).code.startswith(speech)


def name_of(request: Request, of: str) -> str:
    """Return the words of a list itself, in the page's language."""
    parts = parts_of(request)
    return parts.translations.name(parts.vocabulary, of, language_of(request).code)


def referral_contact(parts: KioskParts) -> str | None:
    """Return where this post sends people, by name and number; None where nobody has set it."""
    return next(iter(whom_to_call(policy_of(parts), parts.practice).referral), None)


def listed_case(request: Request, case_id: str) -> Listed:
    """Return a case of the list.

    Raises:
        HTTPException: 404, there is no such case.
    """
    listed = CaseList(parts_of(request).database).one(case_id)
    if listed is None:
        raise HTTPException(404)
    return listed


def row_of(listed: Listed, parts: KioskParts) -> Row:
    """Return a case's row with the deadline of the tier that counts, and why a second reading is still missing."""
    facts = listed.facts
    if facts is None:  # no report yet: a corrected answer may ask for a tier
        return with_final_deadline(listed.row, by_program="", vocabulary=parts.vocabulary)
    row = with_final_deadline(listed.row, by_program=facts.tier, vocabulary=parts.vocabulary)
    if listed.second_readings:
        return row
    reasons = second_reading_reasons(
        policy_of(parts),
        age_years=facts.age_years,
        age_months=facts.age_months,
        fitzpatrick=facts.fitzpatrick,
        monk=facts.monk,
        has_abstained=facts.has_abstained,
        tier=URGENT_TIER if URGENT_TIER in {facts.tier, row.tier} else facts.tier,  # program's or clinician's
        stage=facts.stage,
    )
    return replace(row, needs_second_reading=tuple(str(one) for one in reasons))


def shown_pictures(request: Request, case_id: str, person: Person) -> dict[int, Shown]:
    """Return the pictures of a case that this person may see, by view; shredded ones are left out (R5, R11)."""
    rules = {view.index: Shown(view, look(view, person)) for view in parts_of(request).cases.views(case_id)}
    return {index: one for index, one in rules.items() if one.rule.is_allowed and not one.view.is_gone}


def look(view: StoredView, person: Person) -> ViewingRule:
    """Ask the policy whether a person may look at a picture (R5, R13)."""
    return viewing_rule(
        kind=PictureKind(view.kind.value), viewer=person.name, is_clinician=Role.CLINICIAN in person.roles
    )


def vault_of(parts: KioskParts) -> ImageVault:
    """Return the vault of the pictures."""
    return ImageVault(parts.database) if parts.consultation is None else parts.consultation.vault


def episodes_of(parts: KioskParts) -> Episodes:
    """Return the episodes of this post."""
    return Episodes(parts.database, cases=parts.cases) if parts.consultation is None else parts.consultation.episodes


def visit_here(parts: KioskParts, case_id: str) -> VisitRow | None:
    """Return the visit that a case was; None for a case from the command line."""
    try:
        return episodes_of(parts).visit(case_id)
    except CaseError:
        return None


def may_close(visit: VisitRow | None, person: Person) -> bool:
    """Say whether a person may take a visit off the list: its worker, or a clinician."""
    return visit is not None and (visit.owner == person.name or Role.CLINICIAN in person.roles)
