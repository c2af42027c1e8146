"""Which page of a case is printed, and how it sits on paper: the report for a clinician or the person, or the letter.

The pages are those of ``agents.report.html`` and ``agents.letter.render``; here is only what a printed sheet needs beside
them: who signed, the case's id, the number of the sheet and the notice of the reference model on every one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent.agents.letter.render import letter_html
from edge_agent.agents.report.decided import signature
from edge_agent.agents.report.html import render_html
from edge_agent.agents.report.reading import ReportAudience
from edge_agent.agents.report.review import NO_REVIEW, Review
from edge_agent.agents.report.terms import Terms
from edge_agent.contracts.case import Frame
from edge_agent.contracts.terms import Language, Vocabulary
from edge_agent.interop.pdf import PageToPrint

REFERENCE = "ref_notice"
# A flex container cannot be broken across sheets: sections follow one another on paper.
_REPORT_STYLE = """
@page { margin-bottom: 11mm !important; }
.parts { display: block !important; }
h2 { break-after: avoid; }
"""
# The letter stays on one sheet; its half-width parts stand side by side.
_LETTER_STYLE = """
@page { margin-bottom: 9mm !important; }
body { width: auto !important; }
"""


def report_page(
    report: Mapping[str, Any],
    vocabulary: Vocabulary,
    language: Language,
    *,
    audience: ReportAudience,
    pictures: Mapping[int, Frame] | None = None,
    review: Review = NO_REVIEW,
    contact: str | None = None,
) -> PageToPrint:
    """Return a report to print.

    Args:
        report: of the store.
        vocabulary: the words.
        language: of the page.
        audience: ``person`` leaves out what only clinicians may see.
        pictures: by view index, as small copies; None for none.
        review: what clinicians decided; who signed stands at the foot of every sheet.
        contact: whom to tell who cannot come; None leaves a line to write on.
    """
    html = render_html(
        report, vocabulary, language, audience=audience, pictures=pictures, review=review, contact=contact
    )
    return PageToPrint(html, _foot(report, Terms(vocabulary, language), review), language, _REPORT_STYLE)


def letter_page(
    letter: Mapping[str, Any], report: Mapping[str, Any], vocabulary: Vocabulary, *, review: Review = NO_REVIEW
) -> PageToPrint:
    """Return a referral letter (``agents.letter``) to print."""
    language: Language = letter["language"]
    html = letter_html(letter, vocabulary)
    return PageToPrint(html, _foot(report, Terms(vocabulary, language), review), language, _LETTER_STYLE)


def _foot(report: Mapping[str, Any], words: Terms, review: Review) -> str:
    notice = words.text(REFERENCE) if REFERENCE in report["notices"] else ""
    return words.joined([signature(review, words), f"{words.word('case')} {report['case_id']}", notice])
