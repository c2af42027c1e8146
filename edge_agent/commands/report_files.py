"""Where a report goes: to stdout, as text or JSON, and into the pages that were asked for."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.contracts.case import Case
from edge_agent.errors import ConfigError
from edge_agent.store.durable import write_whole

if TYPE_CHECKING:
    from edge_agent.agents.report.reading import ReportAudience
    from edge_agent.contracts.terms import Language, Vocabulary

PAGES: dict[str, ReportAudience] = {"person": "person", "html": "clinician"}  # option -> for whom the page is


def write_report(report: dict[str, Any], *, case: Case, language: Language, options: argparse.Namespace) -> None:
    """Write the report to stdout, then the pages: a page that cannot be written costs neither report nor other page.

    Raises:
        ConfigError: a page cannot be written.
    """
    from edge_agent.contracts.terms import Vocabulary

    words = cache(Vocabulary.load)  # once for the report and its pages; JSON alone needs none
    with ExitStack() as last:  # each is written, whatever happens to the one before
        for option, audience in PAGES.items():
            if (path := getattr(options, option)) is not None:
                last.callback(
                    _write_page, report, case=case, words=words, language=language, path=path, audience=audience
                )
        _print(report, words=None if options.json else words, language=language)


def _print(report: dict[str, Any], *, words: Callable[[], Vocabulary] | None, language: Language) -> None:
    """Print the report as text, or as JSON where there are no words for it."""
    if words is None:
        json.dump(report, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    else:
        from edge_agent.agents.report.text import render_text

        sys.stdout.write(render_text(report, words(), language).rstrip("\n") + "\n")
    sys.stdout.flush()


def _write_page(
    report: dict[str, Any],
    *,
    case: Case,
    words: Callable[[], Vocabulary],
    language: Language,
    path: Path,
    audience: ReportAudience,
) -> None:
    from edge_agent.agents.report.html import render_html

    pictures = {view.index: view.frame for view in case.views}
    page = render_html(report, words(), language, audience=audience, pictures=pictures)
    try:
        write_whole(path.resolve(), page)
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}; name another file with --{_option(audience)}") from exc


def _option(audience: ReportAudience) -> str:
    return next(option for option, other in PAGES.items() if other == audience)
