"""Make exports of a stored case: a FHIR file, the report or the referral letter as a PDF; each is told of before it exists.

Used by the command line and by the kiosk's page. Does not write or send anything: the caller gets bytes. An export that
cannot be told of (a full store) is not made.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from edge_agent.agents.letter.document import letter
from edge_agent.agents.letter.parts import Sender, Wish
from edge_agent.agents.report.reading import ReportAudience
from edge_agent.contracts.case import Case, Frame
from edge_agent.contracts.terms import Language, Vocabulary
from edge_agent.interop.fhir import fhir_document
from edge_agent.interop.pages import letter_page, report_page
from edge_agent.interop.pdf import PageToPrint
from edge_agent.interop.request import DESTINATION, ExportWish, check_consent, why_kept
from edge_agent.interop.stored import Stored

MAX_SIDE_PX = 1600
Form = Literal["fhir", "pdf_clinician", "pdf_person", "pdf_letter"]


@dataclass(frozen=True, slots=True)
class ExportEvent:
    """One export that is about to be made: which case, what, how many pictures, and the account that asked for it."""

    case_id: str
    form: Form
    pictures: int
    by: str


class OnExport(Protocol):
    """Told of every export before it is made; the audit trail is the real one."""

    def __call__(self, event: ExportEvent) -> None:
        """Keep the event.

        Raises:
            StoreError: it cannot be kept; then nothing is exported.
        """
        ...


class Press(Protocol):
    """Prints pages; ``interop.pdf.PdfPress`` is the real one."""

    def print(self, page: PageToPrint) -> bytes:
        """Return a page as a PDF."""
        ...


class Exporter:
    """Make exports.

    Args:
        vocabulary: the words.
        press: prints.
        on_export: told of every export before it is made.
        clock: the present time, with a zone.
        new_id: makes a random id.
        by: the account that asks, for the trail.
        shown_as: its name as people write it, for the file's own audit event; empty is "not signed in".
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        press: Press,
        *,
        on_export: OnExport,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        by: str,
        shown_as: str = "",
    ) -> None:
        self._vocabulary, self._press, self._on_export = vocabulary, press, on_export
        self._clock, self._new_id, self._by, self._shown_as = clock, new_id, by, shown_as

    def fhir(
        self, stored: Stored, *, language: Language, has_pictures: bool = False, has_reference: bool = False
    ) -> bytes:
        """Return the case as a FHIR document.

        Raises:
            CaseError: the consent does not allow it.
            StoreError: the export cannot be told of.
        """
        check_consent(stored.case.consent, is_taken_back=stored.is_taken_back)
        shown = self._pictures(stored.case) if has_pictures else {}
        self._tell(stored, "fhir", pictures=len(shown))
        wish = ExportWish(
            self._new_id(),
            self._clock(),
            language,
            by=self._shown_as,
            has_reference=has_reference,
            pictures={index: _jpeg(frame) for index, frame in shown.items()},
        )
        told = fhir_document(
            stored.report,
            stored.case.intake,
            consent=stored.case.consent,
            wish=wish,
            vocabulary=self._vocabulary,
            review=stored.review,
        )
        return json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n"

    def report_pdf(
        self, stored: Stored, *, language: Language, audience: ReportAudience, has_pictures: bool = False
    ) -> bytes:
        """Return the report as a PDF.

        Raises:
            ConfigError: a library or font for printing is missing.
            PrintError: it cannot be printed.
            StoreError: the export cannot be told of.
        """
        shown = self._pictures(stored.case) if has_pictures else {}
        self._tell(stored, "pdf_person" if audience == "person" else "pdf_clinician", pictures=len(shown))
        page = report_page(
            stored.report, self._vocabulary, language, audience=audience, pictures=shown, review=stored.review
        )
        return self._press.print(page)

    def letter_pdf(self, stored: Stored, *, language: Language, destination: str = DESTINATION) -> bytes:
        """Return the referral letter to one destination as a PDF; sender, name and contact are written by hand.

        Raises:
            CaseError: there is no such destination.
            ConfigError: a library or font for printing is missing.
            PrintError: it cannot be printed.
            StoreError: the export cannot be told of.
        """
        case = stored.case
        wish = Wish(destination, self._new_id(), self._clock(), language)
        told = letter(
            stored.report,
            case.intake,
            consent=case.consent,
            sender=Sender(),
            wish=wish,
            vocabulary=self._vocabulary,
            review=stored.review,
        )
        self._tell(stored, "pdf_letter", pictures=0)
        return self._press.print(letter_page(told, stored.report, self._vocabulary, review=stored.review))

    def _pictures(self, case: Case) -> dict[int, Frame]:
        return {view.index: view.frame for view in case.views if why_kept(view, self._vocabulary) is None}

    def _tell(self, stored: Stored, form: Form, *, pictures: int) -> None:
        self._on_export(ExportEvent(stored.case.case_id, form, pictures, self._by))


def _jpeg(frame: Frame) -> bytes:
    """Return a picture as JPEG without EXIF, at most ``MAX_SIDE_PX`` on its longer side."""
    image = Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=90)
    return target.getvalue()
