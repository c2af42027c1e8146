"""Write a report as one self-contained page to print: no script, nothing loaded from anywhere.

Does not decide anything and holds no name: the person's name is written by hand. Pictures are small copies and are
left out unless they are given.

Source: clinical-vocabulary section 10 (order of sections).
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

from edge_agent.agents.report_words import Words
from edge_agent.contracts.case import Frame
from edge_agent.contracts.terms import Language, Vocabulary

TEMPLATES = Path(__file__).parent / "templates"
THUMBNAIL_PX = 360


def render_html(
    report: Mapping[str, Any],
    vocabulary: Vocabulary,
    lang: Language,
    *,
    pictures: Mapping[int, Frame] | None = None,
) -> str:
    """Return the report as one HTML page.

    Args:
        report: what ``CasePipeline.run`` returned.
        vocabulary: the words for its ids.
        lang: ``zh`` or ``en``.
        pictures: frames (uint8[H, W, 3], BGR) by view index, to embed as thumbnails.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    thumbnails = {index: _thumbnail(frame) for index, frame in (pictures or {}).items()}
    page = environment.get_template("report.html.j2")
    return page.render(r=report, w=Words(vocabulary, lang), lang=lang, thumbnails=thumbnails)


def _thumbnail(frame: Frame) -> str:
    """Return a small JPEG without EXIF, base64."""
    image = Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=85)
    return base64.b64encode(target.getvalue()).decode("ascii")
