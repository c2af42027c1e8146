"""Bring the kiosk's translations in step with its source: what is new appears empty, what is gone goes.

``--check`` changes nothing and fails where a catalogue is out of step. ``--verified-by NAME LANGUAGE`` writes a
reviewer's name to every translated sentence of a language, bound to its present words: a sentence that changes later is
unverified again. Only a named person who has read them all may run that.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from edge_agent.kiosk.language import DOMAIN, FOLDER, digest, read_catalogue

SOURCE: Final = Path(__file__).resolve().parents[1] / "edge_agent" / "kiosk"
LANGUAGES: Final = ("en", "zh", "ar", "es")
HEADER: Final = "# The words of the kiosk. 'verified-by' names who has checked exactly these words.\n#"
KEYWORDS: Final = {"_": None, "ngettext": (1, 2), "_n": (1, 2)}
NEVER: Final = datetime(2026, 11, 22, tzinfo=UTC)  # a date that changes would change every catalogue


def extract() -> Catalog:
    """Return every sentence that stands in the kiosk's source."""
    found = Catalog(domain=DOMAIN, header_comment=HEADER, creation_date=NEVER, fuzzy=False)
    methods = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
    options = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
    rows = extract_from_dir(SOURCE, method_map=methods, options_map=options, keywords=KEYWORDS)
    for name, _line, message, comments, context in sorted(rows, key=lambda row: (row[0], row[1])):
        found.add(message, None, [(f"edge_agent/kiosk/{name}", 0)], auto_comments=comments, context=context)
    return found


def updated(language: str, template: Catalog) -> bytes:
    """Return the catalogue of a language in step with the source. A sentence that changed has no translation."""
    path = path_of(language)
    held = read_catalogue(path, code=language) if path.exists() else Catalog(locale=language, domain=DOMAIN)
    held.update(template, no_fuzzy_matching=True)
    return written(held, language)


def written(catalogue: Catalog, language: str) -> bytes:
    """Return a catalogue as it stands in its file."""
    catalogue.header_comment = HEADER
    catalogue.creation_date = catalogue.revision_date = NEVER
    catalogue.project, catalogue.version, catalogue.fuzzy = "derm-edge", "kiosk", False
    catalogue.last_translator = catalogue.language_team = f"derm-edge <{language}>"
    out = io.BytesIO()
    write_po(out, catalogue, width=120, include_lineno=False, ignore_obsolete=True, sort_by_file=True)
    return out.getvalue()


def sign(language: str, reviewer: str) -> bytes:
    """Return a catalogue in which every translated sentence carries the reviewer's name."""
    catalogue = read_catalogue(path_of(language), code=language)
    for message in catalogue:
        if message.id and (message.string or language == "en"):
            others = [one for one in message.user_comments if not one.startswith("verified-by:")]
            message.user_comments = [*others, f"verified-by: {reviewer} {digest(message)}"]
    return written(catalogue, language)


def path_of(language: str) -> Path:
    """Return where a language's catalogue stands."""
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def main(arguments: Sequence[str] | None = None) -> int:
    """Update, check or sign the catalogues; return 1 when ``--check`` found one out of step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a catalogue is out of step")
    parser.add_argument("--verified-by", nargs=2, metavar=("NAME", "LANGUAGE"), help="sign a language's present words")
    options = parser.parse_args(arguments)
    if options.verified_by:
        reviewer, language = options.verified_by
        path_of(language).write_bytes(sign(language, reviewer))
        return 0
    template, stale = extract(), 0
    for language in LANGUAGES:
        path, content = path_of(language), updated(language, template)
        if path.exists() and path.read_bytes() == content:
            continue
        stale += 1
        print(f"{path}: {'out of step; run ./scripts/messages' if options.check else 'updated'}")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
