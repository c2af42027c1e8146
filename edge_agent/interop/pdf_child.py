"""The printing child: a page on stdin, its PDF on stdout. The only module that imports WeasyPrint.

Started by ``interop.pdf``. Fetches nothing but ``data:`` URLs, writes no file (the system refuses it even to a library) and
dumps no core; a page with a font file of its own therefore fails. Ends with ``NO_LIBRARY`` where Pango is missing and ``NO_FONTS`` where a sign would be drawn as an empty box.
"""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import signal
import sys
from typing import Any

from edge_agent.interop.pdf import NO_FONTS, NO_LIBRARY

_FOOT_STYLE = """
@page {{
  @bottom-left {{ content: {foot}; font: 9px {fonts}; color: #222; width: 85%; }}
  @bottom-right {{ content: counter(page) " / " counter(pages); font: 9px {fonts}; color: #222; }}
}}
"""
_FONTS = '"Noto Sans CJK SC", "Noto Sans", sans-serif'


def main() -> int:
    """Print one page.

    Returns:
        0, ``NO_LIBRARY`` or ``NO_FONTS``.
    """
    job = json.load(sys.stdin.buffer)
    _confine(int(job["memory_bytes"]))
    try:
        import weasyprint  # noqa: F401, PLC0415  (looks for Pango while it is imported)
    except OSError:
        return NO_LIBRARY
    logging.getLogger("weasyprint").handlers = [logging.NullHandler()]  # its warnings quote the page
    printed = _printed(job)
    if printed is None:
        return NO_FONTS
    sys.stdout.buffer.write(printed)
    sys.stdout.buffer.flush()
    return 0


def _confine(memory_bytes: int) -> None:
    """Leave no room for files, core dumps and a page that would eat the device's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # pipes are no files
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails, the child goes on


def _printed(job: dict[str, Any]) -> bytes | None:
    """Return the PDF, or None where no font has a sign of the page."""
    from weasyprint import CSS, HTML  # noqa: PLC0415
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    fetch = URLFetcher(allowed_protocols=("data",), allow_redirects=False)
    style = job["style"] + _FOOT_STYLE.format(foot=css_string(job["foot"]), fonts=_FONTS)
    sheets = [CSS(string=style, url_fetcher=fetch)]
    page = HTML(string=job["html"], url_fetcher=fetch, base_url=None)
    name = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).digest()[:16]
    has_gaps = False

    def finish(document: Any, _pdf: Any) -> None:
        nonlocal has_gaps
        has_gaps = any(font.missing for font in document.fonts.values())  # else an empty box would be drawn

    printed = page.write_pdf(stylesheets=sheets, pdf_identifier=name, pdf_tags=True, finisher=finish)
    return None if has_gaps else bytes(printed)


def css_string(text: str) -> str:
    """Return a text as a CSS string; whatever it holds, it cannot end the string."""
    return '"' + "".join(c if c.isalnum() or c in " .,:;-·/()" else f"\\{ord(c):x} " for c in text) + '"'


if __name__ == "__main__":
    sys.exit(main())
