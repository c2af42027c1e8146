"""A side branch's guess at a skin tone is told to clinicians, marked as unused, and moves nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.report.document import report_schema
from edge_agent.agents.report.html import render_html
from edge_agent.agents.report.text import render_text
from edge_agent.contracts.case import AgentOutput
from edge_agent.contracts.terms import Vocabulary
from edge_agent.privacy.deidentify import deidentify
from tests.simulators.cases import case, consent, form
from tests.simulators.text_bundle import PLAQUE_TEXT, text_manifest
from tests.simulators.text_engine import WritingEngine

VOCABULARY = Vocabulary.load()
TONE = {"light": -0.3125, "medium": 1.25, "dark": 0.5}
AGREED = consent()


class Toned(WritingEngine):
    """Writes as its parent and says a tone of every picture."""

    def _write(self, *args: Any, **more: Any) -> AgentOutput:
        return replace(super()._write(*args, **more), tone_logits=(TONE,))


def report_of(writing: WritingEngine) -> dict[str, Any]:
    """Run one case whose times are always the same."""
    pipeline = CasePipeline(writing, text_manifest(), VOCABULARY, device="TEST", clock=lambda: 0.0)
    return json.loads(json.dumps(pipeline.run(case(agreed=AGREED))))  # type: ignore[no-any-return]


def test_the_estimate_changes_nothing_else() -> None:
    """Taken out of the picture's row, the report is the one without a tone head."""
    report = report_of(Toned({1: PLAQUE_TEXT}))
    jsonschema.validate(report, report_schema())
    assert report["recognition"][0].pop("tone_logits") == TONE
    assert report == report_of(WritingEngine({1: PLAQUE_TEXT}))


@pytest.mark.parametrize(
    ("lang", "line"),
    [
        (
            "en",
            "the model's own tone estimate, not used for any decision (logits): light -0.31, medium 1.25, dark 0.50",
        ),
        ("zh", "模型自身的肤色估计（不用于任何判断）：浅 -0.31、中 1.25、深 0.50"),
    ],
)
def test_clinicians_read_that_nothing_rests_on_it(lang: Any, line: str) -> None:
    """One line per picture, with its reservation."""
    told = render_text(report_of(Toned({1: PLAQUE_TEXT})), VOCABULARY, lang)
    assert line in " ".join(told.split())


def test_it_stays_with_the_clinician() -> None:
    """Neither the person's copy nor the result for the uplink holds it."""
    told = report_of(Toned({1: PLAQUE_TEXT}))
    assert "tone estimate" not in render_html(told, VOCABULARY, "en", audience="person")
    assert "tone estimate" in render_html(told, VOCABULARY, "en", audience="clinician")
    result = deidentify(
        told,
        intake=form(),
        consent=AGREED,
        record_id="0" * 32,
        year=2026,
        profile_class="mini_pc",
        language="en",
    )
    assert result is not None
    assert "tone_logits" not in result.model_dump_json()
