"""Turn a template and values into a page, in the session's language, with what every page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from edge_agent.contracts.speech import END, ENGLISH, FOREIGN
from edge_agent.kiosk.faults import fault_words
from edge_agent.kiosk.language import Language, may_print_advice
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.refusals import REFUSALS
from edge_agent.kiosk.sessions import Session

TEMPLATES: Final = Path(__file__).parent / "templates"


class Stationery:
    """Hold the templates, once for each language, so that ``_()`` in a macro speaks the page's language too."""

    def __init__(self, languages: Mapping[str, Language], *, default: str, folder: Path = TEMPLATES) -> None:
        self.languages = languages
        self.default = default if default in languages else next(iter(languages))
        self._environments = {code: _environment(language, folder) for code, language in languages.items()}

    def language(self, code: str | None) -> Language:
        """Return a language that the device offers, else the default."""
        return self.languages.get(code or "", self.languages[self.default])

    def write(self, name: str, language: Language, values: Mapping[str, Any]) -> str:
        """Return a template's text."""
        return self._environments[language.code].get_template(name).render(values)


def _environment(language: Language, folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["apart"] = apart
    environment.globals |= {
        "_": language.gettext,
        "ngettext": language.ngettext,
        "date_of": language.date,
        "time_of": language.time,
        "number_of": language.number,
        "colon": language.colon,
        "ago": language.ago,
    }
    return environment


def apart(words: str) -> Markup:
    """Return words for a page with what is set apart in them (``contracts.speech``) as elements; English is marked as English."""
    told = str(escape(words))
    for start, element in ((ENGLISH, '<bdi lang="en" dir="ltr">'), (FOREIGN, "<bdi>")):
        told = re.sub(f"{start}([^{END}]*){END}", rf"{element}\1</bdi>", told)
    return Markup(told)  # noqa: S704  (escaped above; the elements are our own)


def parts_of(request: Request) -> KioskParts:
    """Return what the rooms work with."""
    parts: KioskParts = request.app.state.parts
    return parts


def language_of(request: Request) -> Language:
    """Return the language of the session, else the device's."""
    stationery: Stationery = request.app.state.stationery
    session: Session | None = request.state.session
    return stationery.language(None if session is None else session.language)


def page(request: Request, name: str, /, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Answer with one page.

    Args:
        request: what was asked; its session chooses language and print size.
        name: the template, ``room/name.html``.
        status_code: of the answer.
        **values: for the template, beside what every page has: ``session``, ``person``, ``csrf``, ``language``,
            ``languages``, ``config``, ``is_verified`` (every word of it), ``may_print`` (advice, in this language), ``here``, ``faults``, ``_``, ``ngettext``, ``date_of``, ``time_of``, ``ago``, ``colon``.
    """
    stationery: Stationery = request.app.state.stationery
    parts = parts_of(request)
    session: Session | None = request.state.session
    language = language_of(request)
    common = {
        "session": session,
        "person": None if session is None else session.person,
        "csrf": "" if session is None else session.csrf,
        "language": language,
        "languages": stationery.languages,
        "config": parts.config.kiosk,
        "is_verified": language.is_verified and parts.translations.is_reviewed(language.code),
        "may_print": may_print_advice(language, is_demo=parts.config.kiosk.is_demo),
        "here": here(request),
        "faults": fault_words((*parts.faults(), *(("records_partly",) if request.app.state.is_damaged else ()))),
    }
    return HTMLResponse(stationery.write(name, language, {**common, **values}), status_code=status_code)


def here(request: Request) -> str:
    """Return the path to come back to: of this page, or of the page that a form stood on; never another host's."""
    path = request.url.path if request.method == "GET" else "/"
    query = request.url.query if request.method == "GET" and "token=" not in request.url.query else ""
    return quote(path) + (f"?{query}" if query else "")


def local_path(path: object) -> str:
    """Return a path of this kiosk to go to; anything that could lead elsewhere becomes the home page."""
    words = str(path or "/")
    is_local = (
        words.startswith("/") and not words.startswith(("//", "/\\")) and words.isprintable() and "\\" not in words
    )
    return words if is_local else "/"


def refusal(request: Request, status: int) -> HTMLResponse:
    """Answer a refused request with a calm page: one sentence, and what to do."""
    told = REFUSALS.get(status) or REFUSALS[500 if status >= 500 else 400]
    return page(request, "error/refused.html", status_code=status, told=told, code=str(status))
