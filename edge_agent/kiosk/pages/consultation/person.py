"""Age and who can consent, the five consents, and who the person is for this post.

Source: policy.md R1, R2, R3, R10; clinical-vocabulary section 7.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException, Request, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from edge_agent.consultation import answers
from edge_agent.consultation.draft import Choice, Draft, Person, first_line
from edge_agent.consultation.steps import Step
from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose
from edge_agent.errors import CaseError
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.desk import Screen, Turn, Worker, answered, noting, show, turn_of
from edge_agent.kiosk.rendering import language_of
from edge_agent.kiosk.room import Room
from edge_agent.policy.consent_texts import PARTS as CONSENT_PARTS
from edge_agent.store.episodes import EpisodeRow

router = Room()


def _age_values(turn: Turn) -> Mapping[str, Any]:
    policy = turn.room.course.permits.policy
    return {
        "person_told": turn.draft.person,
        "consent_age": policy.age_of_consent_years,
        "is_emergency": turn.room.course.is_emergency(turn.draft),
    }


def _consent_values(turn: Turn) -> Mapping[str, Any]:
    permit = turn.room.course.consent(turn.draft)
    agreement = turn.draft.agreement
    wanted = turn.request.query_params.get("purpose")
    unasked = agreement.unasked
    purpose = wanted if wanted in PURPOSES else (unasked[0] if unasked else None)
    words = {one: [turn.term(part, one) for part in CONSENT_PARTS] for one in PURPOSES}
    return {
        "permit": permit,
        "purposes": PURPOSES,
        "purpose": purpose if permit.grantable else None,
        "place": PURPOSES.index(purpose) + 1 if purpose in PURPOSES else len(PURPOSES),
        "words": words,
        "refusal": None if permit.refusal is None else turn.term("consent_refusal", permit.refusal),
    }


def _who_values(turn: Turn) -> Mapping[str, Any]:
    reference = turn.draft.local_reference
    known = _known(turn, reference) if reference and turn.draft.episode_id is None else []
    return {"known": known}


def _known(turn: Turn, reference: str) -> list[EpisodeRow]:
    """Return who was here under a reference; emergency access is told of nobody."""
    return [] if turn.person.is_emergency else turn.room.episodes.find(reference)


AGE = Screen(Step.AGE, "consultation/age.html", _age_values)
CONSENT = Screen(Step.CONSENT, "consultation/consent.html", _consent_values)
WHO = Screen(Step.WHO, "consultation/who.html", _who_values)
SCREENS = (AGE, CONSENT, WHO)


@router.post("/consultation/{case_id}/age")
def age(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save age, sex and who can consent."""
    turn = turn_of(request, case_id, person)
    if not form.get("age_years") and not form.get("age_months") and not form.get("is_age_unknown"):
        return show(turn, AGE, problem=_("Enter the age, or tick that nobody knows it."))
    try:
        told = _person(form)
    except CaseError:
        return show(turn, AGE, problem=_("Look at the age: years from 0 to 120; months only under two years."))
    return answered(turn, AGE, lambda draft: answers.with_person(draft, told))


def _person(form: FormData) -> Person:
    """Read the form; an infant's months alone tell the years too."""

    def word(name: str) -> str | None:
        return str(form.get(name) or "").strip() or None

    parts: dict[str, Any] = {name: word(name) for name in Person.model_fields}
    try:
        months = None if parts["age_months"] is None else int(parts["age_months"])
        years = None if parts["age_years"] is None else int(parts["age_years"])
    except ValueError as exc:
        raise CaseError("the age is not a number: mend it") from exc
    if form.get("is_age_unknown"):
        months = years = None
    if years is None and months is not None:
        years = months // 12
    if parts["guardian_present"] != "yes":
        parts |= {"guardian_name": None, "guardian_relation": None}
    try:
        return Person(**(parts | {"age_years": years, "age_months": months}))
    except ValidationError as exc:
        raise CaseError(first_line(exc)) from exc


@router.post("/consultation/{case_id}/consent/{purpose}")
def consent(request: Request, case_id: str, purpose: str, person: Worker, form: Sent) -> Response:
    """Record one consent or refusal."""
    turn = turn_of(request, case_id, person)
    if purpose not in PURPOSES or form.get("granted") not in {"yes", "no"}:
        raise HTTPException(422)
    course, now = turn.room.course, turn.parts.clock()
    one: ConsentPurpose = next(known for known in PURPOSES if known == purpose)
    permit = course.consent(turn.draft)
    is_granted = form["granted"] == "yes" and one in permit.grantable
    choice = Choice(
        granted=is_granted,
        given_by=permit.who_decides,
        basis=permit.basis,
        version=course.permits.versions[one],
        recorded_by=person.name,
        recorded_at=now,
    )

    def answer(draft: Draft) -> Draft:
        heard = {"read_aloud": True, "language": language_of(request).code}
        return answers.with_choice(draft.changed(agreement=draft.agreement.model_copy(update=heard)), one, choice)

    noted = noting(turn, "consent_given" if is_granted else "consent_refused", detail=purpose)
    is_last = not set(turn.draft.agreement.unasked) - {one}
    return answered(turn, CONSENT, answer, is_staying=not is_last or turn.draft.is_consent_complete, noted=noted)


@router.post("/consultation/{case_id}/consent")
def consents_done(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Leave the consents: all are decided, or nobody can decide and the case goes on in words."""
    turn = turn_of(request, case_id, person)
    course, now = turn.room.course, turn.parts.clock()
    permit = course.consent(turn.draft)

    def answer(draft: Draft) -> Draft:
        if permit.grantable or not form.get("in_words"):
            return draft
        return answers.with_all_refused(
            draft, given_by=permit.who_decides, versions=course.permits.versions, by=person.name, at=now
        )

    return answered(turn, CONSENT, answer)


@router.post("/consultation/{case_id}/who")
def who(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save the post's own reference; ask whether it is somebody who was here before."""
    turn = turn_of(request, case_id, person)
    reference = str(form.get("local_reference") or "").strip()
    chosen = str(form.get("episode") or "")
    episodes = _known(turn, reference) if reference else []
    if chosen and chosen != "new" and chosen not in {one.episode_id for one in episodes}:
        raise HTTPException(422)

    def answer(draft: Draft) -> Draft:
        if draft.episode_id is not None and reference == draft.local_reference and not chosen:
            return draft  # a follow-up that was begun from the list
        return draft.changed(
            local_reference=reference or None, episode_id=chosen if chosen not in {"", "new"} else None
        )

    is_open = bool(episodes) and not chosen and turn.draft.episode_id is None
    return answered(turn, WHO, answer, is_staying=is_open)
