"""Write a report as one self-contained page for screen and print: no script, nothing loaded from anywhere.

Draws the parts of ``report_words.page_of``; chooses no words of its own. Holds no name: it is written by hand.
Pictures are small copies and are left out unless they are given.

Source: clinical-vocabulary section 10.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from edge_agent.agents.report.parts import Block, Boxes, Line, Listing, Table
from edge_agent.agents.report.reading import ReportAudience
from edge_agent.agents.report.review import NO_REVIEW, Review
from edge_agent.agents.report.words import page_of
from edge_agent.contracts.case import Frame
from edge_agent.contracts.terms import Language, Vocabulary

TEMPLATES = Path(__file__).parent / "templates"
THUMBNAIL_PX = 360


def render_html(
    report: Mapping[str, Any],
    vocabulary: Vocabulary,
    lang: Language,
    *,
    audience: ReportAudience = "clinician",
    pictures: Mapping[int, Frame] | None = None,
    review: Review = NO_REVIEW,
    contact: str | None = None,
) -> str:
    """Return the report as one HTML page.

    Args:
        report: what ``CasePipeline.run`` returned.
        vocabulary: the words for its ids.
        lang: ``zh`` or ``en``.
        audience: ``person`` for the copy that the person takes home.
        pictures: frames (uint8[H, W, 3], BGR) by view index, to embed as thumbnails.
        review: what clinicians decided about it.
        contact: whom to tell who cannot come; None leaves a line to write on.

    Raises:
        CaseError: the report has a version that this program cannot read.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    thumbnails = {index: _thumbnail(frame) for index, frame in (pictures or {}).items()}
    page = page_of(report, vocabulary, lang, audience=audience, review=review, contact=contact)
    template = environment.get_template("report.html.j2")
    return template.render(page=page, lang=lang, case_id=report["case_id"], thumbnails=thumbnails, kind=_kind)


def _kind(block: Block) -> str:
    """Return which part of the template draws a block."""
    kinds: dict[type[Any], str] = {Line: "line", Table: "table", Listing: "listing", Boxes: "boxes"}
    return kinds[type(block)]


def _thumbnail(frame: Frame) -> str:
    """Return a small JPEG without EXIF, base64."""
    image = Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=85)
    return base64.b64encode(target.getvalue()).decode("ascii")
