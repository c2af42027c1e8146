"""A report on an Arabic or Spanish page: every word of it in the page's language; English only where it is kept, and marked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from edge_agent.agents.report.parts import Block, Boxes, Line, Listing
from edge_agent.agents.report.words import page_of
from edge_agent.contracts.speech import END, ENGLISH, FOREIGN, Speech
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import load_translations
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.rendering import apart
from tests.simulators.reported_visits import GOLDEN, golden
from tests.simulators.reports import full_report, private_report

VOCABULARY, SPEECHES = Vocabulary.load(), load_translations().speeches
LANGUAGES = load_languages(tuple(SPEECHES))
REPORTS = [full_report(), private_report(), *(golden(path.stem) for path in sorted(GOLDEN.glob("*.json")))]
# What is no word in any language: codes, scores by their own name, versions.
CODES = re.compile(
    r"\b(?:(?:RF|TR|FB)-\d{2}|T[1-5]|PASI|PGA|BSA|PEST|AVPU|NSAID|HIV|KOH|HbA1c|SJS|TEN|DRESS|ICD|TM1|ACE|mpox|logits|UTC|V|VI|"
    r"[A-Z0-9]{4}(?:\.[0-9A-Z]+)?|bing|ji|wei|zheng|bai|bi|B|C|s)\b"
)


def _texts(block: Block) -> Iterator[str]:
    if isinstance(block, Line):
        yield from (block.text, block.note)
    elif isinstance(block, Listing):
        yield from (block.title, *block.lines)
    elif isinstance(block, Boxes):
        yield from block.labels
    else:
        yield from block.head
        for row in block.rows:
            yield from row


def _said(told: dict[str, Any], speech: Speech) -> list[str]:
    page = page_of(told, VOCABULARY, speech, says_who=False, dates=LANGUAGES[speech.code])
    parts = [page.title, *page.banners, page.tier.text, page.tier.note]
    for section in page.sections:
        parts += [section.title, *(text for block in section.blocks for text in _texts(block))]
    return parts


def _english(texts: list[str]) -> set[str]:
    return {found for text in texts for found in re.findall(f"{ENGLISH}([^{END}]*){END}", text)}


def _kept(speech: Speech) -> set[str]:
    herbs = _english([words for rule, words in speech.rules.items() if rule.startswith("FB-")])
    return herbs | {term.en for name in speech.kept for term in VOCABULARY.lists[name].terms.values()}


@pytest.mark.parametrize("code", ["ar", "es"])
@pytest.mark.parametrize("told", REPORTS, ids=lambda told: str(told["case_id"]))
def test_a_report_speaks_the_pages_language(told: dict[str, Any], code: str) -> None:
    """What is left in English is a name that is kept so, with its reason."""
    speech = SPEECHES[code]
    assert _english(_said(told, speech)) <= _kept(speech)


@pytest.mark.parametrize("told", REPORTS, ids=lambda told: str(told["case_id"]))
def test_an_arabic_report_has_no_other_letters_but_codes(told: dict[str, Any]) -> None:
    """Whatever is said past the vocabulary would be found here: Latin words that nobody set apart."""
    bare = (re.sub(f"[{ENGLISH}{FOREIGN}][^{END}]*{END}", "", text) for text in _said(told, SPEECHES["ar"]))
    left = {word for text in bare for word in re.findall(r"[A-Za-z]\w*", CODES.sub("", text))}
    assert left == set()


def test_a_word_that_is_missing_shows_as_english() -> None:
    """The two rules above can fail: a language that lacks one finding says it in English, set apart."""
    arabic = SPEECHES["ar"]
    words = {**arabic.words, "colour": {}}
    assert _english(_said(full_report(), replace(arabic, words=words))) - _kept(arabic) != set()


def test_english_is_drawn_apart_and_marked_as_english() -> None:
    """A page can give it its own direction and a screen reader its own voice; markup in it stays text."""
    told = f"الوصفة: {ENGLISH}<b>Xiaofeng San{END} (87%)، {FOREIGN}2026-11-20 08:30 UTC{END}"
    assert apart(told) == (
        'الوصفة: <bdi lang="en" dir="ltr">&lt;b&gt;Xiaofeng San</bdi> (87%)، <bdi>2026-11-20 08:30 UTC</bdi>'
    )


def test_a_time_keeps_its_order_inside_arabic() -> None:
    """Digits after Arabic letters would turn a date round."""
    told = _said(full_report(), SPEECHES["ar"])
    year = str(datetime.fromisoformat(full_report()["created"]).year)
    dates = [text for text in told if re.search(rf"\b{year}\b", text)]
    assert dates != []
    assert all(re.search(rf"{FOREIGN}[^{END}]*{year}[^{END}]*{END}", text) for text in dates)
