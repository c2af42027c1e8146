"""Make exports of a stored case: a FHIR file, the report or the referral letter as a PDF; each is told of before it exists.

Used by the command line and by the kiosk's page. Does not write or send anything: the caller gets bytes. An export that
cannot be told of (a full store) is not made.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from edge_agent.agents.letter.document import letter
from edge_agent.agents.letter.parts import Sender, Wish
from edge_agent.agents.report.reading import ReportAudience
from edge_agent.contracts.case import Case, Frame, View
from edge_agent.contracts.policy import Policy
from edge_agent.contracts.terms import Language, Vocabulary
from edge_agent.interop.fhir import fhir_document
from edge_agent.interop.pages import letter_page, report_page
from edge_agent.interop.pdf import PageToPrint
from edge_agent.interop.receivers import Receiver
from edge_agent.interop.request import DESTINATION, ExportWish, check_rule, why_kept
from edge_agent.interop.stored import Stored
from edge_agent.policy.rules import PictureKind, SharingRule, export_rule, is_minor, package_rule, picture_kind

MAX_SIDE_PX = 1600
Form = Literal["fhir", "pdf_clinician", "pdf_person", "pdf_letter"]


@dataclass(frozen=True, slots=True)
class ExportEvent:
    """One export that is about to be made: which case, what, which of its pictures (view indexes), and who asked for it.

    ``receiver``: the name of the certificate that it is encrypted to; None: it stays readable for whoever holds it.
    """

    case_id: str
    form: Form
    pictures: tuple[int, ...]
    by: str
    receiver: str | None = None


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


@dataclass(frozen=True, slots=True)
class Carrier:
    """Who takes exports away, and under which rules.

    ``by``: the account that asks, for the trail. ``shown_as``: its name as people write it, for the file's own audit event; empty is
    "not signed in". ``receiver``: whom pictures are encrypted to; None: no picture leaves. ``contact``: where this
    post sends people, by name and number, for paper; None leaves a line to write on.
    """

    by: str
    policy: Policy
    shown_as: str = ""
    receiver: Receiver | None = None
    contact: str | None = None


class Exporter:
    """Make exports. A file with pictures comes out encrypted to its receiver, whatever its form (R8).

    Args:
        vocabulary: the words.
        press: prints.
        on_export: told of every export before it is made.
        clock: the present time, with a zone.
        new_id: makes a random id.
        carrier: who asks, and what they may take along.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        press: Press,
        *,
        on_export: OnExport,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        carrier: Carrier,
    ) -> None:
        self._vocabulary, self._press, self._on_export = vocabulary, press, on_export
        self._clock, self._new_id, self._carrier = clock, new_id, carrier

    def fhir(
        self, stored: Stored, *, language: Language, has_pictures: bool = False, has_reference: bool = False
    ) -> bytes:
        """Return the case as a FHIR document.

        Raises:
            CaseError: the consent or the policy does not allow it.
            StoreError: the export cannot be told of.
        """
        policy = self._carrier.policy
        check_rule(package_rule(policy, stored.case.consent, is_withdrawn=stored.is_taken_back))
        shown = self._pictures(stored) if has_pictures else {}
        self._tell(stored, "fhir", pictures=shown)
        wish = ExportWish(
            self._new_id(),
            self._clock(),
            language,
            by=self._carrier.shown_as,
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
        return self._sealed(json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n", shown)

    def report_pdf(
        self, stored: Stored, *, language: Language, audience: ReportAudience, has_pictures: bool = False
    ) -> bytes:
        """Return the report as a PDF.

        Raises:
            CaseError: pictures were asked for that the consent or the policy does not let leave.
            ConfigError: a library or font for printing is missing.
            PrintError: it cannot be printed.
            StoreError: the export cannot be told of.
        """
        shown = self._pictures(stored) if has_pictures else {}
        self._tell(stored, "pdf_person" if audience == "person" else "pdf_clinician", pictures=shown)
        page = report_page(
            stored.report,
            self._vocabulary,
            language,
            audience=audience,
            pictures=shown,
            review=stored.review,
            contact=self._carrier.contact,
        )
        return self._sealed(self._press.print(page), shown)

    def letter_pdf(self, stored: Stored, *, language: Language, destination: str = DESTINATION) -> bytes:
        """Return the referral letter to one destination as a PDF; sender, name and the person's contact are written by hand.

        Raises:
            CaseError: there is no such destination.
            ConfigError: a library or font for printing is missing.
            PrintError: it cannot be printed.
            StoreError: the export cannot be told of.
        """
        case = stored.case
        wish = Wish(destination, self._new_id(), self._clock(), language, contact=self._carrier.contact)
        told = letter(
            stored.report,
            case.intake,
            consent=case.consent,
            sender=Sender(),
            wish=wish,
            vocabulary=self._vocabulary,
            review=stored.review,
        )
        self._tell(stored, "pdf_letter")
        return self._press.print(letter_page(told, stored.report, self._vocabulary, review=stored.review))

    def _pictures(self, stored: Stored) -> dict[int, Frame]:
        """Return the pictures that may leave; intimate and identifying ones stay without a word.

        Raises:
            CaseError: no picture of this case may leave now.
        """
        check_rule(self._rule(stored, PictureKind.ORDINARY))
        case = stored.case
        return {
            view.index: view.frame
            for view in case.views
            if why_kept(view, self._vocabulary) is None
            and self._rule(stored, _kind(view, case, self._carrier.policy)).is_allowed
        }

    def _rule(self, stored: Stored, kind: PictureKind) -> SharingRule:
        receiver = self._carrier.receiver
        return export_rule(
            self._carrier.policy,
            stored.case.consent,
            kind=kind,
            receiver_key=None if receiver is None else receiver.name,
            is_stopped=bool(stored.report.get("stops_photography", True)),
            is_withdrawn=stored.is_taken_back,
        )

    def _sealed(self, content: bytes, pictures: Mapping[int, Frame]) -> bytes:
        """Encrypt what holds pictures; what holds none stays readable."""
        receiver = self._carrier.receiver
        if pictures and receiver is None:
            raise RuntimeError("pictures without a receiver: the rule was not asked")
        return content if receiver is None else receiver.seal(content)

    def _tell(self, stored: Stored, form: Form, *, pictures: Iterable[int] = ()) -> None:
        receiver = None if self._carrier.receiver is None else self._carrier.receiver.name
        self._on_export(ExportEvent(stored.case.case_id, form, tuple(pictures), self._carrier.by, receiver))


def _kind(view: View, case: Case, policy: Policy) -> PictureKind:
    minor = is_minor(policy, age_years=case.intake.age_years, age_months=case.intake.age_months)
    return picture_kind(
        site=view.body_site, sex=case.intake.sex, is_minor=minor, shot=view.shot, has_mark=view.has_mark
    )


def _jpeg(frame: Frame) -> bytes:
    """Return a picture as JPEG without EXIF, at most ``MAX_SIDE_PX`` on its longer side."""
    image = Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=90)
    return target.getvalue()
