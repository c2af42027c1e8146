"""Put answers into a draft, one function per kind of answer. Pure; every result is checked like what comes in.

Does not move to another step: ``Course`` does, with the draft that these return.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from edge_agent.consultation.draft import (
    PURPOSES,
    Choice,
    Decider,
    Draft,
    Person,
    PurposeId,
    SiteChoice,
    TakenView,
)
from edge_agent.contracts.intake import Intake
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


def with_choice(
    draft: Draft, purpose: PurposeId, *, granted: bool, given_by: Decider, version: str, by: str, at: datetime
) -> Draft:
    """Record one consent or refusal (R2)."""
    choice = Choice(granted=granted, given_by=given_by, version=version, recorded_by=by, recorded_at=at)
    choices = {**draft.agreement.choices, purpose: choice}
    return draft.changed(agreement=draft.agreement.model_copy(update={"choices": choices}))


def with_all_refused(draft: Draft, *, versions: Mapping[str, str], by: str, at: datetime) -> Draft:
    """Record that nobody could agree to anything: a text case (R3, R10)."""
    for purpose in PURPOSES:
        draft = with_choice(draft, purpose, granted=False, given_by="nobody", version=versions[purpose], by=by, at=at)
    return draft


def with_sites(draft: Draft, sites: Iterable[SiteChoice]) -> Draft:
    """Choose the affected sites; what was asked about a site that stays chosen is kept."""
    known = {(site.body_site, site.laterality): site for site in draft.sites}
    return draft.changed(sites=tuple(known.get((site.body_site, site.laterality), site) for site in sites))


def with_site_asked(draft: Draft, index: int, **asked: Any) -> Draft:
    """Record what was asked about one site: ``chaperone``, ``is_confirmed``, ``is_asked``."""
    sites = list(draft.sites)
    sites[index] = sites[index].model_copy(update=asked)
    return draft.changed(sites=tuple(sites))


def with_view(draft: Draft, view: TakenView) -> Draft:
    """Add one picture; the camera rule was asked by whoever took it."""
    return draft.changed(views=(*draft.views, view))


def without_view(draft: Draft, image_id: str) -> Draft:
    """Let one picture go; the store shreds it when the draft is saved."""
    return draft.changed(views=tuple(view for view in draft.views if view.image_id != image_id))


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
        problem = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        raise CaseError(f"{place}: {text}" if place else text) from exc
