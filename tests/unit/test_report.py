"""The report in words: nothing hidden, nothing claimed that was not looked at."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Literal

import jsonschema
import numpy as np
import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.report.document import report_schema
from edge_agent.agents.report.html import render_html
from edge_agent.agents.report.text import render_text
from edge_agent.contracts.terms import LANGUAGES, Vocabulary
from edge_agent.rules_only import rules_only_report
from tests.simulators.cases import BLOOD_HEAT, FLOOR, HEAT, INTEGRATED, MOLE, PLAQUE, case, consent, form, manifest
from tests.simulators.clear_form import CLEAR
from tests.simulators.engine import ScriptedEngine

VOCABULARY = Vocabulary.load()
Lang = Literal["zh", "en"]


def report(*, marks: tuple[int, ...] = (1,), agreed: bool = False, **changes: Any) -> dict[str, Any]:
    engine = ScriptedEngine(
        {1: PLAQUE, 2: MOLE, 3: FLOOR}, integrated=INTEGRATED, pathogenesis=HEAT, assessment=BLOOD_HEAT
    )
    given = case(marks=marks, intake=form(**changes), agreed=consent() if agreed else None)
    return CasePipeline(engine, manifest(), VOCABULARY).run(given)


def text(told: dict[str, Any], lang: Lang = "en") -> str:
    return " ".join(render_text(told, VOCABULARY, lang, width=400).split())


def page_words(told: dict[str, Any], lang: Lang = "en", **options: Any) -> str:
    page = render_html(told, VOCABULARY, lang, **options)
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


SECTIONS = {
    "en": ["Danger signs", "Triage and deadline", "The worker's own impression", "Findings per picture",
           "Integrated description", "Conditions suspected", "Reasoning steps", "TCM block", "Plan", "Limitations",
           "Signatures"],
    "zh": ["危险征象", "分诊与期限", "工作人员的判断", "逐图所见", "综合描述", "西医考虑", "推理步骤", "中医辨证", "计划",
           "局限", "签名"],
}  # fmt: skip


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("render", [text, page_words])
def test_sections_stand_in_the_fixed_order(lang: Lang, render: Any) -> None:
    """Section 10: danger signs first, signatures last, the worker before the program."""
    words = render(report(), lang)
    places = [words.find(f"{number} {title}") for number, title in enumerate(SECTIONS[lang], start=1)]
    assert -1 not in places and places == sorted(places)


@pytest.mark.parametrize("render", [text, page_words])
def test_only_a_fully_answered_form_is_called_assessed(render: Any) -> None:
    """One sign that nobody looked at, and the report does not say that all rules were assessed."""
    assert "None of the assessed rules fired. All rules were assessed" in render(report(**CLEAR))
    signs = {**CLEAR["danger_signs"], "numb_patch": "not_examined"}
    words = render(report(**{**CLEAR, "danger_signs": signs}))
    assert "None of the assessed rules fired" in words
    assert "All rules were assessed" not in words


@pytest.mark.parametrize("render", [text, page_words])
def test_an_empty_checklist_is_not_called_clear(render: Any) -> None:
    """Nobody asked: the report says so, names the rules and marks the tier as provisional."""
    nothing = {"danger_signs": {}, "bsa_percent": None, "age_years": None, "sex": None}
    words = render(report(**nothing))
    assert "No rule could be assessed" in words and "None of the assessed rules fired" not in words
    for number in set(range(1, 29)) - {24, 25}:
        assert f"RF-{number:02d}: " in words  # in the whole list, with what is missing
    assert "provisional" in words
    assert "provisional" not in render(report(**CLEAR))


@pytest.mark.parametrize("render", [text, page_words])
def test_a_flag_stands_with_its_fixed_words_and_its_reason(render: Any) -> None:
    """The worker reads what to do and why."""
    words = render(report(danger_signs={"blisters_or_peeling": "yes", "skin_pain_severe": "yes"}))
    assert "RF-05 T1 emergency: transfer now · Suspected SJS/TEN" in words
    assert "because of: blisters or peeling skin; severe skin pain" in words
    assert "No syndrome is given" in words and "blood heat (93%)" not in words


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("render", [text, page_words])
def test_not_for_clinical_use_is_on_every_report(lang: Lang, render: Any) -> None:
    """The reference model's notice stands at the top, before the first section."""
    words = render(report(), lang)
    notice = {"en": "not for clinical use", "zh": "不得用于临床"}[lang]
    assert 0 < words.find(notice) < words.find(SECTIONS[lang][0])


@pytest.mark.parametrize(("agreed", "said"), [(True, "Fictitious consent"), (False, "Test case: no consent record")])
def test_the_kind_of_consent_is_said(agreed: bool, said: str) -> None:
    """R14."""
    assert said in text(report(agreed=agreed)) and said in page_words(report(agreed=agreed))


def test_the_formula_is_named_as_a_proposal_without_a_dose() -> None:
    """The table's name in the language of the report, the prescriber's role, no grams."""
    english, chinese = text(report()), text(report(), "zh")
    assert "formula: Xijiao Dihuang Tang (with buffalo horn) · base herbs: water buffalo horn" in english
    assert "方剂：犀角地黄汤（水牛角代） · 基本组成：水牛角" in chinese
    assert "A proposal for a prescriber, not an order" in english
    assert not re.search(r"\d\s*(g|克|mg)\b", english + chinese)


def test_what_was_not_decided_is_not_called_undecidable() -> None:
    """A field that the bundle fixed is named as not decided; a withheld one says that it is withheld."""
    told = report()
    told["recognition"][0]["fields"]["scale_type"] |= {"value": "cannot_tell", "is_withheld": True}
    words = text(told)
    assert "not decided by this model: primary lesion" in words
    assert "scale withheld, not confident enough" in words


def test_out_of_scope_says_who_reads_it_and_until_when() -> None:
    """T4: twelve weeks from the case's creation, by a person."""
    words = text(report(marks=(2,), agreed=True))
    assert "Scope: out of scope" in words
    assert "by: 2026-05-27 09:30 UTC" in words
    assert "a person must read this case" in words
    assert "not a condition this program reads" in words


class _Loads(HTMLParser):
    """Collect everything that a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_is_self_contained_and_escaped() -> None:
    """No script, nothing loaded; what the worker typed is text."""
    told = report(worker={"impression": "<script>alert(1)</script> & <img src=x>"})
    pictures = {0: np.full((600, 900, 3), 120, np.uint8)}
    page = render_html(told, VOCABULARY, "en", pictures=pictures)
    loads = _Loads()
    loads.feed(page)
    assert loads.tags.isdisjoint({"script", "link", "iframe", "object"})
    assert len(loads.sources) == 1 and loads.sources[0].startswith("data:image/jpeg;base64,")
    assert "&lt;script&gt;" in page
    assert "<img" not in render_html(told, VOCABULARY, "en")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("marks", [(1,), (1, 3), (2,), (3,)])
def test_every_id_has_words_in_both_languages(lang: Lang, marks: tuple[int, ...]) -> None:
    """No id with an underscore reaches a person."""
    words = text(report(marks=marks, bsa_percent=None, danger_signs={}), lang)
    assert not re.search(r"[a-z]_[a-z]", words.replace("______________", ""))


def test_colour_is_an_option_of_the_terminal() -> None:
    """A file has no control codes; urgency is also in words."""
    told = report(danger_signs={"breathing_difficulty": "yes"})
    assert "\x1b[" not in render_text(told, VOCABULARY, "en")
    assert "\x1b[" in render_text(told, VOCABULARY, "en", colour=True)


WRONG_CLOCKS = [datetime(1970, 1, 1, 0, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]


@pytest.mark.parametrize("created", WRONG_CLOCKS)
@pytest.mark.parametrize("render", [text, page_words])
def test_a_clock_that_was_never_set_is_said(created: datetime, render: Any) -> None:
    """No date is counted from it: the report says so at its top and gives days from the visit."""
    engine = ScriptedEngine({2: MOLE})
    told = CasePipeline(engine, manifest(), VOCABULARY).run(replace(case(marks=(2,)), created=created))
    jsonschema.validate(told, report_schema())
    assert told["triage"]["deadline"] is None
    words = render(told)
    assert 0 < words.find("clock is not set") < words.find(SECTIONS["en"][0])
    assert "by: within 84 days of this visit" in words
    assert "clock is not set" not in render(report(marks=(2,)))


def test_a_short_deadline_without_a_clock_is_in_hours() -> None:
    """T2: 24 hours, not one day."""
    given = replace(case(intake=form(worker={"worried": "yes"})), created=WRONG_CLOCKS[0])
    assert "by: within 24 hours of this visit" in text(rules_only_report(given, manifest=None))
