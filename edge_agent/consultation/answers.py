"""Put answers into a draft, one function per kind of answer. Pure; every result is checked like what comes in.

Does not move to another step: ``Course`` does, with the draft that these return.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from edge_agent.consultation.draft import (
    MAX_VIEWS,
    Choice,
    Decider,
    Draft,
    Person,
    first_line,
)
from edge_agent.consultation.pictures import SiteChoice, TakenView
from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.photography import MAX_COUNT
from edge_agent.contracts.result import QualityReason
from edge_agent.errors import CaseError

# What other screens ask; the intake screens must not answer it a second time.
_ELSEWHERE = frozenset(
    {
        "local_reference", "age_years", "age_months", "sex", "guardian_present", "interpreter_used", "danger_signs",
        "worker", "clinician", "views",
    }
)  # fmt: skip


def with_person(draft: Draft, person: Person) -> Draft:
    """Enter age, sex and who can consent.

    A pregnancy that contradicts the sex entered now is asked again: it becomes unanswered, never "no".
    """
    history = draft.history
    if person.sex == "male" and history.pregnancy in {"yes", "possible"}:
        history = history.model_copy(update={"pregnancy": None})
    return draft.changed(person=person, history=history)


def with_choice(draft: Draft, purpose: ConsentPurpose, choice: Choice) -> Draft:
    """Record one consent or refusal (R2)."""
    choices = {**draft.agreement.choices, purpose: choice}
    return draft.changed(agreement=draft.agreement.model_copy(update={"choices": choices}))


def with_all_refused(
    draft: Draft, *, given_by: Decider, versions: Mapping[ConsentPurpose, str], by: str, at: datetime
) -> Draft:
    """Record that nothing could be agreed to, or nobody was there to agree: a text case (R3, R10)."""
    for purpose in PURPOSES:
        choice = Choice(granted=False, given_by=given_by, version=versions[purpose], recorded_by=by, recorded_at=at)
        draft = with_choice(draft, purpose, choice)
    return draft


def with_sites(draft: Draft, sites: Iterable[SiteChoice]) -> Draft:
    """Choose the affected sites; what was asked about a site that stays chosen is kept."""
    known = {(site.body_site, site.laterality): site for site in draft.sites}
    return draft.changed(sites=tuple(known.get((site.body_site, site.laterality), site) for site in sites))


def with_site_asked(draft: Draft, index: int, **asked: Any) -> Draft:
    """Record what was asked about one site: ``chaperone``, ``is_confirmed``, ``is_asked``, ``has_mark``."""
    sites = list(draft.sites)
    sites[index] = sites[index].model_copy(update=asked)
    return draft.changed(sites=tuple(sites))


def with_view(draft: Draft, view: TakenView) -> Draft:
    """Add one picture; the camera rule was asked by whoever took it.

    What was asked about this very picture stays with it, and is asked again for the next one (R5, R6).
    """
    sites = tuple(
        site.model_copy(update={"is_confirmed": False, "is_asked": False})
        if (site.body_site, site.laterality) == (view.body_site, view.laterality)
        else site
        for site in draft.sites
    )
    return draft.changed(views=(*draft.views, view), sites=sites)


def without_view(draft: Draft, image_id: str) -> Draft:
    """Let one picture go; the store shreds it when the draft is saved."""
    return draft.changed(views=tuple(view for view in draft.views if view.image_id != image_id))


def with_view_marked(draft: Draft, image_id: str) -> Draft:
    """Say of a picture that people would know the person by it, and that the person was asked and agrees (R6).

    The next pictures of the same site are then asked for one by one. Does not make a picture less careful: an intimate
    one stays intimate.
    """
    marked = [view for view in draft.views if view.image_id == image_id and view.kind == "ordinary"]
    if not marked:
        return draft
    told = {"has_mark": True, "is_asked": True, "kind": "identifying"}
    views = tuple(view.model_copy(update=told) if view in marked else view for view in draft.views)
    places = {view.place for view in marked}
    sites = tuple(
        site.model_copy(update={"has_mark": True}) if (site.body_site, site.laterality) in places else site
        for site in draft.sites
    )
    return draft.changed(views=views, sites=sites)


def with_refusal(draft: Draft, reasons: Iterable[QualityReason]) -> Draft:
    """Count a refused picture under each of its reasons; nothing else of it is kept (R12)."""
    counts = dict(draft.refusals)
    for reason in reasons:
        counts[reason] = min(counts.get(reason, 0) + 1, MAX_COUNT)
    return draft.changed(refusals=counts)


def without_damaged(draft: Draft, image_ids: Iterable[str]) -> Draft:
    """Let pictures go whose files cannot be opened, and write down which places nobody has a picture of now."""
    damaged = frozenset(image_ids)
    lost = tuple(view.note for view in draft.views if view.image_id in damaged)
    kept = tuple(view for view in draft.views if view.image_id not in damaged)
    return draft.changed(views=kept, lost=(*draft.lost, *lost)[:MAX_VIEWS])


def with_history(draft: Draft, answers: Mapping[str, Any]) -> Draft:
    """Enter answers of the intake screens, by the form's own names; None takes an answer back.

    Raises:
        CaseError: a value is out of its limits or contradicts another answer.
        RuntimeError: another screen asks this (a programmer's mistake).
    """
    if strange := _ELSEWHERE & set(answers):
        raise RuntimeError(f"{min(strange)} is asked on another screen")
    known = {name: getattr(draft.history, name) for name in draft.history.model_fields_set} | dict(answers)
    # Without an answer the field's own "not asked" stands, which is not always None.
    parts = {name: value for name, value in known.items() if value is not None}
    try:
        return draft.changed(history=Intake(**parts))
    except ValidationError as exc:
        raise CaseError(first_line(exc)) from exc


def with_history_each(draft: Draft, answers: Mapping[str, Any]) -> tuple[Draft, tuple[str, ...]]:
    """Enter what can be entered of one screen; return with it the names of the answers that were refused.

    A slip in one field must not cost the others.
    """
    try:
        return with_history(draft, answers), ()
    except CaseError:
        refused = []
    for name, value in answers.items():
        try:
            draft = with_history(draft, {name: value})
        except CaseError:
            refused.append(name)
    return draft, tuple(refused)
