"""A second person reads the report: agreement, the six items of DERM-3R's physicians and DermEval's six dimensions."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from edge_agent.errors import CaseError
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.case_rooms import DECIDERS, listed_case, noting, row_of
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.rendering import page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.review.second_reading import DERMEVAL_DIMENSIONS, PHYSICIAN_ITEMS, SecondReading, check_reader
from edge_agent.store.accounts import Person
from edge_agent.store.reviews import ReviewStore

router = Room()
Reader = Annotated[Person, Depends(requires(*DECIDERS))]
PHYSICIAN_WORDS: Final = dict(
    zip(
        PHYSICIAN_ITEMS,
        (
            _("Description of the lesions"),
            _("Causes and pathogenesis"),
            _("Syndrome differentiation"),
            _("Treatment principle"),
            _("Prescription and medication"),
            _("Easy to read"),
        ),
        strict=True,
    )
)
DERMEVAL_WORDS: Final = dict(
    zip(
        DERMEVAL_DIMENSIONS,
        (
            _("Accuracy"),
            _("Safety"),
            _("Medical groundedness"),
            _("Clinical coverage"),
            _("Coherence of the reasoning"),
            _("Precision of the description"),
        ),
        strict=True,
    )
)


@router.get("/cases/{case_id}/second-reading")
def ask(request: Request, case_id: str, person: Reader) -> Response:
    """Show the form, or why this person cannot read this report a second time."""
    parts = parts_of(request)
    row = row_of(listed_case(request, case_id), parts)
    _check(request, case_id, person)
    return page(
        request,
        "cases/second_reading.html",
        row=row,
        physician=PHYSICIAN_WORDS,
        dermeval=DERMEVAL_WORDS,
        readings=ReviewStore(parts.database).second_readings(case_id),
    )


@router.post("/cases/{case_id}/second-reading")
def give(request: Request, case_id: str, person: Reader, form: Sent) -> Response:
    """Keep a second reading."""
    parts = parts_of(request)
    listed_case(request, case_id)
    _check(request, case_id, person)
    try:
        reading = SecondReading.model_validate(
            {
                "account": person.name,
                "read": parts.clock(),
                "agrees": form.get("agrees") == "yes",
                "physician": {one: int(str(form[one])) for one in PHYSICIAN_ITEMS if form.get(one)},
                "dermeval": {one: int(str(form[one])) for one in DERMEVAL_DIMENSIONS if form.get(one)},
                "note": str(form.get("note", "")).strip(),
            }
        )
    except (ValidationError, ValueError) as exc:
        raise CaseError("the second reading does not fit: say why if you do not agree, and use the scales") from exc
    noted = noting(parts, person, "second_reading", case_id=case_id, detail="agrees" if reading.agrees else "differs")
    ReviewStore(parts.database).add_second_reading(case_id, reading, noted=noted)
    return RedirectResponse(f"/cases/{case_id}#sign", status_code=303)


def _check(request: Request, case_id: str, person: Person) -> None:
    parts = parts_of(request)
    reviews = ReviewStore(parts.database)
    signed = reviews.sign_off(case_id)
    first = {one.account for one in reviews.decisions(case_id)} | ({signed.account} if signed else set())
    check_reader(person.name, roles=person.roles, first_readers=first)
