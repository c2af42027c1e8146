"""What a bundle is asked on labelled cases, with scripted engines: schema agents, and agents that write text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calibration.evaluation.case_folder import EvaluationCase, LabelledView
from calibration.evaluation.run import BundleRun, decided
from calibration.evaluation.text_scope import advice, text_scope_figures
from edge_agent.contracts.case import AgentOutput, FieldValue
from edge_agent.contracts.manifest import FieldCalibration, Manifest
from edge_agent.errors import CalibrationError
from tests.simulators.answered_cases import labelled_case
from tests.simulators.cases import manifest
from tests.simulators.engine import Said, ScriptedEngine
from tests.simulators.text_bundle import (
    ASSESSMENT_TEXT,
    INTEGRATED_TEXT,
    MOLE_TEXT,
    PLAQUE_TEXT,
    TEXT_SCOPE,
    text_manifest,
)
from tests.simulators.text_engine import WritingEngine

OURS, TUMOUR = 10, 200
SAID: dict[int, Said] = {
    OURS: {"applicability": ("lesion_visible", 0.99), "family": ("papulosquamous", 0.98), "border": ("mixed", 0.6)},
    TUMOUR: {"applicability": ("lesion_visible", 0.99), "family": ("nodule_tumour", 0.97), "border": (None, None)},
}


def case_of(folder: Path, number: int, *marks: int, family: str = "papulosquamous") -> EvaluationCase:
    """Return a case whose pictures have the marks that the scripted engine reads."""
    target = folder / f"case-{number:05d}"
    target.mkdir(parents=True)
    views = []
    for place, mark in enumerate(marks, start=1):
        Image.fromarray(np.full((64, 64, 3), mark, np.uint8)).save(target / f"{place}.png")
        labels: dict[str, Any] = {"applicability": "lesion_visible", "family": family}
        views.append(LabelledView(picture=f"{place}.png", shot="close_up", labels=labels))
    return EvaluationCase(labelled_case(number, family=family, views=views).file, target)


def engine() -> ScriptedEngine:
    """Return an engine that answers everything it is asked."""
    return ScriptedEngine(
        SAID,
        integrated={"distribution": (["truncal"], 0.8), "stage": ("stationary", 0.7)},
        pathogenesis={"mechanism": (["blood_stasis"], 0.9)},
        assessment={"syndrome": ("blood_heat", 0.6)},
    )


def test_every_agent_is_asked_and_reason_twice(tmp_path: Path) -> None:
    """Rec on every view of both cases, Rep and Reason on the one in scope, Reason on true and on own findings."""
    asked = engine()
    cases = [case_of(tmp_path, 0, OURS, OURS), case_of(tmp_path, 1, TUMOUR, family="nodule_tumour")]
    first, second = BundleRun(asked, manifest()).answer(cases)
    assert (first.decision, second.decision) == ("in_scope", "out_of_scope")
    said = {(one.view, one.field): one.value for one in first.said}
    assert said[1, "recognition.family"] == "papulosquamous"
    assert said[None, "representation.stage"] == "stationary"
    assert said[None, "reasoning.syndrome"] == said[None, "cascade.syndrome"] == "blood_heat"
    assert {one.field for one in second.said} == {"recognition.applicability", "recognition.family"}
    assert [agent for agent, _ in asked.asked].count("reasoning") == 2
    assert asked.cached == 0  # nothing of a case stays in the engine


def test_reason_reads_the_labels_and_then_the_own_findings(tmp_path: Path) -> None:
    """On the true findings the label's scale stands in the text, in the cascade what Rec said of it: nothing."""
    asked = engine()
    case = case_of(tmp_path, 0, OURS)
    told = case.file.views[0].model_copy(update={"labels": {**case.file.views[0].labels, "scale_type": "greasy"}})
    case = EvaluationCase(case.file.model_copy(update={"views": [told]}), case.folder)
    BundleRun(asked, manifest()).answer([case])
    texts = [requests[0].texts["representation"] for agent, requests in asked.asked if agent == "reasoning"]
    assert ["scale_type greasy" in text for text in texts] == [True, False]


def test_turns_can_be_repeated(tmp_path: Path) -> None:
    """One turn per view for Rec, one for Rep with all views and both answers, one for Reason on the true findings."""
    [answer] = BundleRun(engine(), manifest()).answer([case_of(tmp_path, 0, OURS, OURS)])
    assert [(turn.agent, turn.views, len(turn.answers)) for turn in answer.turns] == [
        ("recognition", [0], 1),
        ("recognition", [1], 1),
        ("representation", [0, 1], 2),
        ("reasoning", [], 1),
    ]


def test_what_the_grammar_fixed_is_not_said(tmp_path: Path) -> None:
    """A field without a decision is no answer and is not counted."""
    [answer] = BundleRun(engine(), manifest()).answer([case_of(tmp_path, 0, TUMOUR, family="nodule_tumour")])
    assert "recognition.border" not in {one.field for one in answer.said}


def test_an_agent_that_reads_what_cases_do_not_give_is_refused(tmp_path: Path) -> None:
    """A text input that the evaluation cannot render is an error with its name, never an empty text."""
    document = manifest().model_dump()
    document["agents"]["reasoning"]["inputs"]["text"] = ["horoscope"]
    with pytest.raises(CalibrationError, match="reasoning reads the text horoscope"):
        BundleRun(engine(), Manifest.model_validate(document)).answer([case_of(tmp_path, 0, OURS)])


def test_texts_are_coded_and_kept(tmp_path: Path) -> None:
    """Agents that write: values coded from their words count as answers without a confidence, the words are kept."""
    writing = WritingEngine({OURS: PLAQUE_TEXT, TUMOUR: MOLE_TEXT})
    cases = [case_of(tmp_path, 0, OURS), case_of(tmp_path, 1, TUMOUR, family="pigmented_lesion")]
    first, second = BundleRun(writing, text_manifest()).answer(cases)
    said = {one.field: one for one in first.said}
    assert said["recognition.family"].value == "papulosquamous"
    assert said["recognition.family"].confidence is None
    assert said["reasoning.syndrome"].value == "blood_heat"
    assert first.texts["view1.recognition.describe"] == PLAQUE_TEXT
    assert first.texts["representation.integrate"] == INTEGRATED_TEXT
    assert first.texts["cascade.assess"] == ASSESSMENT_TEXT
    assert {one.field: one.value for one in second.said}["recognition.family"] == "pigmented_lesion"
    assert second.decision == "out_of_scope"


def test_experts_texts_are_the_true_findings_of_reason(tmp_path: Path) -> None:
    """Where an expert wrote Rep's text, Reason reads it on the true findings and the bundle's own in the cascade."""
    writing = WritingEngine({OURS: PLAQUE_TEXT})
    case = case_of(tmp_path, 0, OURS)
    file = case.file.model_copy(update={"texts": {"representation.integrate": "专家所写"}})
    BundleRun(writing, text_manifest()).answer([EvaluationCase(file, case.folder)])
    read = [requests[0].texts["representation_text"] for agent, requests in writing.asked if agent == "reasoning"]
    assert read[0] == "专家所写"
    assert read[1].startswith(INTEGRATED_TEXT)


def test_words_that_would_open_are_counted_whatever_is_declared(tmp_path: Path) -> None:
    """Without thresholds.text_scope no text opens the case, and it is told which ones would; of a mole none does."""
    writing = WritingEngine({OURS: PLAQUE_TEXT, TUMOUR: MOLE_TEXT})
    cases = [case_of(tmp_path, 0, OURS), case_of(tmp_path, 1, TUMOUR, family="pigmented_lesion")]
    for scope, decision in ((None, "abstained"), (TEXT_SCOPE, "in_scope")):
        first, second = BundleRun(writing, text_manifest(text_scope=scope)).answer(cases)
        assert (first.decision, first.words_open) == (decision, True)
        assert (second.decision, second.words_open) == ("out_of_scope", False)
        assert text_scope_figures(cases, [first, second], split="mine") == {
            "split": "mine", "danger_cases": 1, "danger_read_as_ours": 0, "in_scope_cases": 1, "in_scope_found": 1,
        }  # fmt: skip


def test_a_scope_under_a_schema_has_no_words(tmp_path: Path) -> None:
    """Probabilities decide: there is nothing to declare."""
    cases = [case_of(tmp_path, 0, OURS)]
    answers = BundleRun(engine(), manifest()).answer(cases)
    assert answers[0].words_open is None
    assert text_scope_figures(cases, answers, split="mine") is None


@pytest.mark.parametrize(
    ("danger", "opened", "words"), [(59, 0, "copy text_scope"), (58, 0, "0 of 58"), (200, 1, "1 of 200")]
)
def test_what_may_be_declared_is_what_a_manifest_takes(danger: int, opened: int, words: str) -> None:
    """None of at least 59 danger cases; else the advice says why not."""
    figures = {"danger_cases": danger, "danger_read_as_ours": opened, "in_scope_cases": 9, "in_scope_found": 8}
    assert words in advice({"split": "mine", **figures})


def test_reasons_words_about_no_condition_are_an_answer(tmp_path: Path) -> None:
    """A text that names no disease has named none: a labelled condition counts as missed, not as never asked."""
    writing = WritingEngine({OURS: PLAQUE_TEXT}, assessment="辨证:血热证。")
    [answer] = BundleRun(writing, text_manifest()).answer([case_of(tmp_path, 0, OURS)])
    said = {one.field: one for one in answer.said}
    assert said["reasoning.biomedical.working"].value is None
    assert said["cascade.biomedical.working"].is_shown is False


def test_a_condition_below_its_least_confidence_is_not_shown() -> None:
    """The device withholds the working condition by its dotted name; so it is no wrong value that is shown."""
    value = {"biomedical": {"working": "plaque_psoriasis"}}
    fields = {"biomedical.working": FieldValue("plaque_psoriasis", 0.4)}
    output = AgentOutput("reasoning", "assess", "", value, fields, 0, 0)
    for least, is_shown in ((0.5, False), (0.3, True)):
        limits = {"reasoning.biomedical.working": FieldCalibration(min_confidence=least)}
        thresholds = manifest().thresholds.model_copy(update={"fields": limits})
        [said] = decided("reasoning", output, {}, view=None, thresholds=thresholds)
        assert said.is_shown is is_shown
