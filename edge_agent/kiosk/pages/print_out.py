"""What goes on paper or into a file: the report for the person or a clinician, the referral letter, the FHIR document.

Paper tells what a clinician decided (``interop.stored``). Every print is told of in the trail before it exists. The person's
copy holds advice: it is printed only in a language that a named reviewer has verified, unless the device is for practice
(issue: languages). A sheet is shown in a page of the kiosk with the way back: the kiosk's browser has no buttons of its own.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Request, Response

from edge_agent.agents.letter.document import destinations
from edge_agent.agents.plan.by_tier import referral_for
from edge_agent.agents.report.reading import ReportAudience, readable
from edge_agent.contracts.terms import Language
from edge_agent.errors import CaseError
from edge_agent.interop.exporter import Carrier, Exporter, ExportEvent
from edge_agent.interop.stored import Stored, is_taken_back, review_of, stored_case
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.case_rooms import (
    Carer,
    listed_case,
    noting,
    paper_language,
    policy_of,
    referral_contact,
    row_of,
    term_of,
    vault_of,
)
from edge_agent.kiosk.language import may_print_advice
from edge_agent.kiosk.rendering import Stationery, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import Action
from edge_agent.store.sent_files import SentFiles

router = Room()
Speech = Literal["zh", "en"]
Sheet = Literal["person", "clinician", "letter"]
LANGUAGES: Final[tuple[tuple[Language, str], ...]] = (("zh", "中文"), ("en", "English"))


@router.get("/cases/{case_id}/print")
def choose(request: Request, case_id: str, person: Carer) -> Response:
    """Show what can be printed, for whom, in which language."""
    parts = parts_of(request)
    row = row_of(listed_case(request, case_id), parts)
    told = parts.cases.report(case_id)
    review = review_of(parts.database, cases=parts.cases, case_id=case_id)
    tier = None if told is None else review.tier(readable(told))
    taken = is_taken_back(parts.database, vault=vault_of(parts), case_id=case_id)
    return page(
        request,
        "cases/print.html",
        row=row,
        has_report=told is not None,
        review=review,
        speeches=[(code, name, _may_advise(request, code)) for code, name in LANGUAGES],
        lang=paper_language(request),
        destinations=[(one, term_of(request, "plan_object", one)) for one in destinations(parts.vocabulary)],
        destination=None if tier is None else referral_for(tier, parts.vocabulary),
        may_see_all=_may_see_all(person),
        may_export=Role.CLINICIAN in person.roles and not taken,
    )


@router.get("/cases/{case_id}/print/paper")
def paper(
    request: Request, case_id: str, person: Carer, sheet: Sheet = "person", language: Speech = "en", to: str = ""
) -> Response:
    """Show a sheet in a page of the kiosk, with the way back and a button that prints it."""
    row = row_of(listed_case(request, case_id), parts_of(request))
    if sheet == "letter":
        return page(
            request, "cases/print_paper.html", row=row, source=_source(case_id, "letter", to=to, language=language)
        )
    _check_reader(request, person, sheet, language)
    source = _source(case_id, "report", audience=sheet, language=language)
    return page(request, "cases/print_paper.html", row=row, source=source)


@router.get("/cases/{case_id}/print/report.pdf")
def report_pdf(
    request: Request,
    case_id: str,
    person: Carer,
    audience: ReportAudience = "person",
    language: Speech = "en",
) -> Response:
    """Print the report. The clinician's copy is for clinicians, prescribers and TCM practitioners."""
    _check_reader(request, person, audience, language)
    stored = _stored(request, case_id)
    return _pdf(_exporter(request, person).report_pdf(stored, language=language, audience=audience))


@router.get("/cases/{case_id}/print/letter.pdf")
def letter_pdf(request: Request, case_id: str, person: Carer, to: str, language: Speech = "en") -> Response:
    """Print the referral letter to one destination."""
    stored = _stored(request, case_id)
    return _pdf(_exporter(request, person).letter_pdf(stored, language=language, destination=to))


@router.get("/cases/{case_id}/print/case.fhir.json")
def fhir(
    request: Request,
    case_id: str,
    person: Annotated[Person, Depends(requires(Role.CLINICIAN))],
    language: Speech = "en",
) -> Response:
    """Give the case as a FHIR document, without pictures; refused once the person took the package back."""
    content = _exporter(request, person).fhir(_stored(request, case_id), language=language)
    name = f"attachment; filename={secrets.token_hex(4)}.fhir.json"
    return Response(
        content, media_type="application/fhir+json", headers={"content-disposition": name, "cache-control": "no-store"}
    )


def _check_reader(request: Request, person: Person, audience: ReportAudience, language: str) -> None:
    """Refuse a copy that is not this person's to hold, and advice in a language that nobody has verified.

    Raises:
        CaseError: the language is not verified.
        HTTPException: 403, the clinician's copy.
    """
    if audience == "clinician" and not _may_see_all(person):
        raise HTTPException(403)
    if audience == "person" and not _may_advise(request, language):
        raise CaseError("advice cannot be printed in a language that nobody has verified: choose another language")


def _source(case_id: str, name: str, **query: str) -> str:
    return f"/cases/{case_id}/print/{name}.pdf?{urlencode(query)}"


def _may_see_all(person: Person) -> bool:
    """Say whether a person may hold what only clinicians see: a worker's own copy is the person's."""
    return bool(person.roles - {Role.WORKER, Role.MAINTAINER})


def _may_advise(request: Request, code: str) -> bool:
    stationery: Stationery = request.app.state.stationery
    language = stationery.languages.get(code)
    return language is not None and may_print_advice(language, is_demo=parts_of(request).config.kiosk.is_demo)


def _stored(request: Request, case_id: str) -> Stored:
    """Return a case with its report and what clinicians decided about it."""
    listed_case(request, case_id)
    parts = parts_of(request)
    return stored_case(parts.database, cases=parts.cases, vault=vault_of(parts), case_id=case_id)


def _exporter(request: Request, person: Person) -> Exporter:
    parts = parts_of(request)

    def tell(event: ExportEvent) -> None:
        told = noting(parts, person, _action(event), case_id=event.case_id, detail=event.form)
        with parts.database.transaction() as connection:
            told(connection)
            if event.form == "fhir":  # paper goes with the person; a file is somebody's who may have to delete it
                SentFiles.append(
                    connection, event.case_id, form=event.form, receiver=None, account=event.by, sent=parts.clock()
                )

    return Exporter(
        parts.vocabulary,
        parts.press,
        on_export=tell,
        clock=parts.clock,
        new_id=lambda: secrets.token_hex(8),
        carrier=Carrier(person.name, policy_of(parts), shown_as=person.display_name, contact=referral_contact(parts)),
    )


def _action(event: ExportEvent) -> Action:
    return Action.REPORT_EXPORTED if event.form == "fhir" else Action.REPORT_PRINTED


def _pdf(content: bytes) -> Response:
    return Response(
        content,
        media_type="application/pdf",
        headers={"content-disposition": "inline", "cache-control": "no-store"},
    )
