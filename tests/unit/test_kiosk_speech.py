"""The rooms of stored cases on an Arabic or Spanish page: no word of theirs stays English unseen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.ipc import Kind, Message
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock, QuietDesk
from tests.simulators.reported_visits import Told, add_visit

MORNING = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
ROOMS = (
    "/cases", "/cases/one", "/cases/one/episode", "/cases/one/print", "/cases/one/second-reading", "/cases/one/withdraw",
    "/cases/one/answers",
)  # fmt: skip
# Names that are written alike everywhere: scores, codes, the reference bundle and its device.
NAMES = re.compile(
    r"\b(?:(?:RF|TR|FB)-\d{2}|T[1-5]|PASI|PGA|BSA|PEST|AVPU|NSAID|HIV|KOH|HbA1c|SJS|TEN|ICD|TM1|ACE|FHIR|PIN|PDF|F-0001|"
    r"DERM-3R|DermEval|logits|mpox|UTC|[A-Z0-9]{4}\.[0-9A-Z]+|[A-Z]{2}\d{2}|\dF\d\d|bing|ji|wei|zheng|bai|bi|s|V|VI|B|C)\b"
)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield built


def _clinician(parts: KioskParts, language: str) -> Browser:
    episode = add_visit(parts, "old", created=datetime(2026, 10, 1, 8, 0, tzinfo=UTC))
    add_visit(parts, "one", Told(episode_id=episode), created=MORNING)
    browser = Browser(parts).signed_in("Lin Hua", Role.CLINICIAN)
    browser.submit("/settings/language", language=language)
    return browser


def _main(page: str) -> str:
    return page[page.index("<main") : page.index("</main>")]


def _latin(page: str) -> set[str]:
    """Return the Latin words of a page that are neither data nor set apart."""
    told = re.sub(r"<bdi.*?</bdi>|\u2066[^\u2069]*\u2069", " ", _main(page))
    told = re.sub(r'<(\w+)[^>]* translate="no"[^>]*>.*?</\1>|<script.*?</script>', " ", told, flags=re.DOTALL)
    told = re.sub(r"<[^>]+>|&\w+;", " ", told)
    return set(re.findall(r"[A-Za-z]\w*", NAMES.sub(" ", told)))


@pytest.mark.parametrize("path", ROOMS)
def test_an_arabic_room_has_no_english_words(parts: KioskParts, path: str) -> None:
    """List, report, earlier visits, print and second reading: what is English on purpose is marked, all else is Arabic."""
    assert _latin(_clinician(parts, "ar").get(path).text) == set()


def test_an_english_word_on_an_arabic_page_is_found(parts: KioskParts) -> None:
    """The rule above can fail: a list that lacks its words shows them as English, and without the marks they would count."""
    arabic = parts.translations.speeches["ar"]
    speeches = {"ar": replace(arabic, words={**arabic.words, "decided_section": {}})}
    found = replace(parts, translations=replace(parts.translations, speeches=speeches))
    page = _main(_clinician(found, "ar").get("/cases/one").text)
    assert "\u2066severity\u2069" in page
    assert "severity" in _latin(f"<main>{page.replace(chr(0x2066), '')}</main>")


def test_a_report_has_the_direction_of_its_page(parts: KioskParts) -> None:
    """Arabic runs from right to left as the rest of the page; only what is English has its own direction."""
    browser = _clinician(parts, "ar")
    page = _main(browser.get("/cases/one").text)
    assert 'dir="ltr"' not in re.sub(r"<bdi[^>]*>", "", page)
    assert "علامات الخطر" in page and "الصدفية اللويحية" in page


def test_a_language_without_drafts_shows_an_english_report_as_english(parts: KioskParts) -> None:
    """The words of another language beside it keep their direction; a screen reader changes its voice."""
    speechless = replace(parts, translations=replace(parts.translations, speeches={}))
    page = _main(_clinician(speechless, "ar").get("/cases/one").text)
    assert '<div lang="en" dir="ltr">' in page and "plaque psoriasis" in page


def test_a_spanish_clinician_corrects_in_spanish(parts: KioskParts) -> None:
    """Reasons, fields, values: what can be chosen, and what is told of the decision."""
    browser = _clinician(parts, "es")
    page = browser.get("/cases/one").text
    assert '<option value="missed_red_flag">se pasó por alto un signo de peligro</option>' in page
    browser.submit(
        "/cases/one/decide",
        section="reasoning",
        verdict="corrected",
        reason="wrong_condition",
        value_condition="scabies",
    )
    told = browser.get("/cases/one").text
    assert "enfermedad equivocada" in told and "enfermedad: sarna (escabiosis)" in told


def test_signs_that_come_while_the_agents_run_are_in_the_pages_language(parts: KioskParts) -> None:
    """The field and its values, with the language's own comma."""
    body = {"kind": Kind.FIELD, "agent": "recognition", "view": 0, "field": "colour", "value": ["bright_red", "yellow"]}
    following = replace(parts, desk=QuietDesk(Message(body)))
    told = _clinician(following, "ar").get("/consultation/one/progress").text
    assert '"name": "اللون"' in told and '"value": "أحمر زاهٍ، أصفر"' in told


def test_the_short_words_of_a_rule_are_in_the_pages_language(parts: KioskParts) -> None:
    """Behind the details for the clinician, beside the rule's code."""
    browser = _clinician(parts, "ar")
    case_id = browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
    browser.submit(f"/consultation/{case_id}/danger_signs", **{"sign.stridor_or_hoarse": "yes"})
    page = browser.get(f"/consultation/{case_id}").text
    assert '<span lang="ar" dir="auto">بروتوكول الحساسية المفرطة' in page
    assert _latin(page) == set()


def test_a_corrected_answer_is_told_in_the_pages_language(parts: KioskParts) -> None:
    """On the page of the answers and on the report: question, both values, reason; the day keeps its order."""
    browser = _clinician(parts, "ar")
    sent = {"screen": "danger", "reason": "slip", "danger_signs.fever_now_or_history": "yes"}
    assert browser.submit("/cases/one/answers", **sent).status_code == 303
    for path in ("/cases/one/answers", "/cases/one"):
        page = browser.get(path).text
        assert re.search(r"صُحِّح: .*كان «[^»]+» وأصبح «نعم»؛ Lin Hua، <bdi>[^<]+</bdi>؛ السبب: لمسة خاطئة", page), path
        assert _latin(page) <= {"Lin", "Hua"}, path


def test_advice_in_an_unverified_language_is_not_printed(parts: KioskParts) -> None:
    """Whatever the screen says: paper stays in a language that a reviewer has verified."""
    browser = _clinician(parts, "ar")
    assert browser.get("/cases/one/print/report.pdf?audience=person&language=ar").status_code == 422
    assert 'value="ar"' not in _main(browser.get("/cases/one/print").text)
