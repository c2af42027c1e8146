"""A thought is shown step by step, in both languages and as text and page; without a plain answer it says so."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.report.html import render_html
from edge_agent.agents.report.text import render_text
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import BLOOD_HEAT, HEAT, INTEGRATED, PLAQUE, case, consent, manifest
from tests.simulators.engine import ScriptedEngine

VOCABULARY = Vocabulary.load()
THOUGHT = "<think>\n1. red <b>plaque</b>\n2. silvery scale\n</think>\n<answer>psoriasis\nconfidence high</answer>"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A report whose first finding came with a text."""
    engine = ScriptedEngine({1: PLAQUE}, integrated=INTEGRATED, pathogenesis=HEAT, assessment=BLOOD_HEAT)
    return CasePipeline(engine, manifest(), VOCABULARY).run(case(agreed=consent()))


def told(report: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the report with a text beside its first finding."""
    changed = copy.deepcopy(report)
    changed["recognition"][0]["texts"] = [{"step": "describe", "text": text, "finish": "stop", "hides": []}]
    return changed


@pytest.mark.parametrize(
    ("lang", "heading", "answer"),
    [("en", "thought, step by step", "the model's answer: psoriasis"), ("zh", "推理步骤", "模型的回答：psoriasis")],
)
def test_steps_and_answer_stand_in_text_and_page(report: dict[str, Any], lang: Any, heading: str, answer: str) -> None:
    """Numbered steps in order, then the answer; no tag is left, and markup of the model's is only characters."""
    text = render_text(told(report, THOUGHT), VOCABULARY, lang)
    page = render_html(told(report, THOUGHT), VOCABULARY, lang)
    for shown in (text, page.replace("&#39;", "'")):
        assert heading in shown
        assert 0 < shown.index("1. red") < shown.index("2. silvery scale") < shown.index(answer)
        assert "think>" not in shown
    assert "&lt;b&gt;plaque" in page
    assert "<b>" not in page


def test_a_thought_that_was_cut_off_has_no_answer(report: dict[str, Any]) -> None:
    """The steps stay, the begun answer stays as words, and a line says that there is none."""
    shown = render_text(told(report, THOUGHT.removesuffix("</answer>")), VOCABULARY, "en")
    assert "No plain answer" in shown
    assert "psoriasis" in shown
    assert "the model's answer" not in shown


def test_a_text_without_tags_is_shown_as_before(report: dict[str, Any]) -> None:
    """Free text of other checkpoints gets no heading of this form."""
    shown = render_text(told(report, "red plaque with scale"), VOCABULARY, "en")
    assert "red plaque with scale" in shown
    assert "step by step" not in shown
    assert "No plain answer" not in shown


def test_the_person_never_reads_a_thought(report: dict[str, Any]) -> None:
    """The person's copy holds neither steps nor answer."""
    shown = render_text(told(report, THOUGHT), VOCABULARY, "en", audience="person")
    assert "silvery scale" not in shown.replace("silvery_scale", "")
    assert "the model's answer" not in shown
