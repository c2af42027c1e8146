"""What goes on paper or into a file: the report for the person or a clinician, the referral letter, the FHIR document.

Every print is told of in the trail before it exists. The person's copy holds advice: it is printed only in a language that
a named reviewer has verified, unless the device is for practice (issue: languages).
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final, Literal

from fastapi import Depends, HTTPException, Request, Response

from edge_agent.agents.letter.document import destinations
from edge_agent.agents.report.reading import ReportAudience
from edge_agent.contracts.terms import Language
from edge_agent.errors import CaseError
from edge_agent.interop.exporter import Exporter, ExportEvent, Stored
from edge_agent.interop.request import Decision
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.case_rooms import Carer, listed_case, policy_of, report_language, row_of, vault_of
from edge_agent.kiosk.language import may_print_advice
from edge_agent.kiosk.rendering import Stationery, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.review.decisions import standing
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import Action
from edge_agent.store.reviews import ReviewStore
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose

router = Room()
Speech = Literal["zh", "en"]
LANGUAGES: Final[tuple[tuple[Language, str], ...]] = (("zh", "中文"), ("en", "English"))


@router.get("/cases/{case_id}/print")
def choose(request: Request, case_id: str, person: Carer) -> Response:
    """Show what can be printed, for whom, in which language."""
    parts, lang = parts_of(request), report_language(request)
    row = row_of(listed_case(request, case_id), policy_of(parts))
    has_report = parts.cases.report(case_id) is not None
    return page(
        request,
        "cases/print.html",
        row=row,
        has_report=has_report,
        is_signed=row.is_signed,
        is_corrected=_is_corrected(request, case_id),
        speeches=[(code, name, _may_advise(request, code)) for code, name in LANGUAGES],
        lang=lang,
        destinations=[
            (one, parts.vocabulary.label(one, lang, of="plan_object")) for one in destinations(parts.vocabulary)
        ],
        may_see_all=_may_see_all(person),
        may_export=Role.CLINICIAN in person.roles and not _is_taken_back(request, case_id),
    )


@router.get("/cases/{case_id}/print/report.pdf")
def report_pdf(
    request: Request,
    case_id: str,
    person: Carer,
    audience: ReportAudience = "person",
    language: Speech = "en",
) -> Response:
    """Print the report. The clinician's copy is for clinicians, prescribers and TCM practitioners."""
    if audience == "clinician" and not _may_see_all(person):
        raise HTTPException(403)
    if audience == "person" and not _may_advise(request, language):
        raise CaseError("advice cannot be printed in a language that nobody has verified: choose another language")
    stored = _unchanged(request, case_id)
    return _pdf(_exporter(request, person).report_pdf(stored, language=language, audience=audience))


@router.get("/cases/{case_id}/print/letter.pdf")
def letter_pdf(request: Request, case_id: str, person: Carer, to: str, language: Speech = "en") -> Response:
    """Print the referral letter to one destination."""
    stored = _unchanged(request, case_id)
    return _pdf(_exporter(request, person).letter_pdf(stored, language=language, destination=to))


@router.get("/cases/{case_id}/print/case.fhir.json")
def fhir(
    request: Request,
    case_id: str,
    person: Annotated[Person, Depends(requires(Role.CLINICIAN))],
    language: Speech = "en",
) -> Response:
    """Give the case as a FHIR document, without pictures; refused once the person took the package back."""
    if _is_taken_back(request, case_id):
        raise CaseError("the person took back what may be sent: print the page instead")
    content = _exporter(request, person).fhir(_stored(request, case_id), language=language)
    name = f"attachment; filename={secrets.token_hex(4)}.fhir.json"
    return Response(
        content, media_type="application/fhir+json", headers={"content-disposition": name, "cache-control": "no-store"}
    )


def _may_see_all(person: Person) -> bool:
    """Say whether a person may hold what only clinicians see: a worker's own copy is the person's."""
    return bool(person.roles - {Role.WORKER, Role.MAINTAINER})


def _may_advise(request: Request, code: str) -> bool:
    stationery: Stationery = request.app.state.stationery
    language = stationery.languages.get(code)
    return language is not None and may_print_advice(language, is_demo=parts_of(request).config.kiosk.is_demo)


def _is_taken_back(request: Request, case_id: str) -> bool:
    parts = parts_of(request)
    taken = {one.purpose for one in Withdrawals(parts.database, vault=vault_of(parts)).of(case_id)}
    return bool(taken & {WithdrawnPurpose.REFERRAL_PACKAGE, WithdrawnPurpose.CARE_PICTURES})


def _stored(request: Request, case_id: str) -> Stored:
    """Return a case with its report and the decisions that stand."""
    listed_case(request, case_id)
    parts = parts_of(request)
    told = parts.cases.report(case_id)
    if told is None:
        raise CaseError("the case has no report yet: wait until it is ready")
    reviews = ReviewStore(parts.database)
    # Before the signature nothing is decided for anybody outside: a half-decided report is still the program's.
    decided = standing(reviews.decisions(case_id)).values() if reviews.sign_off(case_id) is not None else ()
    decisions = tuple(
        Decision(str(one.section), one.verdict, one.account, one.decided, reason=one.reason) for one in decided
    )
    return Stored(parts.cases.load(case_id, has_pictures=False), told, decisions)


def _unchanged(request: Request, case_id: str) -> Stored:
    """Return a case whose report no clinician has corrected or rejected in any part.

    Paper shows the program's own words. Where somebody found them wrong, paper that says them again would do harm.

    Raises:
        CaseError: a part was corrected or rejected.
    """
    if _is_corrected(request, case_id):
        raise CaseError("a part of this report was corrected or rejected, and paper cannot show that: write it by hand")
    return _stored(request, case_id)


def _is_corrected(request: Request, case_id: str) -> bool:
    taken = standing(ReviewStore(parts_of(request).database).decisions(case_id)).values()
    return any(one.verdict != "accepted" for one in taken)


def _exporter(request: Request, person: Person) -> Exporter:
    parts = parts_of(request)

    def tell(event: ExportEvent) -> None:
        action = Action.REPORT_EXPORTED if event.form == "fhir" else Action.REPORT_PRINTED
        parts.audit.note(event.by, action, case_ref=event.case_id, detail=event.form)

    return Exporter(
        parts.vocabulary,
        parts.press,
        on_export=tell,
        clock=parts.clock,
        new_id=lambda: secrets.token_hex(8),
        by=person.name,
    )


def _pdf(content: bytes) -> Response:
    return Response(
        content,
        media_type="application/pdf",
        headers={"content-disposition": "inline", "cache-control": "no-store"},
    )
